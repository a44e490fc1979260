use std::time::{Duration, SystemTime};

use anyhow::Result;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;

use crate::observe::remains::files_with;

/// A look at what is watched is taken every five seconds at least.
const SOON: Duration = Duration::from_secs(30);

const SITE: &str = "marked-site.example";
const EVENT_TYPE: &str = "marked-type";
const PATH: &str = "marked-path";
const USER: &str = "marked-user";
const SEARCH: &str = "marked-search";
const ADDRESS: &str = "203.0.113.77";
const KEY: &str = "tm_markedmark_key";

/// What outlives an erasure must not name what was erased. Logs do, and `debug` is a choice of the operator.
#[tokio::test]
async fn no_log_names_sites_paths_searches_users_or_clients_unless_it_is_asked_to() -> TestResult {
    let stack = Stack::servers().await?;
    let common = [("RUST_LOG", "info"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let _ingest = stack.ingest(&common).await?;
    let _projector = stack.projector(DATABASE, &[("RUST_LOG", "info")]).await?;
    let limits = [("QUERY_TIMEOUT_MS", "1000"), ("QUERY_AFTER_TIMEOUT_MS", "100")];
    let _query = stack.query_with(&[common.as_slice(), &limits].concat()).await?;
    send(&stack).await?;
    stack.drained(DATABASE).await?;
    ask(&stack, 200).await?;
    // What is stored cannot be.
    for table in ["view_daily", "view_total"] {
        let damage = format!("update {table} set views = -1 where site_id = '{SITE}'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(damage)).execute(&stack.database(DATABASE)?).await?;
    }
    ask(&stack, 503).await?;
    is_logged(&stack, "What is stored about a site is damaged").await;
    is_logged(&stack, "Cannot answer a report").await;
    // Nothing answers.
    stack.postgres.freeze()?;
    ask(&stack, 503).await?;
    stack.postgres.thaw();
    for mark in [SITE, EVENT_TYPE, PATH, USER, SEARCH, ADDRESS, KEY] {
        let logs = files_with(stack.folder(), mark, &["nats", "postgres"])?;
        let found: Vec<_> = logs.iter().map(|file| lines_with(file, mark)).collect();
        assert!(logs.is_empty(), "{mark} is in {logs:?}: {found:?}");
    }
    Ok(())
}

async fn send(stack: &Stack) -> Result<()> {
    let now = DateTime::<Utc>::from(SystemTime::now()).to_rfc3339_opts(SecondsFormat::Secs, true);
    let event = json!({"site_id": SITE, "event_type": EVENT_TYPE, "path": format!("/{PATH}"), "user_id": USER,
                       "timestamp": now, "event_id": USER});
    let mut unreadable = event.clone();
    unreadable["path"] = 7.into();
    let (event, unreadable) = (event.to_string(), unreadable.to_string());
    let header = ("x-forwarded-for", ADDRESS);
    for (body, status) in [(event.clone(), 200), (unreadable, 400), (format!("\"{USER}\""), 400)] {
        let answer = stack.ingest_client.post_with(&format!("/event?key={KEY}"), header, body.clone()).await?;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
    }
    // What is in the log and cannot be read.
    let unread = stack.log().await?;
    unread
        .publish("events.0", format!("{{\"site_id\":\"{SITE}\",\"user_id\":\"{USER}\",\"path\":7}}").into())
        .await?
        .await?;
    Ok(())
}

/// Asks for everything that names what must not be named.
async fn ask(stack: &Stack, expected: u16) -> Result<()> {
    let report = format!("site_id={SITE}&event_type={EVENT_TYPE}");
    let answer = stack.query_client.get(&format!("/stats?{report}")).await?;
    assert_eq!(answer.status, expected, "{}", answer.text);
    for path in [
        format!("/stats?{report}&date=2025-11-12&after=0-999999-0"),
        format!("/stats?{report}&date={PATH}"),
        format!("/stats?{report}&{SEARCH}={USER}"),
        format!("/paths?{report}&search={SEARCH}&prefix=/{PATH}"),
        format!("/timeseries?{report}&from=2025-11-01&to=2025-11-30"),
        format!("/events/types?site_id={SITE}"),
        format!("/sites?prefix={SITE}&key={KEY}"),
        format!("/?site={SITE}&event={EVENT_TYPE}&search={SEARCH}"),
        format!("/{PATH}/{USER}"),
    ] {
        stack.query_client.get(&path).await?;
    }
    // An answer that may not end is left as soon as it has begun.
    let live = stack.query_client.patient_for(Duration::from_secs(2)).get(&format!("/live?{report}")).await;
    drop(live);
    Ok(())
}

async fn is_logged(stack: &Stack, sentence: &str) {
    wait::until(sentence, SOON, async || {
        let found = files_with(stack.folder(), sentence, &["nats", "postgres"]).ok()?;
        (!found.is_empty()).then_some(())
    })
    .await;
}

fn lines_with(file: &std::path::Path, mark: &str) -> Vec<String> {
    let text = std::fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    text.lines().filter(|line| line.contains(mark)).take(3).map(str::to_owned).collect()
}
