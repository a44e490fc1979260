use anyhow::Result;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;

use crate::history::{SOON, event, says, stream, views};

async fn shows(stack: &Stack, site: &str, count: i64) {
    let shown = async || (views(stack, site).await.ok()? == count).then_some(());
    wait::until("the event is counted", SOON, shown).await;
}

#[tokio::test]
async fn a_gap_is_acknowledged_once_and_recorded() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(stream(0)).await?;
    for site in ["first", "second", "third"] {
        log.publish("events.0", event(site).into()).await?.await?;
    }
    log.get_stream("EVENTS_0").await?.delete_message(2).await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    says(&projector, "partition 0 stands still").await;

    let status = stack.operate(&["status"]).await?;
    assert!(status.contains("stands still: sequences 2 to 2 are gone from the stream"), "{status}");
    assert!(status.contains("projector acknowledge --partition 0 --to 2 --by NAME"), "{status}");
    let wrong = stack.operate(&["acknowledge", "--partition", "0", "--to", "3", "--by", "operator"]).await;
    assert!(wrong.expect_err("not what status says").to_string().contains("see `projector status`"));

    stack.operate(&["acknowledge", "--partition", "0", "--to", "2", "--by", "operator"]).await?;
    shows(&stack, "third", 1).await;
    let recorded: Vec<(i64, i64, String)> =
        sqlx::query_as("select from_sequence, to_sequence, acknowledged_by from acknowledgement")
            .fetch_all(&stack.database(DATABASE)?)
            .await?;
    assert_eq!(recorded, [(2, 2, "operator".to_owned())]);
    let again = stack.operate(&["acknowledge", "--partition", "0", "--to", "2", "--by", "operator"]).await;
    assert!(again.is_err(), "there is nothing left to acknowledge");
    assert_eq!((views(&stack, "first").await?, views(&stack, "third").await?), (1, 1));

    // What was decided about the log holds for whatever is folded from it later.
    assert!(stack.operate(&["verify"]).await?.contains("nothing differs"));
    let rebuilt = stack.operate(&["rebuild"]).await?;
    assert!(rebuilt.contains("is active") && rebuilt.contains("nothing differs"), "{rebuilt}");
    Ok(())
}

#[tokio::test]
async fn a_stream_that_was_made_anew_goes_on_when_that_is_acknowledged() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(stream(0)).await?;
    let with_poison = |site: &str| [event(site), format!("unreadable: {site}")].join("\n");
    log.publish("events.0", with_poison("first").into()).await?.await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    log.delete_stream("EVENTS_0").await?;
    log.create_stream(stream(0)).await?;
    log.publish("events.0", with_poison("second").into()).await?.await?;
    says(&projector, "it was deleted and made anew").await;
    stack.operate(&["acknowledge", "--partition", "0", "--to", "0", "--by", "operator"]).await?;
    shows(&stack, "second", 1).await;
    assert_eq!(views(&stack, "first").await?, 1);
    let parked = stack.operate(&["parked", "show"]).await?;
    assert!(parked.contains("unreadable: first") && parked.contains("unreadable: second"), "{parked}");
    Ok(())
}

#[tokio::test]
async fn a_parked_event_counts_once_after_a_fix_or_is_given_up() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(stream(0)).await?;
    log.publish("events.0", "{\"site_id\":7}\nnever readable".into()).await?.await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;

    let listed = stack.operate(&["parked", "list"]).await?;
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(listed.contains("generation 1 partition 0 sequence 1 line 0"), "{listed}");
    let shown = stack.operate(&["parked", "show", "--partition", "0", "--sequence", "1", "--line", "1"]).await?;
    assert!(shown.contains("never readable"), "{shown}");
    let unfixed = stack.operate(&["parked", "retry", "--by", "operator"]).await?;
    assert_eq!(unfixed, "Counted 0 events, dropped 0 repeats; 2 parked events still cannot be read.\n");

    // A later version could read it: the same as if this one found something readable in its place.
    let pool = stack.database(DATABASE)?;
    sqlx::query("update parked_event set event = $1 where line = 0")
        .bind(event("fixed").into_bytes())
        .execute(&pool)
        .await?;
    let retried = stack.operate(&["parked", "retry", "--by", "operator"]).await?;
    assert_eq!(retried, "Counted 1 events, dropped 0 repeats; 1 parked events still cannot be read.\n");
    let retried = stack.operate(&["parked", "retry", "--by", "operator"]).await?;
    assert_eq!(retried, "Counted 0 events, dropped 0 repeats; 1 parked events still cannot be read.\n");
    assert_eq!(views(&stack, "fixed").await?, 1);

    stack.operate(&["parked", "discard", "--partition", "0", "--by", "operator"]).await?;
    assert_eq!(stack.operate(&["parked", "list"]).await?, "");
    let kept: Vec<(i32, String)> =
        sqlx::query_as("select line, state from parked_event order by line").fetch_all(&pool).await?;
    assert_eq!(kept, [(0, "counted".to_owned()), (1, "discarded".to_owned())]);
    Ok(())
}

#[tokio::test]
async fn parked_events_are_decided_on_however_many_they_are() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(stream(0)).await?;
    for _ in 0..2 {
        log.publish("events.0", "never readable\n".repeat(650).into()).await?.await?;
    }
    log.publish("events.0", "readable soon".into()).await?.await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;

    assert_eq!(stack.operate(&["parked", "list"]).await?.lines().count(), 1_301);
    let pool = stack.database(DATABASE)?;
    sqlx::query("update parked_event set event = $1 where stream_sequence = 3")
        .bind(event("fixed").into_bytes())
        .execute(&pool)
        .await?;
    let retried = stack.operate(&["parked", "retry", "--by", "operator"]).await?;
    assert_eq!(retried, "Counted 1 events, dropped 0 repeats; 1300 parked events still cannot be read.\n");
    let discarded = stack.operate(&["parked", "discard", "--by", "operator"]).await?;
    assert_eq!(discarded, "Discarded 1300 parked events.\n");
    assert_eq!(stack.operate(&["parked", "list"]).await?, "");
    Ok(())
}

fn event_with_id(id: &str) -> String {
    event("fixed").replacen('{', &format!(r#"{{"event_id":"{id}","#), 1)
}

#[tokio::test]
async fn a_parked_event_counts_once_however_often_it_was_sent() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(stream(0)).await?;
    // Two that are unreadable yet, twice each; one of them has come in a form that counts, too.
    let unreadable = ["a", "b", "a", "b"].map(|id| format!("{{{id}"));
    log.publish("events.0", [unreadable.join("\n"), event_with_id("a")].join("\n").into()).await?.await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    assert_eq!(views(&stack, "fixed").await?, 1);

    let fix = async |state: &str| -> Result<()> {
        for id in ["a", "b"] {
            let fix = "update parked_event set event = $1 where state = $2 and event = $3";
            let fix =
                sqlx::query(fix).bind(event_with_id(id).into_bytes()).bind(state).bind(format!("{{{id}").into_bytes());
            fix.execute(&stack.database(DATABASE)?).await?;
        }
        Ok(())
    };
    fix("parked").await?;
    let first = ["parked", "retry", "--by", "operator", "--partition", "0", "--sequence", "1", "--line", "1"];
    let retried = stack.operate(&first).await?;
    assert_eq!(retried, "Counted 1 events, dropped 0 repeats; 0 parked events still cannot be read.\n");
    let retried = stack.operate(&["parked", "retry", "--by", "operator"]).await?;
    assert_eq!(retried, "Counted 0 events, dropped 3 repeats; 0 parked events still cannot be read.\n");
    // The partition's owner knows of it.
    for id in ["b", "c"] {
        log.publish("events.0", event_with_id(id).into()).await?.await?;
    }
    shows(&stack, "fixed", 3).await;
    stack.drained(DATABASE).await?;
    assert_eq!(views(&stack, "fixed").await?, 3, "a, b and c");
    assert_eq!(stack.operate(&["repeats"]).await?, "fixed 4\n");
    Ok(())
}
