use std::time::Duration;

use anyhow::{Context, Result};
use testkit::clients::load::event;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

/// An answer comes within this time, on a machine that does other things too.
const SOON: Duration = Duration::from_secs(20);

/// Longer than an ALB keeps an idle connection by default.
const IDLE: Duration = Duration::from_secs(62);

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Sends a request, closes the sending side, and reads to the end.
async fn half_closed(port: u16, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request.as_bytes()).await?;
    stream.shutdown().await?;
    let mut heard = String::new();
    timeout(SOON, stream.read_to_string(&mut heard)).await.context("the connection stays open")??;
    Ok(heard)
}

#[tokio::test]
async fn a_client_that_closes_its_sending_side_is_answered() -> TestResult {
    let stack = Stack::servers().await?;
    let keys = stack.keys_of("ingest");
    let key = keys.add(&["--all-sites"]).await?;
    let (ingest_port, query_port) = (stack.ingest_port(), stack.query_client.port());
    let _projector = stack.projector(DATABASE, &[]).await?;
    let _query = stack.query().await?;
    for environment in [&[][..], &[("INGEST_KEYS_FILE", keys.name()), ("RATE_PER_ADDRESS", "1000")]] {
        let _ingest = stack.ingest(environment).await?;
        for (path, body) in [("/event", event("a", "/")), ("/events", [event("a", "/"), event("b", "/")].join("\n"))] {
            for _ in 0..10 {
                let heard = half_closed(ingest_port, &post(&format!("{path}?key={key}"), &body)).await?;
                assert!(heard.starts_with("HTTP/1.1 200") && heard.contains("receipt"), "{path}: {heard:?}");
            }
        }
        // Two requests at once, and one that breaks off.
        let two = post(&format!("/event?key={key}"), &event("a", "/")).repeat(2);
        let heard = half_closed(ingest_port, &two).await?;
        assert_eq!(heard.matches("HTTP/1.1 200").count(), 2, "{heard:?}");
        let broken = post(&format!("/event?key={key}"), &event("a", "/"));
        let heard = half_closed(ingest_port, &broken[..broken.len() - 5]).await?;
        assert!(!heard.contains("HTTP/1.1 200"), "{heard:?}");
        // Without a key, all of it is told, too.
        let status = if environment.is_empty() { "200" } else { "401" };
        let heard = half_closed(ingest_port, &post("/event", &event("a", "/"))).await?;
        assert!(heard.starts_with(&format!("HTTP/1.1 {status}")), "{heard:?}");
    }
    stack.drained(DATABASE).await?;
    // Whether query is ready is looked at once a second.
    wait::until("query is ready", SOON, async || {
        (stack.query_client.get("/readyz").await.ok()?.status == 200).then_some(())
    })
    .await;
    for path in ["/stats?site_id=a", "/", "/readyz", "/timeseries?site_id=a&from=2025-11-01&to=2025-11-30"] {
        let heard = half_closed(query_port, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await?;
        assert!(heard.starts_with("HTTP/1.1 200"), "{path}: {heard:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_idle_connection_outlives_a_load_balancer_and_a_silent_one_does_not() -> TestResult {
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[]).await?;
    let port = stack.ingest_port();
    let begun = Instant::now();
    let mut silent = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut slow = TcpStream::connect(("127.0.0.1", port)).await?;
    slow.write_all(b"POST /event HTTP/1.1\r\nhost: ").await?;
    let mut kept = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut stalled = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut heard = [0; 4_096];
    for stream in [&mut kept, &mut stalled] {
        stream.write_all(post("/event", &event("a", "/")).as_bytes()).await?;
        let read = timeout(SOON, stream.read(&mut heard)).await??;
        assert!(heard[..read].starts_with(b"HTTP/1.1 200"));
    }
    // Of a further request, the beginning.
    stalled.write_all(b"POST /event").await?;
    for stream in [&mut silent, &mut slow, &mut stalled] {
        let read = timeout(SOON, stream.read(&mut heard)).await.context("ten seconds are over")?;
        let is_told = matches!(read, Ok(0) | Err(_)) || heard.starts_with(b"HTTP/1.1 408");
        assert!(is_told, "{read:?}");
    }
    sleep_until(begun + IDLE).await;
    kept.write_all(post("/event", &event("a", "/")).as_bytes()).await?;
    let read = timeout(SOON, kept.read(&mut heard)).await??;
    assert!(heard[..read].starts_with(b"HTTP/1.1 200"), "after {IDLE:?}");
    drop(ingest);

    let _ingest = stack.ingest(&[("HTTP_IDLE_TIMEOUT_S", "2")]).await?;
    let mut kept = TcpStream::connect(("127.0.0.1", port)).await?;
    kept.write_all(post("/event", &event("a", "/")).as_bytes()).await?;
    let read = timeout(SOON, kept.read(&mut heard)).await??;
    assert!(heard[..read].starts_with(b"HTTP/1.1 200"));
    let ended = timeout(SOON, kept.read(&mut heard)).await.context("it is idle")?;
    assert_eq!(ended.unwrap_or(0), 0, "closed without a word");
    Ok(())
}
