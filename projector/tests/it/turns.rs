use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use projector::worker::pacing::slots::Slots;
use tokio::time::timeout;

use crate::commit::Database;

/// Longer than between two tries to be alone.
const MOMENT: Duration = Duration::from_millis(500);

/// Longer than anything takes that is to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Drops a future at the point of its way where it wants to be polled once more than so often.
async fn stopped_after<T>(polls: u32, future: impl Future<Output = T>) {
    let (mut future, mut left) = (pin!(future), polls);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        future.as_mut().poll(context).map(drop)
    })
    .await;
}

#[tokio::test]
async fn one_of_all_projectors_is_alone() {
    let database = Database::start().await;
    let (one, other) = (Slots::default(), Slots::default());
    let alone = one.take_alone(&database.pool).await.expect("Postgres answers");
    assert!(timeout(MOMENT, other.take_alone(&database.pool)).await.is_err(), "another one is alone");
    timeout(MOMENT, other.take(2)).await.expect("who does not ask to be alone does not wait for it");
    drop(alone);
    let next = timeout(PATIENCE, other.take_alone(&database.pool)).await.expect("a turn that was given back");
    next.expect("Postgres answers");
}

#[tokio::test]
async fn who_dies_is_not_waited_for() {
    let database = Database::start().await;
    let (one, other) = (Slots::default(), Slots::default());
    let _alone = one.take_alone(&database.pool).await.expect("Postgres answers");
    let end = "select count(pg_terminate_backend(pid)) from pg_locks where locktype = 'advisory'";
    let ended: i64 = sqlx::query_scalar(end).fetch_one(&database.pool).await.expect("Postgres answers");
    assert_eq!(ended, 1);
    timeout(PATIENCE, other.take_alone(&database.pool)).await.expect("a lock that was lost").expect("Postgres answers");
}

#[tokio::test]
async fn who_stops_waiting_leaves_nothing_locked() {
    let database = Database::start().await;
    let turns = Slots::default();
    let locks = "select count(*) from pg_locks where locktype = 'advisory'";
    for polls in 0..40 {
        stopped_after(polls, turns.take_alone(&database.pool)).await;
        let gone = async {
            while sqlx::query_scalar::<_, i64>(locks).fetch_one(&database.pool).await.expect("Postgres answers") > 0 {}
        };
        timeout(PATIENCE, gone).await.unwrap_or_else(|_| panic!("a lock stays behind after {polls} polls"));
    }
}

#[tokio::test]
async fn a_projector_takes_no_more_than_its_turns() {
    let turns = Slots::default();
    let (_one, _other) = (turns.take(1).await, turns.take(1).await);
    assert!(timeout(MOMENT, turns.take(1)).await.is_err());
}
