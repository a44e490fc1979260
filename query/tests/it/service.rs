//! The service under test: its own `run`, on a port of its own.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

use query::Config;
use serde_json::Value;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::models::Models;
use crate::server::Database;

/// A running service. Dropped, it stops.
pub(crate) struct Service {
    base: String,
    client: reqwest::Client,
    pub(crate) shutdown: CancellationToken,
    pub(crate) running: JoinHandle<anyhow::Result<()>>,
    /// The database server, which stays while the service does.
    database: Option<Database>,
}

/// An answer of the service.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

/// A service whose database has one active generation, empty.
pub(crate) async fn with_models() -> (Service, Models, PgPool, Database) {
    let database = Database::empty().await;
    let db = database.migrate().await;
    let models = Models::create(&db, "active").await;
    let mut service = Service::start(database.service_url()).await;
    service.database = Some(database.clone());
    (service, models, db, database)
}

impl Service {
    pub(crate) async fn start(database_url: String) -> Self {
        Self::start_within(database_url, 5_000).await
    }

    /// Starts with a timeout of reports.
    pub(crate) async fn start_within(database_url: String, query_timeout_ms: u32) -> Self {
        Self::start_with(Config { query_timeout_ms: milliseconds(query_timeout_ms), ..config(database_url) }).await
    }

    /// Starts with a timeout of the wait for an event.
    pub(crate) async fn start_waiting(database: &Database, query_after_timeout_ms: u32) -> Self {
        let after = Some(milliseconds(query_after_timeout_ms));
        Self::start_on(database, Config { query_after_timeout_ms: after, ..config(database.service_url()) }).await
    }

    /// Starts with a configuration, and a database server that stays while the service does.
    pub(crate) async fn start_on(database: &Database, config: Config) -> Self {
        let mut service = Self::start_with(config).await;
        service.database = Some(database.clone());
        service
    }

    pub(crate) async fn start_with(config: Config) -> Self {
        let listener = TcpListener::bind(config.query_listen).await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().expect("a client");
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(query::run(config, listener, shutdown.clone()));
        Self { base, client, shutdown, running, database: None }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(reqwest::Method::GET, path, &[]).await
    }

    pub(crate) async fn send(&self, method: reqwest::Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.send().await.expect("an answer")).await
    }

    /// Waits until `/readyz` tells this: of the last look, which may be a second old.
    pub(crate) async fn tells_of_readiness(&self, expected: (u16, &str)) {
        let told = async {
            loop {
                let answer = self.get("/readyz").await;
                let sentence = if answer.status == 200 { answer.body.clone() } else { answer.error() };
                if (answer.status, sentence.as_str()) == expected {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let told = tokio::time::timeout(Duration::from_mins(1), told).await;
        assert!(told.is_ok(), "{expected:?} is not what is told: {:?}", self.get("/readyz").await);
    }

    /// The address of the service.
    pub(crate) fn address(&self) -> SocketAddr {
        self.base.trim_start_matches("http://").parse().expect("an address")
    }

    /// The beginning of an answer that may never end.
    pub(crate) async fn request(&self, path: &str, last_event_id: Option<&str>) -> reqwest::Response {
        let header = last_event_id.map(|id| ("last-event-id", id));
        self.request_as(path, header.as_slice()).await
    }

    /// The beginning of such an answer to a request with headers.
    pub(crate) async fn request_as(&self, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let mut request = self.client.get(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("an answer")
    }

    /// A report, which is expected to be there.
    pub(crate) async fn stats(&self, query: &str) -> Value {
        let answer = self.get(&format!("/stats?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        answer.json()
    }
}

/// The configuration of most tests.
pub(crate) fn config(database_url: String) -> Config {
    Config {
        database_url: database_url.into(),
        query_listen: ([127, 0, 0, 1], 0).into(),
        query_connections_max: NonZeroU32::new(4).expect("not 0"),
        query_live_clients_max: NonZeroU32::new(100).expect("not 0"),
        // Most tests ask from one address.
        query_client_share_percent: NonZeroU8::new(100).expect("not 0"),
        ..Config::default()
    }
}

pub(crate) fn milliseconds(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("not 0")
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.text().await.expect("a body") }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The sentence of a refusal, which has a code and nothing else beside it.
    pub(crate) fn error(&self) -> String {
        let body = self.json();
        let names: BTreeSet<_> = body.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(names, BTreeSet::from(["code", "error"]), "{body}");
        body["error"].as_str().expect("a sentence").to_owned()
    }
}
