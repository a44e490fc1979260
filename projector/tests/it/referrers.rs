use chrono::DateTime;
use contract::SketchKey;
use fold::{DedupState, DedupWindow, Fold, FoldVersion, Message};
use projector::read_models::checkpoint::Checkpoint;
use projector::read_models::commit::{Batch, commit};
use projector::read_models::write::SliceWriter;
use sqlx::AssertSqlSafe;

use crate::commit::{Database, at};

/// Events of one site that came from here, on these days of November.
fn body(visits: &[(&str, u32)]) -> String {
    let event = |(referrer, day): &(&str, u32)| {
        format!(
            r#"{{"site_id":"a.example","event_type":"page_view","path":"/","timestamp":"2025-11-{day:02}T19:30:01Z","referrer":{referrer}}}"#
        )
    };
    visits.iter().map(event).collect::<Vec<_>>().join("\n")
}

impl Database {
    async fn fold(&self, fold: &Fold, from: Checkpoint, visits: &[(&str, u32)]) -> Checkpoint {
        let (mut recent, mut deltas) =
            (DedupWindow::new(3_600.try_into().expect("an hour"), DedupState::default()), fold.begin());
        let (logged_at, body, last_sequence) = (DateTime::UNIX_EPOCH, body(visits), from.sequence + 1);
        let message =
            Message { sequence: last_sequence, logged_at, sent_at: None, schema: None, body: body.as_bytes() };
        fold.add(&mut recent, &mut deltas, message);
        let batch = Batch { deltas, last_sequence, last_logged_at: Some(logged_at), envelopes: 1, pending: 0 };
        commit(&self.pool, &mut SliceWriter::new(self.slice), from, &batch).await.expect("committed")
    }

    async fn lines(&self, select: &'static str) -> Vec<String> {
        sqlx::query_scalar(select).fetch_all(&self.pool).await.expect("Postgres answers")
    }
}

#[tokio::test]
async fn referrers_are_added_up_by_day_and_over_all_days() {
    let database = Database::start().await;
    let fold = Fold::new(SketchKey::for_development());
    let visits = [(r#""https://google.com/search""#, 12), (r#""http://www.a.example""#, 12), ("null", 12), ("7", 13)];
    let first = database.fold(&fold, at(0, 0), &visits).await;
    database.fold(&fold, first, &[(r#""http://Google.com:80/""#, 12), (r#""http://google.com""#, 13)]).await;
    let daily = "select concat_ws(' ', site_id, event_type, day, kind, host, views) from referrer_daily order by 1";
    assert_eq!(
        database.lines(daily).await,
        [
            "a.example page_view 2025-11-12 host google.com 2",
            "a.example page_view 2025-11-12 none  1",
            "a.example page_view 2025-11-12 own  1",
            "a.example page_view 2025-11-13 host google.com 1",
            "a.example page_view 2025-11-13 unreadable  1",
        ]
    );
    let total = "select concat_ws(' ', site_id, event_type, kind, host, views) from referrer_total order by 1";
    assert_eq!(
        database.lines(total).await,
        [
            "a.example page_view host google.com 3",
            "a.example page_view none  1",
            "a.example page_view own  1",
            "a.example page_view unreadable  1",
        ]
    );
}

#[tokio::test]
async fn an_older_fold_goes_on_in_a_generation_without_the_tables() {
    let database = Database::start().await;
    let id = database.slice.generation.0;
    let drop = format!("drop table referrer_daily_g{id}, referrer_total_g{id}");
    sqlx::query(AssertSqlSafe(drop)).execute(&database.pool).await.expect("dropped");
    let fold = Fold::of_version(SketchKey::for_development(), FoldVersion::OLDEST);
    database.fold(&fold, at(0, 0), &[(r#""https://google.com/""#, 12), ("null", 12)]).await;
    assert_eq!(database.lines("select concat_ws(' ', path, views) from path_total").await, ["/ 2"]);
    assert!(database.lines("select kind from referrer_total").await.is_empty());
}
