//! Rows that Postgres refuses, and commits that take too long: neither stops a partition.

use std::time::Duration;

use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;

use crate::history::{SOON, event, stream, views};

/// Longer than a commit that is given up, and the narrower ones behind it.
const NARROWED: Duration = Duration::from_mins(4);

fn at_path(site: &str, path: &str) -> String {
    event(site).replacen("\"/\"", &format!("\"{path}\""), 1)
}

async fn is_drained(stack: &Stack, sequence: i64) {
    let drained = async || {
        let reached = sqlx::query_scalar("select min(stream_sequence) from checkpoint");
        let reached: Option<i64> = reached.fetch_one(&stack.database(DATABASE).ok()?).await.ok()?;
        (reached? >= sequence).then_some(())
    };
    wait::until("all of the log is folded", SOON, drained).await;
}

#[tokio::test]
async fn an_event_that_postgres_refuses_is_parked_and_all_others_count() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(stream(0)).await?;
    let pool = stack.database(DATABASE)?;
    sqlx::query("alter table path_daily add constraint stubborn check (path <> '/refused')").execute(&pool).await?;
    // In the first batch, which is copied, and in a later one, which is added; alone, and between others of its envelope.
    for round in ["first", "second"] {
        for number in 0..20 {
            let refused = at_path(round, "/refused").replacen('{', &format!(r#"{{"event_id":"{round}-{number}","#), 1);
            let body = match number {
                7 => refused,
                13 => [event(round), refused, event(round)].join("\n"),
                _ => event(round),
            };
            log.publish("events.0", body.into()).await?.await?;
        }
        let projector = stack.projector(DATABASE, &[]).await?;
        is_drained(&stack, if round == "first" { 20 } else { 40 }).await;
        assert_eq!(views(&stack, round).await?, 20, "18 alone, and 2 beside one that is refused");
        drop(projector);
    }
    let listed = stack.operate(&["parked", "list"]).await?;
    assert_eq!(listed.lines().count(), 4, "{listed}");
    for place in ["sequence 8 line 0", "sequence 14 line 1", "sequence 28 line 0", "sequence 34 line 1"] {
        assert!(listed.contains(place), "{place} in {listed}");
    }
    assert!(listed.contains("Postgres refuses to store it (23514)") && listed.contains("stubborn"), "{listed}");

    let _projector = stack.projector(DATABASE, &[]).await?;
    let retried = stack.operate(&["parked", "retry", "--by", "operator"]).await?;
    assert_eq!(retried, "Counted 0 events, dropped 0 repeats; 4 parked events still cannot be read.\n");
    assert!(stack.operate(&["verify"]).await?.contains("nothing differs"), "what is folded anew is refused, too");

    sqlx::query("alter table path_daily drop constraint stubborn").execute(&pool).await?;
    let retried = stack.operate(&["parked", "retry", "--by", "operator"]).await?;
    assert_eq!(retried, "Counted 4 events, dropped 0 repeats; 0 parked events still cannot be read.\n");
    assert_eq!((views(&stack, "first").await?, views(&stack, "second").await?), (22, 22));
    assert!(stack.operate(&["verify"]).await?.contains("nothing differs"), "a rebuild counts them by itself");
    Ok(())
}

#[tokio::test]
async fn a_batch_whose_commit_takes_too_long_is_narrowed_until_it_is_committed() -> TestResult {
    const EVENTS: i64 = 400;
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(stream(0)).await?;
    let pool = stack.database(DATABASE)?;
    log.publish("events.0", event("first").into()).await?.await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    is_drained(&stack, 1).await;
    drop(projector);
    // Each row takes a tenth of a second: all of them together take longer than a statement may.
    for statement in [
        "create function wait() returns trigger language plpgsql as $$
         begin perform pg_sleep(0.1); return new; end $$",
        "create trigger slow before insert on view_daily for each row execute function wait()",
    ] {
        sqlx::query(statement).execute(&pool).await?;
    }
    for number in 1..=EVENTS {
        let event = event("slow").replacen("page_view", &format!("type-{number}"), 1);
        log.publish("events.0", event.into()).await?.await?;
    }
    let _projector = stack.projector(DATABASE, &[]).await?;
    wait::until("all of it is counted", NARROWED, async || (views(&stack, "slow").await.ok()? == EVENTS).then_some(()))
        .await;
    Ok(())
}
