//! Protection against DNS rebinding: a service answers only requests for its own names.
//!
//! Only this machine can reach the loopback interface. But if the name of a web page resolves to 127.0.0.1, a browser on
//! this machine sends the page's requests here and lets the page read the answers. Such a request has the page's name in
//! `Host`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::{ApiError, PROBE_PATHS, header_list};

/// Maximum bytes of a name in DNS.
const HOST_BYTES_MAX: usize = 253;

/// Names of a service beside those of the loopback interface, as a list: `stats.example,stats.internal`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hosts(Vec<String>);

impl TryFrom<String> for Hosts {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let host = |text: &str| {
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
            let is_host = text.len() <= HOST_BYTES_MAX && text.bytes().all(is_part) && name(text) == text;
            let rule = || format!("a host is a name or an address without a port, such as stats.example; not {text:?}");
            if is_host { Ok(text.to_ascii_lowercase()) } else { Err(rule()) }
        };
        header_list::items(&text).map(host).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Hosts> for String {
    fn from(hosts: Hosts) -> Self {
        hosts.0.join(",")
    }
}

impl Hosts {
    /// Refuses requests for other names if the service listens on the loopback interface or names are configured. Probes are
    /// answered for every name: they say nothing about sites.
    pub fn guard(self, router: Router, address: IpAddr) -> Router {
        if self.0.is_empty() && !address.to_canonical().is_loopback() {
            return router;
        }
        router.layer(from_fn_with_state(Arc::new(self), check))
    }

    /// Whether all names in a request are known. A request without a name is not a browser's.
    fn contain_all_of(&self, request: &Request) -> bool {
        let authority = request.uri().authority().map(axum::http::uri::Authority::as_str);
        let sent = request.headers().get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("\0"));
        authority.into_iter().chain(sent).all(|host| self.contains(name(host)))
    }

    fn contains(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        // A name without a dot belongs to this machine or network, such as localhost.
        let is_local =
            !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        is_local && !host.bytes().all(|byte| byte.is_ascii_digit())
            || address.is_ok_and(|address| address.to_canonical().is_loopback())
            || self.0.iter().any(|known| known.eq_ignore_ascii_case(host))
    }
}

/// The host without its port. A text of another form stays as it is, and matches no name.
fn name(host: &str) -> &str {
    let begin = if host.starts_with('[') { host.find(']').unwrap_or_default() } else { 0 };
    match host[begin..].split_once(':') {
        Some((rest, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => &host[..begin + rest.len()],
        _ => host,
    }
}

async fn check(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    if PROBE_PATHS.contains(&request.uri().path()) || hosts.contain_all_of(&request) {
        return next.run(request).await;
    }
    ApiError::misdirected().into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn hosts(text: &str) -> Hosts {
        Hosts::try_from(text.to_owned()).expect("hosts")
    }

    #[test]
    fn names_of_this_machine_and_configured_ones_are_known_with_any_port() {
        let hosts = hosts("stats.example, [2001:db8::1],QUERY");
        for host in [
            "localhost",
            "LOCALHOST:3001",
            "127.0.0.1:1",
            "127.0.0.2",
            "[::1]",
            "[::1]:3001",
            "Stats.Example:443",
            "stats.example.",
            "[2001:db8::1]:80",
            "query",
        ] {
            assert!(hosts.contains(name(host)), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "",
            "\0",
            "::1:x",
            "stats.example.evil",
            "2130706434",
            "[::2]",
            "[::1]x",
            "[::1]x:1",
            "0.0.0.0",
        ] {
            assert!(!hosts.contains(name(host)), "{host}");
        }
        for text in ["stats.example:443", "https://stats.example", "a b"] {
            assert!(Hosts::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn each_name_of_a_request_counts() {
        let known = |uri: &str, sent: &[&str]| {
            let request = sent.iter().fold(Request::builder().uri(uri), |request, host| request.header("host", *host));
            hosts("").contain_all_of(&request.body(Body::empty()).expect("a request"))
        };
        assert!(known("/", &[]) && known("/", &["localhost"]) && known("http://127.0.0.1/", &["localhost"]));
        assert!(!known("/", &["evil.example"]) && !known("/", &["localhost", "evil.example"]));
        assert!(!known("http://evil.example/", &["localhost"]) && !known("http://localhost/", &["evil.example"]));
    }
}
