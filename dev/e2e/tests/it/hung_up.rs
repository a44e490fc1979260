use std::time::Duration;

use anyhow::{Result, bail};
use testkit::clients::load::event;
use testkit::failure::TestResult;
use testkit::observe::snapshot::views_by_path;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;

use crate::clients::in_flight::Sent;
use crate::clients::tls::SecureClient;
use crate::http2::{Requests, ask, connect, text};
use crate::inputs::certificates::{Authority, Validity};
use crate::observe::metrics::value;

const SOON: Duration = Duration::from_secs(30);

/// Bytes of bookkeeping that each event takes in the queue of ingest, beside its own.
const EVENT_BYTES_MIN: f64 = 512.0;

/// A site of another partition than the last one.
fn site(number: usize) -> String {
    format!("hung-up-{number}")
}

/// Posts a request, and resets its stream once so many of its bytes wait for the log. Ingest has noticed that when it answers
/// the next request of the connection.
async fn hang_up(requests: &Requests, path: &str, body: String, waiting_bytes: f64) -> Result<()> {
    let all_waits = wait::until("all of it waits for the log", SOON, async || {
        let metrics = text(ask(requests, "/metrics", String::new()).await.ok()?).await.ok()?;
        (value(&metrics, "ingest_queue_bytes")? >= waiting_bytes).then_some(())
    });
    tokio::select! {
        answer = ask(requests, path, body) => bail!("{path} is answered: {answer:?}"),
        () = all_waits => {}
    }
    assert_eq!(ask(requests, "/healthz", String::new()).await?.status(), 200);
    Ok(())
}

#[tokio::test]
async fn a_request_whose_client_hangs_up_before_the_pub_ack_is_stored_as_a_whole() -> TestResult {
    const SITES: usize = 20;
    let stack = Stack::servers().await?;
    let authority = Authority::new()?;
    let [certificate, key] = authority.issue("127.0.0.1", Validity::Valid)?.save(authority.folder(), "server")?;
    let files = [("TLS_CERT_FILE", certificate.as_str()), ("TLS_KEY_FILE", key.as_str())];
    let _ingest = stack.ingest_unready(&[&files[..], &[("PUBLISH_DEADLINE_MS", "60000")]].concat())?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let client = SecureClient::new(stack.ingest_port(), &authority)?;
    let ready = async || client.ask("GET", "/readyz", "").await.ok()?.starts_with("HTTP/1.1 200").then_some(());
    wait::until("ingest is ready", SOON, ready).await;
    // Only HTTP/2 says that a client does not wait any more: one that closes a connection may still listen.
    let (requests, _connection) = connect(&client).await?;
    stack.nats.freeze()?;
    // One partition is busy with it.
    hang_up(&requests, "/event", event(&site(0), "/first"), EVENT_BYTES_MIN).await?;
    // Parts of this one are on their way to the log, and one waits for the first.
    let batch: Vec<String> = (0..SITES).map(|at| event(&site(at), "/batch")).collect();
    hang_up(&requests, "/events", batch.join("\n"), EVENT_BYTES_MIN * f64::from(u32::try_from(SITES)? + 1)).await?;
    stack.nats.thaw();
    for at in 0..SITES {
        // Behind all that was sent before it.
        assert_eq!(ask(&requests, "/event", event(&site(at), "/last")).await?.status(), 200);
    }
    stack.drained(DATABASE).await?;
    let views = views_by_path(&stack.database(DATABASE)?, "hung-up-").await?;
    let sites = i64::try_from(SITES)?;
    let expected = [("/batch", sites), ("/first", 1), ("/last", sites)].map(|(path, views)| (path.to_owned(), views));
    assert_eq!(views.into_iter().collect::<Vec<_>>(), expected, "all of each request, once");
    Ok(())
}

#[tokio::test]
async fn connections_that_break_at_any_moment_leave_all_or_nothing() -> TestResult {
    const REQUESTS: usize = 300;
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    for number in 0..REQUESTS {
        let batch: Vec<String> = (0..4).map(|at| event(&site(at), &format!("/{number:03}"))).collect();
        let sent = Sent::post(stack.ingest_port(), "/events", &batch.join("\n")).await?;
        tokio::time::sleep(Duration::from_micros(u64::try_from(number * 37 % 4_000)?)).await;
        drop(sent);
    }
    for at in 0..4 {
        assert_eq!(stack.ingest_client.post("/event", event(&site(at), "/last")).await?.status, 200);
    }
    assert_eq!(ingest.exit_status(), None);
    stack.drained(DATABASE).await?;
    let views = views_by_path(&stack.database(DATABASE)?, "hung-up-").await?;
    let partial: Vec<_> = views.iter().filter(|(path, views)| path.as_str() != "/last" && **views != 4).collect();
    assert!(partial.is_empty(), "stored in part: {partial:?}");
    println!("{} of {REQUESTS} requests were stored", views.len() - 1);
    Ok(())
}
