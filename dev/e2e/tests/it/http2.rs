use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use testkit::clients::load::event;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::clients::browser::Browser;
use crate::clients::tls::SecureClient;
use crate::inputs::certificates::{Authority, Validity};

/// An answer comes, and an end, within this time, on a machine that does other things too.
const SOON: Duration = Duration::from_secs(30);

/// More than the six connections of HTTP/1.1 that a browser opens to a host.
const TABS: usize = 8;

pub(crate) type Requests = SendRequest<Full<Bytes>>;

/// A connection of HTTP/2, and when it ends.
pub(crate) async fn connect(client: &SecureClient) -> Result<(Requests, JoinHandle<hyper::Result<()>>)> {
    let (requests, connection) = handshake(TokioExecutor::new(), TokioIo::new(client.connect_http2().await?)).await?;
    Ok((requests, tokio::spawn(connection)))
}

pub(crate) async fn ask(requests: &Requests, path: &str, body: String) -> Result<Response<Incoming>> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let request = Request::builder().method(method).uri(format!("https://127.0.0.1{path}"));
    let mut requests = requests.clone();
    requests.ready().await?;
    Ok(timeout(SOON, requests.send_request(request.body(Full::from(body))?)).await.context("no answer")??)
}

pub(crate) async fn text(answer: Response<Incoming>) -> Result<String> {
    Ok(String::from_utf8(answer.into_body().collect().await?.to_bytes().to_vec())?)
}

#[tokio::test]
async fn many_requests_share_a_connection_within_its_bounds() -> TestResult {
    let stack = Stack::servers().await?;
    let authority = Authority::new()?;
    let [certificate, key] = authority.issue("127.0.0.1", Validity::Valid)?.save(authority.folder(), "server")?;
    let files = [("TLS_CERT_FILE", certificate.as_str()), ("TLS_KEY_FILE", key.as_str()), ("HTTP_IDLE_TIMEOUT_S", "3")];
    let ingest = stack.ingest_unready(&files)?;
    let client = SecureClient::new(stack.ingest_port(), &authority)?;
    let ready = async || client.ask("GET", "/readyz", "").await.ok()?.starts_with("HTTP/1.1 200").then_some(());
    wait::until("HTTP/1.1 goes on", SOON, ready).await;

    let (requests, ended) = connect(&client).await?;
    let posts = (0..300).map(async |number| {
        let answer = ask(&requests, "/event", event("a", &format!("/{number}"))).await?;
        anyhow::ensure!(answer.status() == 200, "{}", answer.status());
        text(answer).await
    });
    let receipts = try_join_all(posts).await?;
    assert!(receipts.iter().all(|receipt| receipt.contains("\"receipt\"")));
    let large = ask(&requests, "/event", "x".repeat(100_000)).await?;
    assert_eq!(large.status(), 413);
    let mut long = Request::builder().uri("https://127.0.0.1/healthz");
    for number in 0..12 {
        long = long.header(format!("x-filler-{number}"), "x".repeat(1_000));
    }
    let refused = requests.clone().send_request(long.body(Full::default())?).await;
    assert!(refused.is_err() || refused.is_ok_and(|answer| answer.status() == 431), "headers have a bound");
    // Idle, it is closed in order.
    timeout(SOON, ended).await.context("an idle connection stays")???;
    assert_eq!(ingest.exit_status(), None);

    // What is under way when the process stops is answered, and the connection ends in order.
    let (requests, ended) = connect(&client).await?;
    assert_eq!(ask(&requests, "/event", event("a", "/")).await?.status(), 200);
    let posts = try_join_all((0..50).map(async |_| {
        let answer = ask(&requests, "/event", event("a", "/")).await?;
        anyhow::ensure!(answer.status() == 200, "{}", answer.status());
        Ok(())
    }));
    posts.await?;
    assert!(ingest.stop().await.success());
    timeout(SOON, ended).await.context("a connection outlives its service")???;
    Ok(())
}

#[tokio::test]
async fn a_browser_opens_more_dashboards_than_it_has_connections() -> TestResult {
    let stack = Stack::servers().await?;
    let authority = Authority::new()?;
    let [certificate, key] = authority.issue("127.0.0.1", Validity::Valid)?.save(authority.folder(), "server")?;
    let _ingest = stack.ingest(&[]).await?;
    assert_eq!(stack.ingest_client.post("/event", event("a", "/")).await?.status, 200);
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    let query = stack.query_unready(&[("TLS_CERT_FILE", certificate.as_str()), ("TLS_KEY_FILE", key.as_str())])?;
    let client = SecureClient::new(stack.query_client.port(), &authority)?;
    let ready = async || client.ask("GET", "/readyz", "").await.ok()?.starts_with("HTTP/1.1 200").then_some(());
    wait::until("query is ready", SOON, ready).await;

    // Streams and reports of one connection.
    let (requests, _ended) = connect(&client).await?;
    let streams = try_join_all((0..TABS).map(|_| ask(&requests, "/live?site_id=a", String::new()))).await?;
    assert!(streams.iter().all(|stream| stream.status() == 200));
    assert!(text(ask(&requests, "/stats?site_id=a", String::new()).await?).await?.contains("\"total_views\":1,"));
    drop(streams);

    let browser = Browser::start(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("http2")).await?;
    let outcome = open_tabs(&browser, &format!("https://127.0.0.1:{}/?site=a", stack.query_client.port())).await;
    browser.quit().await?;
    assert_eq!(query.exit_status(), None);
    Ok(outcome?)
}

async fn open_tabs(browser: &Browser, address: &str) -> Result<()> {
    for tab in 0..TABS {
        let handle = browser.web.new_tab().await?;
        browser.web.switch_to_window(handle).await?;
        let opening = timeout(SOON, browser.web.goto(address));
        opening.await.with_context(|| format!("tab {tab} stays empty"))??;
        assert_eq!(browser.text("h1").await?, "a");
        let live = async || (browser.text("[data-live-state]").await.ok()? == "live").then_some(());
        wait::until("the tab is live", SOON, live).await;
    }
    Ok(())
}
