use chrono::DateTime;
use contract::SketchKey;
use fold::{DedupState, DedupWindow, Fold, FoldVersion, Message};
use projector::read_models::checkpoint::Checkpoint;
use projector::read_models::commit::{Batch, commit};
use projector::read_models::write::SliceWriter;

use crate::commit::{Database, at};

const BATCHES: u64 = 12;

/// Two hundred events on three days: some paths have many, and which ones these are changes from batch to batch.
fn body(batch: u64) -> String {
    let event = |number: u64| {
        let mixed = (number * 31 + batch * 17) % 97;
        let (path, day) = (mixed * mixed % (20 + batch * 3), 10 + number % 3);
        format!(
            r#"{{"site_id":"a.example","event_type":"page_view","path":"/{path}","timestamp":"2025-11-{day}T19:30:01Z"}}"#
        )
    };
    (0..200).map(event).collect::<Vec<_>>().join("\n")
}

async fn fold(database: &Database, version: FoldVersion, forget: impl Fn(u64) -> bool) -> Checkpoint {
    let fold = Fold::of_version(SketchKey::for_development(), version);
    let (mut writer, mut from) = (SliceWriter::new(database.slice), at(0, 0));
    for last_sequence in 1..=BATCHES {
        if forget(last_sequence) {
            writer.forget();
        }
        let (mut recent, mut deltas) =
            (DedupWindow::new(3_600.try_into().expect("an hour"), DedupState::default()), fold.begin());
        let (logged_at, body) = (DateTime::UNIX_EPOCH, body(last_sequence));
        let message =
            Message { sequence: last_sequence, logged_at, sent_at: None, schema: None, body: body.as_bytes() };
        fold.add(&mut recent, &mut deltas, message);
        let batch = Batch { deltas, last_sequence, last_logged_at: Some(logged_at), envelopes: 1, pending: 0 };
        from = commit(&database.pool, &mut writer, from, &batch).await.expect("committed");
    }
    from
}

/// Rows of views, and how many of them have another list than their paths make.
async fn rows_and_wrong_lists(database: &Database) -> (i64, i64) {
    let picture = "
        select count(*), count(*) filter (where top_paths::jsonb is distinct from (
            select jsonb_agg(jsonb_build_array(path, views) order by views desc, path)
            from (select path, views from path_daily
                  where path_daily.site_id = view_daily.site_id and path_daily.day = view_daily.day
                  order by views desc, path limit 16) as first))
        from view_daily
        union all
        select count(*), count(*) filter (where top_paths::jsonb is distinct from (
            select jsonb_agg(jsonb_build_array(path, views) order by views desc, path)
            from (select path, views from path_total order by views desc, path limit 16) as first))
        from view_total";
    let rows: Vec<(i64, i64)> = sqlx::query_as(picture).fetch_all(&database.pool).await.expect("Postgres answers");
    rows.iter().fold((0, 0), |(rows, wrong), (more, of_them)| (rows + more, wrong + of_them))
}

#[tokio::test]
async fn lists_are_what_all_paths_make_whatever_was_remembered() {
    let forgets: [fn(u64) -> bool; 3] = [|_| false, |_| true, |batch| batch % 3 == 0];
    for forget in forgets {
        let database = Database::start().await;
        fold(&database, FoldVersion::NEWEST, forget).await;
        assert_eq!(rows_and_wrong_lists(&database).await, (4, 0));
    }
}

#[tokio::test]
async fn folds_of_before_keep_no_lists() {
    let database = Database::start().await;
    fold(&database, FoldVersion::OLDEST, |_| false).await;
    let lists = "select count(top_paths) from view_daily";
    let lists: i64 = sqlx::query_scalar(lists).fetch_one(&database.pool).await.expect("Postgres answers");
    assert_eq!(lists, 0);
}

#[tokio::test]
async fn a_damaged_list_stops_its_partition() {
    let database = Database::start().await;
    let from = fold(&database, FoldVersion::NEWEST, |_| false).await;
    let damage = r#"update view_total set top_paths = '[["/1", 1], ["/2", 9]]'"#;
    sqlx::query(damage).execute(&database.pool).await.expect("damaged");
    let fold = Fold::new(SketchKey::for_development());
    let (mut recent, mut deltas) =
        (DedupWindow::new(3_600.try_into().expect("an hour"), DedupState::default()), fold.begin());
    let body = body(1);
    let message =
        Message { sequence: 99, logged_at: DateTime::UNIX_EPOCH, sent_at: None, schema: None, body: body.as_bytes() };
    fold.add(&mut recent, &mut deltas, message);
    let batch = Batch { deltas, last_sequence: 99, last_logged_at: None, envelopes: 1, pending: 0 };
    let refused = commit(&database.pool, &mut SliceWriter::new(database.slice), from, &batch).await;
    assert_eq!(refused.expect_err("it is not in order").to_string(), "the stored top paths are damaged");
}
