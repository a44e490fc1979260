use anyhow::Result;
use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::Config;
use contract::subjects::{LOGGED_AT_HEADER, SCHEMA_HEADER, SENT_AT_HEADER};
use sqlx::PgPool;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};

use crate::history::{event, stream, views};

/// Long before the wrong clock's time, and long behind now.
const SANE_UNTIL: &str = "2035-01-01T00:00:00Z";

/// What a clock says that is years ahead.
const WRONG_TIME: &str = "2036-01-01T00:00:00Z";

fn event_with_id(site: &str, id: &str) -> String {
    event(site).replacen('{', &format!(r#"{{"event_id":"{id}","#), 1)
}

/// Makes what stands for an envelope that is gone, under headers of the test's choice.
async fn amend(log: &Context, sequence: u64, headers: &[(&str, &str)], body: String) -> Result<()> {
    let config = Config { name: "AMENDED_0".to_owned(), subjects: vec!["amended.0.*".to_owned()], ..Config::default() };
    log.get_or_create_stream(Config { allow_direct: true, ..config }).await?;
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, *value);
    }
    log.publish_with_headers(format!("amended.0.{sequence}"), map, body.into()).await?.await?;
    log.get_stream("EVENTS_0").await?.delete_message(sequence).await?;
    Ok(())
}

/// Whether log time of partition 0 is one that a clock of these days may say.
async fn log_time_is_sane(pool: &PgPool) -> Result<bool> {
    // Slots of the window, which is an hour in all tests: a minute each.
    let is_sane = "select log_slot > 0 and log_slot * 60 < extract(epoch from $1::timestamptz) from checkpoint";
    Ok(sqlx::query_scalar(is_sane).bind(SANE_UNTIL.parse::<chrono::DateTime<chrono::Utc>>()?).fetch_one(pool).await?)
}

#[tokio::test]
async fn ids_of_retried_events_are_known() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(stream(0)).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let mut headers = HeaderMap::new();
    headers.insert(SCHEMA_HEADER, "event.v2");
    log.publish_with_headers("events.0", headers, event_with_id("fixed", "one").into()).await?.await?;
    stack.drained(DATABASE).await?;
    // A later version could read it: this one can after the schema is another.
    let pool = stack.database(DATABASE)?;
    sqlx::query("update parked_event set schema = 'event.v1'").execute(&pool).await?;
    let retried = stack.operate(&["parked", "retry", "--by", "operator"]).await?;
    assert_eq!(retried, "Counted 1 events, dropped 0 repeats; 0 parked events still cannot be read.\n");

    log.publish("events.0", event_with_id("fixed", "one").into()).await?.await?;
    stack.drained(DATABASE).await?;
    assert_eq!(views(&stack, "fixed").await?, 1, "the second is a repeat");
    Ok(())
}

#[tokio::test]
async fn an_envelope_of_a_wrong_clock_makes_nothing_forgotten() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(stream(0)).await?;
    for id in ["one", "other", "one"] {
        log.publish("events.0", event_with_id("fixed", id).into()).await?.await?;
    }
    amend(&log, 2, &[(LOGGED_AT_HEADER, WRONG_TIME)], event_with_id("fixed", "other")).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    assert_eq!(views(&stack, "fixed").await?, 2, "the third is a repeat");
    assert!(log_time_is_sane(&stack.database(DATABASE)?).await?);
    assert!(stack.operate(&["verify"]).await?.contains("nothing differs"));
    Ok(())
}

#[tokio::test]
async fn a_clock_of_the_log_that_stays_wrong_is_not_believed_against_that_of_ingest() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(stream(0)).await?;
    let sent_at = "2026-01-01T00:00:00.000Z";
    for id in ["one", "two", "three", "one"] {
        log.publish("events.0", event_with_id("fixed", id).into()).await?.await?;
    }
    let times = [sent_at, WRONG_TIME, "2036-01-01T01:00:00Z", "2036-01-01T02:00:00Z"];
    for (sequence, (logged_at, id)) in (1..).zip(times.into_iter().zip(["one", "two", "three", "one"])) {
        let headers = [(LOGGED_AT_HEADER, logged_at), (SENT_AT_HEADER, sent_at)];
        amend(&log, sequence, &headers, event_with_id("fixed", id)).await?;
    }
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    assert_eq!(views(&stack, "fixed").await?, 3, "the last is a repeat");
    assert!(log_time_is_sane(&stack.database(DATABASE)?).await?);
    Ok(())
}
