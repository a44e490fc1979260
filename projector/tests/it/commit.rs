use chrono::DateTime;
use contract::{Partition, SketchKey};
use fold::{DedupState, DedupWindow, Fold, Message};
use launcher::servers::postgres::Postgres;
use projector::read_models::checkpoint::{self, Checkpoint, Moved};
use projector::read_models::commit::{Batch, commit};
use projector::read_models::error::CommitError;
use projector::read_models::generation::GenerationId;
use projector::read_models::slice::Slice;
use projector::read_models::write::SliceWriter;
use sqlx::PgPool;
use tempfile::TempDir;

const EVENT: &str =
    r#"{"site_id":"a","event_type":"page_view","path":"/","timestamp":"2025-11-12T19:30:01Z","event_id":"one"}"#;

/// A database with a generation and the checkpoint of one partition, at 0 under epoch 0.
pub(crate) struct Database {
    pub(crate) pool: PgPool,
    pub(crate) slice: Slice,
    _postgres: Postgres,
    _folder: TempDir,
}

impl Database {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let postgres = Postgres::start(folder.path()).await.expect("Postgres starts");
        postgres.create_database("it").await.expect("a database");
        let pool = PgPool::connect(&postgres.owner_url("it")).await.expect("Postgres answers");
        projector::read_models::migrate::MIGRATOR.run(&pool).await.expect("the migrations");
        let create = sqlx::query_scalar("select create_generation(1, 1, 3600, 'active')");
        let generation = GenerationId(create.fetch_one(&pool).await.expect("a generation"));
        let slice = Slice { generation, partition: Partition::numbered(0).expect("a partition") };
        checkpoint::create(&pool, slice, DateTime::UNIX_EPOCH).await.expect("a checkpoint");
        Self { pool, slice, _postgres: postgres, _folder: folder }
    }

    async fn set(&self, sequence: i64, epoch: i64) {
        let set = sqlx::query("update checkpoint set stream_sequence = $1, epoch = $2").bind(sequence).bind(epoch);
        set.execute(&self.pool).await.expect("Postgres answers");
    }

    /// Sequence, epoch, and what is counted.
    async fn picture(&self) -> (i64, i64, i64) {
        let picture =
            "select stream_sequence, epoch, (select coalesce(sum(views), 0)::bigint from view_total) from checkpoint";
        sqlx::query_as(picture).fetch_one(&self.pool).await.expect("Postgres answers")
    }

    async fn commit(&self, from: Checkpoint, last_sequence: u64) -> Result<Checkpoint, CommitError> {
        commit(&self.pool, &mut SliceWriter::new(self.slice), from, &batch(last_sequence)).await
    }
}

pub(crate) fn at(sequence: u64, epoch: i64) -> Checkpoint {
    let (stream_created, dedup) = (DateTime::UNIX_EPOCH, DedupState::default());
    Checkpoint { sequence, epoch, stream_created, logged_at: None, counted_until: None, dedup }
}

/// One event.
fn batch(last_sequence: u64) -> Batch {
    let fold = Fold::new(SketchKey::for_development());
    let (mut recent, mut deltas) =
        (DedupWindow::new(3_600.try_into().expect("an hour"), DedupState::default()), fold.begin());
    let logged_at = DateTime::UNIX_EPOCH;
    let message = Message { sequence: last_sequence, logged_at, sent_at: None, schema: None, body: EVENT.as_bytes() };
    fold.add(&mut recent, &mut deltas, message);
    Batch { deltas, last_sequence, last_logged_at: Some(logged_at), envelopes: 1, pending: 0 }
}

#[tokio::test]
async fn a_commit_moves_the_checkpoint_and_adds_what_it_stands_for() {
    let database = Database::start().await;
    let first = database.commit(at(0, 0), 3).await.expect("it is where it was");
    assert_eq!((first.sequence, database.picture().await), (3, (3, 0, 1)));
    let second = database.commit(first, 4).await.expect("it goes on from there");
    assert_eq!((second.sequence, database.picture().await), (4, (4, 0, 2)));
}

#[tokio::test]
async fn a_stream_that_begins_once_more_adds_to_what_was_counted() {
    let database = Database::start().await;
    database.commit(at(0, 0), 3).await.expect("it is where it was");
    // As after the acknowledgement of a stream that was made anew.
    database.set(0, 1).await;
    database.commit(at(0, 1), 9).await.expect("rows that are there are added to");
    assert_eq!(database.picture().await, (9, 1, 2));
}

#[tokio::test]
async fn a_commit_from_another_sequence_changes_nothing() {
    let database = Database::start().await;
    // As after a crash of Postgres that lost the last commit, and as after another projector's commit.
    for sequence in [2, 4] {
        database.set(sequence, 7).await;
        let refused = database.commit(at(3, 7), 9).await.expect_err("the checkpoint is not there");
        assert!(matches!(refused, CommitError::Moved(Moved { epoch: 7 })), "{refused}");
        assert_eq!(database.picture().await, (sequence, 7, 0));
    }
}

#[tokio::test]
async fn a_commit_under_an_epoch_that_has_ended_changes_nothing() {
    let database = Database::start().await;
    database.set(3, 8).await;
    let refused = database.commit(at(3, 7), 4).await.expect_err("the partition has another owner");
    assert_eq!(refused.to_string(), "the checkpoint is no longer ours: epoch 7 has ended");
    assert_eq!(database.picture().await, (3, 8, 0));
}

#[tokio::test]
async fn a_commit_beyond_where_a_generation_is_held_changes_nothing() {
    let database = Database::start().await;
    sqlx::query("update checkpoint set ceiling = 5").execute(&database.pool).await.expect("Postgres answers");
    let refused = database.commit(at(0, 0), 6).await.expect_err("it was read before the generation was held");
    assert!(matches!(refused, CommitError::Held(_)), "{refused}");
    assert_eq!(database.picture().await, (0, 0, 0));
    database.commit(at(0, 0), 5).await.expect("as far as it may");
    assert_eq!(database.picture().await, (5, 0, 1));
}

#[tokio::test]
async fn a_commit_that_fails_on_its_way_leaves_the_checkpoint_where_it_was() {
    let database = Database::start().await;
    let break_it = sqlx::query("alter table recent_event_id add constraint broken check (false)");
    break_it.execute(&database.pool).await.expect("Postgres answers");
    let failed = database.commit(at(0, 0), 3).await.expect_err("the last statement fails");
    assert!(matches!(failed, CommitError::Refused(_)), "{failed}");
    assert_eq!(database.picture().await, (0, 0, 0));
}
