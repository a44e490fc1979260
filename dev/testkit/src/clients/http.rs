//! What clients say and hear.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;

/// No answer may take longer than this; ingest's own deadline is below it.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// An HTTP client of one service.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    port: u16,
    base: String,
    address: IpAddr,
}

/// What it hears.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, as it came.
    pub text: String,
}

impl Client {
    /// A client of the service at this port.
    pub fn new(port: u16) -> Self {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self { http: http(address, ANSWER_TIMEOUT), port, base: format!("http://127.0.0.1:{port}"), address }
    }

    /// The port that it talks to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A client that hangs up when an answer takes longer than `patience`.
    #[must_use]
    pub fn patient_for(&self, patience: Duration) -> Self {
        Self { http: http(self.address, patience), ..self.clone() }
    }

    /// A client that connects from another address of this machine, such as 127.0.0.9.
    #[must_use]
    pub fn from_address(&self, address: Ipv4Addr) -> Self {
        let address = IpAddr::V4(address);
        Self { http: http(address, ANSWER_TIMEOUT), address, ..self.clone() }
    }

    /// Where a path is.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Any method without a body.
    pub async fn request(&self, method: &str, path: &str) -> reqwest::Result<Answer> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        Answer::of(self.http.request(method, self.url(path)).send().await?).await
    }

    /// `GET`, path with query.
    pub async fn get(&self, path: &str) -> reqwest::Result<Answer> {
        Answer::of(self.http.get(self.url(path)).send().await?).await
    }

    /// `GET`, up to the headers of an answer that may not end.
    pub async fn begin(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        self.http.get(self.url(path)).send().await
    }

    /// `POST` of a body as curl does it: with a content type that says nothing.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::Result<Answer> {
        Answer::of(self.http.post(self.url(path)).body(body).send().await?).await
    }

    /// `POST` with a header.
    pub async fn post_with(
        &self,
        path: &str,
        header: (&'static str, &str),
        body: impl Into<reqwest::Body>,
    ) -> reqwest::Result<Answer> {
        let request = self.http.post(self.url(path)).header(header.0, header.1).body(body);
        Answer::of(request.send().await?).await
    }
}

fn http(address: IpAddr, timeout: Duration) -> reqwest::Client {
    reqwest::Client::builder().timeout(timeout).local_address(address).build().expect("a client without TLS")
}

impl Answer {
    async fn of(response: reqwest::Response) -> reqwest::Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, text: response.text().await? })
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|err| panic!("{err} in {}", self.text))
    }

    /// What a refusal says.
    pub fn error(&self) -> String {
        let body = self.json();
        let fields = body.as_object().expect("an object");
        let names: BTreeSet<_> = fields.keys().map(String::as_str).collect();
        assert_eq!(names, BTreeSet::from(["code", "error"]), "a refusal has two fields");
        fields["error"].as_str().expect("a sentence").to_owned()
    }
}
