use std::time::Duration;

use anyhow::Result;
use futures_util::future::try_join3;
use sqlx::{PgPool, Postgres, Transaction};
use testkit::clients::load::{self, Load};
use testkit::failure::TestResult;
use testkit::observe::snapshot::{self, views_by_path};
use testkit::stack::{DATABASE, Stack};
use testkit::wait;

use crate::exactly_once::{fill, traffic};

const SOON: Duration = Duration::from_mins(1);

/// Number and status of every generation, in the order of their making.
async fn generations(pool: &PgPool) -> Result<Vec<(i32, String)>> {
    Ok(sqlx::query_as("select generation_id, status from generation order by generation_id").fetch_all(pool).await?)
}

fn are(generations: &[(i32, String)], expected: &[(i32, &str)]) -> bool {
    generations.iter().map(|(id, status)| (*id, status.as_str())).eq(expected.iter().copied())
}

pub(crate) async fn have_become(pool: &PgPool, expected: &[(i32, &str)]) {
    wait::until(&format!("generations {expected:?}"), SOON, async || {
        are(&generations(pool).await.ok()?, expected).then_some(())
    })
    .await;
}

/// Keeps everybody from beginning a generation …
pub(crate) async fn hold_up(pool: &PgPool) -> Result<Transaction<'static, Postgres>> {
    let mut held = pool.begin().await?;
    sqlx::query("lock table generation in share row exclusive mode").execute(&mut *held).await?;
    Ok(held)
}

/// Lets a lock go once so many sessions wait for it.
pub(crate) async fn let_on(held: Transaction<'static, Postgres>, pool: &PgPool, many: i64) -> Result<()> {
    wait::until("all of them wait", SOON, async || {
        let waiting = "select count(*) from pg_locks where relation = 'generation'::regclass and not granted";
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(pool).await.ok()?;
        (waiting == many).then_some(())
    })
    .await;
    Ok(held.rollback().await?)
}

/// A log with traffic in four partitions, all of it folded by one projector.
async fn filled() -> TestResult<(Stack, testkit::stack::Projector)> {
    let stack = Stack::servers().await?;
    stack.ingest(&[]).await?.stop().await;
    for partition in 0..4 {
        fill(&stack.log().await?, &format!("events.{partition}"), &traffic(), &[5, 40]).await?;
    }
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    Ok((stack, projector))
}

#[tokio::test]
async fn a_rebuild_under_load_is_equal_and_takes_over_without_a_report_that_goes_back() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let _query = stack.query().await?;
    let pool = stack.database(DATABASE)?;
    let load = Load::start(&stack.ingest_client, 8);
    wait::until("events are acknowledged", SOON, async || (load.acknowledged() > 2_000).then_some(())).await;

    let rebuilding = stack.operate(&["rebuild"]);
    let watching = async {
        let mut last = 0;
        loop {
            let answer = stack.query_client.get("/stats?site_id=load-0&limit=1000").await.expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text);
            let total = answer.json()["total_views"].as_u64().expect("a number");
            assert!(total >= last, "{last} views, then {total}");
            last = total;
        }
    };
    let said = tokio::select! {
        said = rebuilding => said?,
        () = watching => unreachable!("it goes on"),
    };
    assert!(said.contains("Generation 2 is active") && said.contains("nothing differs"), "{said}");
    assert!(are(&generations(&pool).await?, &[(1, "retired"), (2, "active")]));

    let said = stack.operate(&["rebuild", "--throttle", "100000"]).await?;
    assert!(said.contains("Generation 3 is active"), "{said}");
    have_become(&pool, &[(2, "retired"), (3, "active")]).await;
    let heard = load.stop().await;
    stack.drained(DATABASE).await?;
    heard.check_counted(&views_by_path(&pool, load::SITES).await?);
    Ok(())
}

#[tokio::test]
async fn a_rebuild_goes_on_after_every_projector_was_killed() -> TestResult {
    let (stack, first) = filled().await?;
    let pool = stack.database(DATABASE)?;
    let before = snapshot::read_models(&pool).await?;
    stack.operate(&["rebuild", "--detach", "--throttle", "4000"]).await?;
    let built = async || {
        let built = "select coalesce(sum(stream_sequence), 0)::bigint from checkpoint where generation_id = 2";
        sqlx::query_scalar::<_, i64>(built).fetch_one(&pool).await.ok()
    };
    let mut projector = first;
    let mut last = 0;
    for _ in 0..2 {
        last = wait::until("it is built", SOON, async || built().await.filter(|built| *built > last + 20)).await;
        projector.process.kill().await;
        projector = stack.projector(DATABASE, &[]).await?;
    }
    have_become(&pool, &[(1, "retired"), (2, "active")]).await;
    stack.operate(&["drop", "1"]).await?;
    let renamed: Vec<String> = snapshot::read_models(&pool).await?;
    assert_eq!(renamed, before, "row by row and sketch byte by byte");
    Ok(())
}

/// Both would see that nothing is being built, if they looked at the same time.
#[tokio::test]
async fn of_two_rebuilds_at_once_one_is_refused() -> TestResult {
    let (stack, _projector) = filled().await?;
    let pool = stack.database(DATABASE)?;
    let held = hold_up(&pool).await?;
    let rebuild = || stack.operate_with(&[], &["rebuild", "--detach"]);
    let (first, second, ()) = try_join3(rebuild(), rebuild(), let_on(held, &pool, 2)).await?;
    let (begun, refused) = if first.is_success { (first, second) } else { (second, first) };
    assert!(begun.is_success && begun.text.starts_with("Generation 2 is built"), "{begun:?}");
    assert!(!refused.is_success && refused.complaint.contains("generation 2 is being built already"), "{refused:?}");
    have_become(&pool, &[(1, "retired"), (2, "active")]).await;
    Ok(())
}

#[tokio::test]
async fn a_generation_that_is_to_be_looked_at_waits_and_follows() -> TestResult {
    let (stack, _projector) = filled().await?;
    let pool = stack.database(DATABASE)?;
    let said = stack.operate(&["rebuild", "--no-promote"]).await?;
    assert!(said.contains("Generation 2 is ready") && said.contains("`projector promote 2`"), "{said}");
    assert_eq!(
        stack.operate(&["diff", "1", "2"]).await?.lines().last().map(|said| said.ends_with(" 0 differ.")),
        Some(true)
    );
    let again = stack.operate_with(&[], &["drop", "1"]).await?;
    assert!(!again.is_success && again.complaint.contains("generation 1 is active"), "{again:?}");

    fill(&stack.log().await?, "events.0", &traffic()[..50], &[1]).await?;
    let said = stack.operate(&["promote", "2"]).await?;
    assert!(said.contains("Generation 2 is active"), "{said}");
    have_become(&pool, &[(1, "retired"), (2, "active")]).await;
    Ok(())
}

#[tokio::test]
async fn what_differs_is_not_promoted_by_itself() -> TestResult {
    let (stack, _projector) = filled().await?;
    let pool = stack.database(DATABASE)?;
    sqlx::query("update view_total set views = views + 1 where partition_id = 2").execute(&pool).await?;
    let refused = stack.operate_with(&[], &["rebuild"]).await?;
    assert!(!refused.is_success && refused.text.contains("Generation 2 is ready"), "{refused:?}");
    assert!(are(&generations(&pool).await?, &[(1, "active"), (2, "ready")]));
    let said = stack.operate_with(&[], &["diff", "2", "1"]).await?;
    assert!(!said.is_success && said.text.contains("view_total site "), "{said:?}");
    let status = stack.operate(&["status"]).await?;
    assert!(status.contains("generation 2: ready") && status.contains("compared with 1"), "{status}");
    stack.operate(&["promote", "2"]).await?;
    assert!(stack.operate(&["verify"]).await?.contains("nothing differs"));
    Ok(())
}

#[tokio::test]
async fn a_rollback_catches_up_and_takes_over() -> TestResult {
    let (stack, _projector) = filled().await?;
    let pool = stack.database(DATABASE)?;
    stack.operate(&["rebuild"]).await?;
    fill(&stack.log().await?, "events.1", &traffic()[..70], &[2]).await?;
    let said = stack.operate(&["rollback"]).await?;
    assert!(said.contains("Generation 1 is active"), "{said}");
    have_become(&pool, &[(1, "active"), (2, "retired")]).await;
    assert!(stack.operate(&["verify"]).await?.contains("nothing differs"));

    let said = stack.operate(&["rollback", "--now"]).await?;
    assert!(said.contains("Generation 2 is active, as old as it was"), "{said}");
    wait::until("it catches up", SOON, async || {
        let status: serde_json::Value = serde_json::from_str(&stack.operate(&["status", "--json"]).await.ok()?).ok()?;
        let active = status.as_array()?.iter().find(|generation| generation["status"] == "active")?.clone();
        let partitions = active["partitions"].as_array()?;
        partitions.iter().all(|partition| partition["lag_events"] == 0).then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn an_incomplete_log_is_not_rebuilt_from_unless_that_is_accepted() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(crate::history::stream(0)).await?;
    for site in ["first", "second", "third"] {
        log.publish("events.0", crate::history::event(site).into()).await?.await?;
    }
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    log.get_stream("EVENTS_0").await?.purge().sequence(3).await?;
    let refused = stack.operate_with(&[], &["rebuild"]).await?;
    assert!(!refused.is_success && refused.complaint.contains("sequences 1 to 2 could not be"), "{refused:?}");
    let refused = stack.operate_with(&[], &["verify"]).await?;
    assert!(!refused.is_success && refused.complaint.contains("begins at sequence 3"), "{refused:?}");
    let refused = stack.operate_with(&[], &["rebuild", "--site", "first"]).await?;
    assert!(!refused.is_success && refused.complaint.contains("always of all sites and days"), "{refused:?}");

    let said = stack.operate(&["rebuild", "--accept-missing", "--by", "operator"]).await?;
    assert!(said.contains(" is active"), "{said}");
    let left = "select site_id from view_total join generation using (generation_id) where status = 'active'";
    let left: Vec<(String,)> = sqlx::query_as(left).fetch_all(&stack.database(DATABASE)?).await?;
    assert_eq!(left, [("third".to_owned(),)]);
    let recorded: Vec<(i64, i64, String)> =
        sqlx::query_as("select from_sequence, to_sequence, acknowledged_by from acknowledgement")
            .fetch_all(&stack.database(DATABASE)?)
            .await?;
    assert_eq!(recorded, [(1, 2, "operator".to_owned())]);
    Ok(())
}

#[tokio::test]
async fn another_key_is_rolled_out_by_a_rebuild() -> TestResult {
    const NEW_KEY: [(&str, &str); 1] = [("SKETCH_KEY", "ffffffffffffffffffffffffffffffff")];
    let (stack, old) = filled().await?;
    let pool = stack.database(DATABASE)?;
    let asked = stack.operate_with(&NEW_KEY, &["rebuild", "--detach"]).await?;
    assert!(asked.is_success, "{asked:?}");
    have_become(&pool, &[(1, "active"), (2, "building")]).await;
    let new = stack.projector(DATABASE, &NEW_KEY).await?;
    have_become(&pool, &[(1, "retired"), (2, "active")]).await;
    wait::until("the new one is ready", SOON, async || {
        (new.client.get("/readyz").await.ok()?.status == 200).then_some(())
    })
    .await;
    wait::until("the old one says that it has nothing to do", SOON, async || {
        let answer = old.client.get("/readyz").await.ok()?;
        (answer.status == 503 && answer.error().contains("no generation that this projector can build")).then_some(())
    })
    .await;
    assert_eq!(old.process.exit_status(), None);
    let proved = stack.operate_with(&NEW_KEY, &["verify"]).await?;
    assert!(proved.is_success && proved.text.contains("nothing differs"), "{proved:?}");
    Ok(())
}

#[tokio::test]
async fn a_database_that_has_lost_its_generations_is_filled_again_by_those_that_run() -> TestResult {
    let (stack, _projector) = filled().await?;
    let pool = stack.database(DATABASE)?;
    let before = snapshot::read_models(&pool).await?;
    wait::until("it is lost", SOON, async || {
        let mut tx = pool.begin().await.ok()?;
        sqlx::query("update generation set status = 'retired'").execute(&mut *tx).await.ok()?;
        sqlx::query("select drop_generation(1)").execute(&mut *tx).await.ok()?;
        tx.commit().await.ok()
    })
    .await;
    have_become(&pool, &[(2, "active")]).await;
    stack.drained(DATABASE).await?;
    assert_eq!(snapshot::read_models(&pool).await?, before, "row by row and sketch byte by byte");
    Ok(())
}
