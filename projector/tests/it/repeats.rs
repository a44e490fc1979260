//! Random repeats, envelopes that cannot be read yet, retries of these, and restarts, against the count of different ids.

use chrono::{DateTime, TimeDelta, Utc};
use contract::{EventDigest, SketchKey};
use fold::{DedupState, DedupWindow, Fold, FoldVersion, Message, SeenIds, WindowSeconds};
use projector::admin::acknowledge::{Resume, acknowledge};
use projector::admin::parked::{self, FoldSettings, Selection};
use projector::read_models::checkpoint;
use projector::read_models::commit::{Batch, commit};
use projector::read_models::dedup_store;
use projector::read_models::generation::GenerationId;
use projector::read_models::slice::Slice;
use projector::read_models::write::SliceWriter;
use sqlx::PgPool;

use crate::commit::Database;

/// Events of one run; all of them lie within the window.
const ENVELOPES: u64 = 120;

/// Random numbers that every run draws alike.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A projector's hold on one partition.
struct Projector<'a> {
    database: &'a Database,
    fold: Fold,
    sequence: u64,
    at: DateTime<Utc>,
}

fn window() -> WindowSeconds {
    3_600.try_into().expect("an hour")
}

fn event(id: Option<u64>) -> String {
    let id = id.map_or_else(String::new, |id| format!(r#","event_id":"{id}""#));
    format!(r#"{{"site_id":"a","event_type":"page_view","path":"/","timestamp":"2025-11-12T19:30:01Z"{id}}}"#)
}

async fn fence(pool: &PgPool) {
    let fence = sqlx::query("update checkpoint set epoch = epoch + 1, owner = null, lease_until = null");
    fence.execute(pool).await.expect("Postgres answers");
}

impl Projector<'_> {
    /// As after a restart: folds envelopes from the checkpoint on, and commits them as one batch.
    async fn commit(&mut self, envelopes: &[(Option<&str>, String)]) {
        let Database { pool, slice, .. } = self.database;
        fence(pool).await;
        let checkpoint = checkpoint::find(pool, *slice).await.expect("Postgres answers").expect("a checkpoint");
        let mut db = pool.acquire().await.expect("Postgres answers");
        let mut recent = dedup_store::load(&mut db, *slice, checkpoint, window()).await.expect("ids");
        let mut deltas = self.fold.begin();
        for (schema, body) in envelopes {
            self.sequence += 1;
            self.at += TimeDelta::seconds(20);
            let (sequence, logged_at) = (self.sequence, self.at);
            let message = Message { sequence, logged_at, sent_at: None, schema: *schema, body: body.as_bytes() };
            self.fold.add(&mut recent, &mut deltas, message);
        }
        let envelopes = envelopes.len() as u64;
        let batch =
            Batch { deltas, last_sequence: self.sequence, last_logged_at: Some(self.at), envelopes, pending: 0 };
        commit(pool, &mut SliceWriter::new(*slice), checkpoint, &batch).await.expect("it is ours");
    }

    /// As after a fix: what was parked can be read.
    async fn retry(&self) {
        let pool = &self.database.pool;
        let fix = sqlx::query("update parked_event set schema = 'event.v1' where state = 'parked'");
        fix.execute(pool).await.expect("Postgres answers");
        let key = SketchKey::for_development();
        let settings = FoldSettings { key: &key, window: window() };
        parked::retry(pool, settings, Selection::default(), "operator").await.expect("they are retried");
    }
}

/// Views and repeats that are counted.
async fn counted(pool: &PgPool) -> (i64, i64) {
    let counted = "select (select coalesce(sum(views), 0)::bigint from view_total),
                          (select coalesce(sum(repeats), 0)::bigint from repeat_total)";
    sqlx::query_as(counted).fetch_one(pool).await.expect("Postgres answers")
}

async fn run(seed: u64, version: FoldVersion) {
    let database = Database::start().await;
    let update = sqlx::query("update generation set fold_version = $1, sketch_key_id = $2").bind(version.number());
    let key = SketchKey::for_development();
    update.bind(i64::from(key.id().0)).execute(&database.pool).await.expect("Postgres answers");
    let at = DateTime::from_timestamp(1_762_975_801, 0).expect("an instant");
    let fold = Fold::of_version(key, version);
    let mut projector = Projector { database: &database, fold, sequence: 0, at };
    let (mut chance, mut ids, mut without, mut sent) = (Chance(seed), std::collections::BTreeSet::new(), 0, 0);
    let mut envelopes = Vec::new();
    for _ in 0..ENVELOPES {
        let mut lines = Vec::new();
        for _ in 0..=chance.below(3) {
            let id = (chance.below(4) > 0).then(|| chance.below(60));
            match id {
                Some(id) => drop(ids.insert(id)),
                None => without += 1,
            }
            sent += 1;
            lines.push(event(id));
        }
        let schema = (chance.below(3) == 0).then_some("event.v2");
        envelopes.push((schema, lines.join("\n")));
        if chance.below(4) == 0 {
            projector.commit(&std::mem::take(&mut envelopes)).await;
        }
        if chance.below(10) == 0 {
            projector.retry().await;
        }
    }
    // The last of all cannot be read at first: its ids are the newest that there are.
    envelopes.push((Some("event.v2"), event(Some(1_000))));
    projector.commit(&envelopes).await;
    projector.retry().await;
    projector.commit(&[(None, event(Some(1_000)))]).await;
    let different = i64::try_from(ids.len()).expect("few") + without + 1;
    assert_eq!(counted(&database.pool).await, (different, sent + 2 - different), "seed {seed}, fold {version}");
}

#[tokio::test]
async fn each_id_counts_once_whenever_it_could_be_read() {
    for (seed, version) in [(1, FoldVersion::NEWEST), (2, FoldVersion::NEWEST), (3, FoldVersion::OLDEST)] {
        run(seed, version).await;
    }
}

/// The generation of the test is of key 1 and kept for a rollback, as after a rebuild under another key.
#[tokio::test]
async fn a_generation_that_is_not_ours_keeps_no_parked_event_of_another_from_being_counted() {
    let database = Database::start().await;
    let (pool, key) = (&database.pool, SketchKey::for_development());
    let retire = sqlx::query("update generation set status = 'retired', retired_at = now()");
    retire.execute(pool).await.expect("Postgres answers");
    let create =
        sqlx::query_scalar("select create_generation($1, $2, 3600, 'active')").bind(FoldVersion::NEWEST.number());
    let ours: i32 = create.bind(i64::from(key.id().0)).fetch_one(pool).await.expect("a generation");
    let slice = Slice { generation: GenerationId(ours), ..database.slice };
    checkpoint::create(pool, slice, DateTime::UNIX_EPOCH).await.expect("a checkpoint");
    let park = "insert into parked_event (generation_id, partition_id, stream_sequence, line, reason, logged_at, event)
                select generation_id, 0, 1, 0, 'as of a fold before', now(), $1 from generation";
    sqlx::query(park).bind(event(None).into_bytes()).execute(pool).await.expect("Postgres answers");

    let settings = FoldSettings { key: &key, window: window() };
    parked::retry(pool, settings, Selection::default(), "operator").await.expect("ours are retried");
    let states = sqlx::query_as("select generation_id, state from parked_event order by 1");
    let states: Vec<(i32, String)> = states.fetch_all(pool).await.expect("Postgres answers");
    assert_eq!(states, [(1, "parked".to_owned()), (ours, "counted".to_owned())]);
    assert_eq!(counted(pool).await, (1, 0));
}

#[tokio::test]
async fn a_partition_that_goes_back_keeps_what_it_remembers() {
    let database = Database::start().await;
    let pool = &database.pool;
    for sequence in [3_i64, 7, 9] {
        let note = sqlx::query("insert into recent_event_id values (1, 0, $1, 5, $2)").bind(sequence);
        let id = [sequence.to_le_bytes().as_slice(), &5_u32.to_le_bytes()].concat();
        note.bind(id).execute(pool).await.expect("Postgres answers");
    }
    let halt = "update checkpoint set stream_sequence = 9, log_slot = 5, halted_reason = 'made anew',
                                      resume_sequence = 0, resume_stream_created = now()";
    for _ in 0..2 {
        sqlx::query(halt).execute(pool).await.expect("Postgres answers");
        let resume = Resume { sequence: 0, logged_at: None };
        acknowledge(pool, 0, resume, "operator").await.expect("it stands still");
        let checkpoint = checkpoint::find(pool, database.slice).await.expect("Postgres answers").expect("a checkpoint");
        let mut db = pool.acquire().await.expect("Postgres answers");
        let recent: DedupWindow = dedup_store::load(&mut db, database.slice, checkpoint, window()).await.expect("ids");
        assert_eq!(recent.len(), 3);
    }
}

/// Folds envelopes of these minutes, each with one event, and answers how many count.
fn fold_minutes(envelopes: &[(i64, Option<u64>)]) -> (u64, DedupState) {
    let fold = Fold::new(SketchKey::for_development());
    let (mut recent, mut deltas) = (DedupWindow::new(window(), DedupState::default()), fold.begin());
    for (sequence, (minute, id)) in (1..).zip(envelopes) {
        let logged_at = DateTime::from_timestamp(1_762_975_800 + minute * 60, 0).expect("an instant");
        let body = event(*id);
        let message = Message { sequence, logged_at, sent_at: None, schema: None, body: body.as_bytes() };
        fold.add(&mut recent, &mut deltas, message);
    }
    (deltas.events, recent.state())
}

#[test]
fn envelopes_without_ids_move_log_time() {
    let (events, state) = fold_minutes(&[(0, Some(1)), (31, None), (62, None), (62, Some(1)), (93, None)]);
    assert_eq!((events, state.log_slot), (5, 1_762_975_800 / 60 + 93), "an id is forgotten after the window");
}

#[test]
fn one_envelope_of_a_wrong_clock_makes_nothing_forgotten() {
    const YEARS: i64 = 5_000_000;
    let (events, state) = fold_minutes(&[(0, Some(1)), (YEARS, Some(2)), (1, Some(1)), (1, Some(2))]);
    assert_eq!((events, state.log_slot), (2, 1_762_975_800 / 60 + 1));
}

#[test]
fn no_flood_of_ids_takes_more_than_the_bound() {
    let mut recent = DedupWindow::new(window(), DedupState::default()).bounded(6_400);
    let mut seen = SeenIds::default();
    for id in 0..100_000 {
        assert!(!recent.note(EventDigest(id), &mut seen) && recent.len() <= 6_400, "{id}");
    }
    assert_eq!(seen.forgotten, 100_000 - recent.len() as u64);
    assert!((99_000..100_000).all(|id| recent.note(EventDigest(id), &mut seen)), "the latest stay known");
}
