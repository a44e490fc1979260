//! What an attacker may try at the level of bytes, where `bad_input.rs` and query's own tests speak proper HTTP: requests that
//! two readers read differently, addresses that lead elsewhere, headers that never end.

use std::time::Duration;

use anyhow::{Context, Result};
use testkit::clients::load::event;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server that hangs up does so at once.
const SOON: Duration = Duration::from_secs(20);

/// Sends bytes as they are, and answers what comes back until the server closes, which it is expected to do.
async fn exchange(port: u16, sent: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.context("connecting")?;
    // It may hang up before it has read all.
    let _ = stream.write_all(sent).await;
    let mut heard = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut heard)).await;
    let _ = read.with_context(|| format!("the connection stays open after {:?}", String::from_utf8_lossy(sent)))?;
    Ok(String::from_utf8_lossy(&heard).into_owned())
}

fn statuses(heard: &str) -> Vec<u16> {
    heard.match_indices("HTTP/1.1 ").filter_map(|(place, _)| heard.get(place + 9..place + 12)?.parse().ok()).collect()
}

/// One request, at whose end a proxy and we might disagree. A second one is hidden in its body.
fn smuggled(headers: &str, body: &str) -> Vec<u8> {
    let hidden = event("hidden", "/");
    let hidden = format!("POST /event HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n{hidden}", hidden.len());
    format!("POST /event HTTP/1.1\r\nhost: test\r\n{headers}\r\n\r\n{body}{hidden}").into_bytes()
}

#[tokio::test]
async fn a_request_has_one_end_or_none() -> TestResult {
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[]).await?;
    let port = stack.ingest_port();
    for (what, headers, body) in [
        ("two lengths", "content-length: 2\r\ncontent-length: 0", "{}"),
        ("two lengths in one", "content-length: 2, 0", "{}"),
        ("a length with a sign", "content-length: +0", ""),
        ("a negative length", "content-length: -1", ""),
        ("a length that is too long", "content-length: 99999999999999999999999", ""),
        ("a length in hexadecimal", "content-length: 0x0", ""),
        ("an encoding that is not the last", "transfer-encoding: chunked, identity", "0\r\n\r\n"),
        ("an unknown encoding", "transfer-encoding: xchunked", "0\r\n\r\n"),
        ("a folded header", "content-length: 0\r\nx: a\r\n b: c", ""),
        ("a blank before the colon", "content-length : 0", ""),
        ("a line break without its partner in a name", "x\ry: 1\r\ncontent-length: 0", ""),
        ("a NUL", "x: a\0b\r\ncontent-length: 0", ""),
        ("a chunk that is no number", "transfer-encoding: chunked", "zz\r\n\r\n"),
        ("a chunk that is too large", "transfer-encoding: chunked", "fffffffffffffffff\r\n"),
    ] {
        let heard = exchange(port, &smuggled(headers, body)).await?;
        assert_eq!(statuses(&heard), [400], "{what}: {heard}");
    }
    // Both lengths and chunks: chunks count (RFC 9112), and what stands behind them is not read as a request.
    let heard = exchange(port, &smuggled("content-length: 4\r\ntransfer-encoding: chunked", "0\r\n\r\n")).await?;
    assert_eq!(statuses(&heard), [400], "an event of no bytes, and then the connection is closed: {heard}");
    let log = stack.log_ends().await?;
    assert!(log.iter().all(|(_, last)| *last == 0), "nothing that was hidden is stored: {log:?}");
    assert_eq!(stack.ingest_client.post("/event", event("site", "/")).await?.status, 200);
    assert_eq!(ingest.exit_status(), None);
    Ok(())
}

#[tokio::test]
async fn an_address_leads_where_it_says_or_nowhere() -> TestResult {
    let stack = Stack::servers().await?;
    let keys = stack.keys_of("query");
    let key = keys.add(&["--site", "a"]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let query = stack.query_with(&[("QUERY_KEYS_FILE", keys.name()), ("RUST_LOG", "trace")]).await?;
    let port = stack.query_client.url("").rsplit(':').next().and_then(|port| port.parse().ok()).context("a port")?;
    for address in [
        "/assets/../../../etc/passwd",
        "/assets/..%2f..%2f..%2fetc%2fpasswd",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets/....//etc/passwd",
        "/assets/%00",
        "/assets/\\..\\etc\\passwd",
        "/api-docs/../stats?site_id=a",
        "/api-docs/..%2fstats?site_id=a",
        "/healthz/../stats?site_id=a",
        "/healthz;/stats?site_id=a",
        "//stats?site_id=a",
        "/%73tats?site_id=a",
        "/stats%3fsite_id=a",
        "http://other.example/stats?site_id=a",
        "*",
    ] {
        for (with, headers) in [("no key", String::new()), ("a key", format!("authorization: Bearer {key}\r\n"))] {
            let request = format!("GET {address} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}\r\n");
            let heard = exchange(port, request.as_bytes()).await?;
            let status = statuses(&heard).first().copied();
            let is_turned_away = matches!(status, Some(400 | 401 | 404 | 405 | 421));
            // As proxies ask: it is answered as what it asks for.
            let is_absolute = address.starts_with("http") && with == "a key";
            assert!(!heard.contains("root:"), "{address} with {with}: {heard}");
            assert!(is_absolute || !heard.contains("total_views\":"), "{address} with {with}: {heard}");
            // Below the description there is nothing but the description.
            let is_document = address.starts_with("/api-docs");
            assert!(is_turned_away || is_absolute || is_document, "{address} with {with}: {heard}");
        }
    }
    // What is in a header stays there.
    for value in ["a\r\nset-cookie: x=1", "a%0d%0aset-cookie:%20x=1"] {
        let request = format!(
            "GET /stats?site_id={value}&key={key} HTTP/1.1\r\nhost: test\r\norigin: {value}\r\nconnection: close\r\n\r\n"
        );
        let heard = exchange(port, request.as_bytes()).await?;
        let headers = heard.split("\r\n\r\n").next().unwrap_or_default().to_lowercase();
        assert!(!headers.contains("set-cookie"), "{heard}");
    }
    let said = query.log_tail(1_000_000);
    assert!(!said.contains(&key[key.len() - 43..]), "a secret in the log");
    assert_eq!(query.exit_status(), None);
    Ok(())
}

#[tokio::test]
async fn headers_have_a_bound() -> TestResult {
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[]).await?;
    let port = stack.ingest_port();
    let line = |bytes: usize| format!("x-filler: {}\r\n", "x".repeat(bytes));
    for (what, headers) in [("a long header", line(64 << 10)), ("many headers", "x: y\r\n".repeat(2_000))] {
        let request = format!("POST /event HTTP/1.1\r\nhost: test\r\n{headers}content-length: 0\r\n\r\n");
        let heard = exchange(port, request.as_bytes()).await?;
        assert!(statuses(&heard).iter().all(|status| *status == 431), "{what}: {heard}");
    }
    let address = format!("POST /event?{} HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n", "x".repeat(64 << 10));
    let heard = exchange(port, address.as_bytes()).await?;
    assert!(statuses(&heard).iter().all(|status| matches!(status, 414 | 431)), "{heard}");
    assert_eq!(ingest.exit_status(), None);
    Ok(())
}

#[tokio::test]
async fn whose_events_they_are_is_in_no_log() -> TestResult {
    const WHO: &str = "a-particular-user";
    // All that our own code says. The log's client shows what it sends if it is asked for as much.
    const MOST: &str = "info,ingest=trace,projector=trace,service=trace,contract=trace,sqlx=trace";
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[("RUST_LOG", MOST)]).await?;
    let projector = stack.projector(DATABASE, &[("RUST_LOG", MOST)]).await?;
    let sent = |site: &str| event(site, "/").replace("\"u\"", &format!("\"{WHO}\""));
    for body in [sent("a"), sent("not a site"), sent("a").replace('}', "")] {
        stack.ingest_client.post("/event", body.clone()).await?;
        stack.ingest_client.post("/events", body).await?;
    }
    stack.drained(DATABASE).await?;
    for (name, process) in [("ingest", &ingest), ("projector", &projector.process)] {
        let said = process.log_tail(1_000_000);
        assert!(!said.is_empty() && !said.contains(WHO), "{name} tells who it was");
    }
    Ok(())
}
