use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use sqlx::PgPool;
use testkit::failure::TestResult;
use testkit::observe::snapshot;
use testkit::stack::{DATABASE, Projector, Stack};
use testkit::wait;

use crate::exactly_once::{SMALL_BATCHES, fill, folded_undisturbed, stack_with, traffic};

const SOON: Duration = Duration::from_secs(30);

/// How many partitions each owner has.
async fn owners(pool: &PgPool) -> Result<BTreeMap<String, i64>> {
    let rows = sqlx::query_as("select owner, count(*) from checkpoint where lease_until > now() group by owner");
    Ok(rows.fetch_all(pool).await?.into_iter().collect())
}

async fn says(projector: &Projector, what: &str) {
    wait::until(what, SOON, async || projector.process.log_tail(100_000).contains(what).then_some(())).await;
}

async fn moves_on(pool: &PgPool) -> i64 {
    let at = async || snapshot::checkpoints(pool).await.ok()?.first().map(|(_, sequence)| *sequence);
    let before = at().await.unwrap_or(0);
    wait::until("the checkpoint moves", SOON, async || at().await.filter(|sequence| *sequence > before)).await
}

#[tokio::test]
async fn projectors_share_the_partitions_and_count_the_same_as_one() -> TestResult {
    let stack = Stack::servers().await?;
    stack.ingest(&[]).await?.stop().await;
    for partition in 0..4 {
        fill(&stack.log().await?, &format!("events.{partition}"), &traffic(), &[5, 40]).await?;
    }
    let undisturbed = folded_undisturbed(&stack, "undisturbed").await?;
    let pool = stack.database(DATABASE)?;
    let first = stack.projector(DATABASE, &SMALL_BATCHES).await?;
    let share = async |owners_wanted: &[i64]| {
        wait::until("the partitions are shared", SOON, async || {
            let owned: Vec<i64> = owners(&pool).await.ok()?.into_values().collect();
            (owned == owners_wanted).then_some(())
        })
        .await;
    };
    share(&[4]).await;
    let second = stack.projector(DATABASE, &SMALL_BATCHES).await?;
    share(&[2, 2]).await;
    first.process.kill().await;
    share(&[4]).await;
    assert_eq!(stack.drained(DATABASE).await?, undisturbed);
    // Stopped in order it does not let others wait for its lease.
    second.process.stop().await;
    assert_eq!(owners(&pool).await?, BTreeMap::new());
    Ok(())
}

#[tokio::test]
async fn an_owner_that_was_frozen_in_a_transaction_cannot_commit_it() -> TestResult {
    let stack = stack_with(&[2]).await?;
    let undisturbed = folded_undisturbed(&stack, "undisturbed").await?;
    let pool = stack.database(DATABASE)?;
    let first = stack.projector(DATABASE, &SMALL_BATCHES).await?;
    moves_on(&pool).await;

    // The last statements of a batch wait for this lock, behind the one that moved the checkpoint.
    let mut lock = pool.begin().await?;
    sqlx::query("lock table view_total in access exclusive mode").execute(&mut *lock).await?;
    let waiting = "select count(*) from pg_locks join pg_stat_activity using (pid)
                   where application_name = 'tidemark-projector' and relation = 'view_total'::regclass and not granted";
    wait::until("the owner is in a transaction", SOON, async || {
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&pool).await.ok()?;
        (waiting > 0).then_some(())
    })
    .await;
    first.process.freeze()?;
    lock.rollback().await?;

    let second = stack.projector(DATABASE, &SMALL_BATCHES).await?;
    says(&second, "Following the log behind the checkpoint").await;
    moves_on(&pool).await;
    first.process.thaw();
    says(&first, "another projector took the partition over: it is now at epoch 2, ours was 1").await;
    assert_eq!(stack.drained(DATABASE).await?, undisturbed);
    Ok(())
}

#[tokio::test]
async fn an_owner_that_was_frozen_between_transactions_is_fenced() -> TestResult {
    let stack = stack_with(&[2]).await?;
    let pool = stack.database(DATABASE)?;
    let first = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    first.process.freeze()?;
    let second = stack.projector(DATABASE, &[]).await?;
    says(&second, "Following the log behind the checkpoint").await;
    fill(&stack.log().await?, "events.0", &traffic(), &[3]).await?;
    let drained = stack.drained(DATABASE).await?;
    // The events were sent a second time, so they count as repeats: once, not once for each projector.
    first.process.thaw();
    says(&first, "another projector took the partition over: it is now at epoch 2, ours was 1").await;
    assert_eq!(snapshot::read_models(&pool).await?, drained);
    assert_eq!(drained, folded_undisturbed(&stack, "undisturbed").await?);
    Ok(())
}
