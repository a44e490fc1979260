use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use launcher::ports;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, DatabaseUser, Stack};
use testkit::wait;

const SOON: Duration = Duration::from_secs(30);

const SECRET: &str = "s3kret-pw-of-the-test";

fn check(what: &str, text: &str) {
    for secret in [SECRET.to_owned(), BASE64_STANDARD.encode(format!("someone:{SECRET}"))] {
        let line = text.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "a secret in {what}");
    }
}

/// No program listens at any of the addresses. What is said of that names no secret, and `/readyz` no host either.
#[tokio::test]
async fn neighbours_that_are_away_are_told_of_without_their_passwords() -> TestResult {
    let stack = Stack::servers().await?;
    let unused = ports::free();
    let address = |scheme: &str, rest: &str| format!("{scheme}://someone:{SECRET}@127.0.0.1:{unused}{rest}");
    let (monitor, traces) = (address("http", ""), address("http", ""));
    let database = address("postgres", "/tidemark?sslpassword=s3kret-pw-of-the-test");
    let common =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", traces.as_str()), ("RUST_LOG", "debug"), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let ingest = stack
        .ingest_unready(&[&common[..], &[("NATS_MONITOR_URLS", &monitor), ("PUBLISH_DEADLINE_MS", "500")]].concat())?;
    let projector = stack.projector_unready(DATABASE, &[&common[..], &[("DATABASE_URL", &database)]].concat())?;
    let query_environment = [&common[..], &[("DATABASE_URL", &database), ("READ_DATABASE_URL", &database)]].concat();
    let query = stack.query_unready(&query_environment)?;
    for (name, client) in
        [("ingest", &stack.ingest_client), ("projector", &projector.client), ("query", &stack.query_client)]
    {
        let answer = wait::until(&format!("{name} is not ready"), SOON, async || {
            client.get("/readyz").await.ok().filter(|answer| answer.status == 503)
        })
        .await;
        assert!(!answer.text.contains("127.0.0.1") && !answer.text.contains(&unused.to_string()), "{}", answer.text);
        check("/readyz", &answer.text);
        check("/metrics", &client.get("/metrics").await?.text);
        for path in ["/event", "/stats?site_id=a"] {
            check(path, &client.get(path).await?.text);
        }
    }
    stack.ingest_client.post("/event", "{}").await?;
    stack.ingest_client.post("/event", testkit::clients::load::event("a", "/")).await?;
    wait::until("ingest says what is away", SOON, async || {
        ingest.log_tail(10_000).contains(&format!("hidden@127.0.0.1:{unused}")).then_some(())
    })
    .await;
    wait::until("ingest says that spans were not sent", SOON, async || {
        ingest.log_tail(10_000).contains("BatchSpanProcessor").then_some(())
    })
    .await;
    for (name, process) in [("ingest", ingest), ("projector", projector.process), ("query", query)] {
        process.stop().await;
        check(name, &process.log_tail(1_000_000));
    }
    Ok(())
}

/// The servers are there, and refuse this password.
#[tokio::test]
async fn wrong_passwords_are_not_told() -> TestResult {
    let stack = Stack::servers().await?;
    let right = stack.url_of(DatabaseUser::Query, DATABASE);
    let (_, place) = right.rsplit_once('@').expect("a URL with credentials");
    let database = format!("postgres://someone:{SECRET}@{place}");
    let nats = ("NATS_PASSWORD", SECRET);
    let ingest = stack.ingest_unready(&[nats, ("RUST_LOG", "debug")])?;
    let projector = stack.projector_unready(DATABASE, &[nats, ("DATABASE_URL", &database), ("RUST_LOG", "debug")])?;
    let query = stack.query_unready(&[("DATABASE_URL", &database), ("RUST_LOG", "debug")])?;
    for client in [&stack.ingest_client, &projector.client, &stack.query_client] {
        let answer = wait::until("an answer", SOON, async || {
            client.get("/readyz").await.ok().filter(|answer| answer.status == 503)
        })
        .await;
        check("/readyz", &answer.text);
        assert!(!answer.text.contains("someone") && !answer.text.contains("127.0.0.1"), "{}", answer.text);
    }
    // What NATS and Postgres say of a wrong password.
    let refusals = ["authorization violation", "password authentication failed"];
    for (name, process) in [("ingest", ingest), ("projector", projector.process), ("query", query)] {
        wait::until(&format!("{name} is refused"), SOON, async || {
            let said = process.log_tail(10_000).to_lowercase();
            refusals.iter().any(|refusal| said.contains(refusal)).then_some(())
        })
        .await;
        process.stop().await;
        check(name, &process.log_tail(1_000_000));
    }
    Ok(())
}
