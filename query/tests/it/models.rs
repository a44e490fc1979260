//! Read models, written as the projector writes them: all tables in one transaction.

use std::ops::Range;

use chrono::NaiveDate;
use contract::{Sketch, SketchKey, UserId};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Row};

/// A generation's tables.
#[derive(Clone)]
pub(crate) struct Models {
    db: PgPool,
    pub(crate) generation_id: i32,
    key: SketchKey,
    keeps_top_paths: bool,
}

/// The sums of some envelopes of a partition.
#[derive(Clone)]
pub(crate) struct Batch<'a> {
    pub(crate) site_id: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) day: &'a str,
    pub(crate) partition_id: i32,
    pub(crate) paths: &'a [(&'a str, i64)],
    pub(crate) users: Range<u32>,
    /// The checkpoint after the batch.
    pub(crate) sequence: Option<i64>,
}

/// A batch to change for the test at hand.
pub(crate) const BATCH: Batch<'static> = Batch {
    site_id: "site-abc-123",
    event_type: "page_view",
    day: "2025-11-12",
    partition_id: 2,
    paths: &[("/", 1)],
    users: 0..1,
    sequence: None,
};

impl Models {
    /// Makes a generation, `active` or `building`.
    pub(crate) async fn create(db: &PgPool, status: &str) -> Self {
        let made = sqlx::query_scalar("select create_generation(1, 7, 3600, $1)").bind(status).fetch_one(db).await;
        let generation_id = made.expect("a generation");
        Self { db: db.clone(), generation_id, key: SketchKey::for_development(), keeps_top_paths: true }
    }

    /// Adds the batch as older folds wrote it.
    pub(crate) fn without_top_paths(self) -> Self {
        Self { keeps_top_paths: false, ..self }
    }

    /// The generation, by other connections.
    pub(crate) fn reached_through(self, db: PgPool) -> Self {
        Self { db, ..self }
    }

    /// Adds a batch to all tables, in one transaction.
    pub(crate) async fn add(&self, batch: &Batch<'_>) {
        let mut tx = self.db.begin().await.expect("a transaction");
        self.add_in(&mut tx, batch).await;
        tx.commit().await.expect("committed");
    }

    /// Adds the batch in a transaction that adds more.
    pub(crate) async fn add_in(&self, tx: &mut PgConnection, batch: &Batch<'_>) {
        if let Some(sequence) = batch.sequence {
            let events = batch.paths.iter().map(|(_, views)| views).sum();
            self.move_checkpoint(&mut *tx, batch.partition_id, sequence, events).await;
        }
        for table in ["daily", "total"] {
            self.add_views(&mut *tx, table, batch).await;
            self.add_users(&mut *tx, table, batch).await;
            if self.keeps_top_paths {
                self.list_top_paths(&mut *tx, table, batch).await;
            }
        }
    }

    /// Makes this generation the active one, in place of the one that is.
    pub(crate) async fn activate(&self) {
        let mut tx = self.db.begin().await.expect("a transaction");
        for statement in [
            "update generation set status = 'retired' where status = 'active' and generation_id <> $1",
            "update generation set status = 'active' where generation_id = $1",
        ] {
            sqlx::query(statement).bind(self.generation_id).execute(&mut *tx).await.expect("a new status");
        }
        notify(&mut tx, &self.generation_id.to_string()).await;
        tx.commit().await.expect("committed");
    }

    /// Removes the generation and its tables.
    pub(crate) async fn drop(self) {
        let id = self.generation_id;
        let models = ["view", "path", "user", "referrer"];
        let tables = models.map(|model| format!("{model}_daily_g{id}, {model}_total_g{id}")).join(", ");
        let tables = format!("{tables}, month_summary_g{id}");
        let mut tx = self.db.begin().await.expect("a transaction");
        let delete = sqlx::query("delete from generation where generation_id = $1").bind(id);
        delete.execute(&mut *tx).await.expect("deleted");
        sqlx::query(AssertSqlSafe(format!("drop table {tables}"))).execute(&mut *tx).await.expect("dropped");
        tx.commit().await.expect("committed");
    }

    /// Moves a checkpoint and nothing else.
    pub(crate) async fn reach(&self, partition_id: i32, sequence: i64) {
        let mut db = self.db.acquire().await.expect("a connection");
        self.move_checkpoint(&mut db, partition_id, sequence, 0).await;
    }

    async fn move_checkpoint(&self, db: &mut PgConnection, partition_id: i32, sequence: i64, events: i64) {
        let statement = "
            insert into checkpoint as old
                (generation_id, partition_id, stream_sequence, events, stream_created, logged_at)
            values ($1, $2, $3, $4, now(), now())
            on conflict (generation_id, partition_id)
            do update set stream_sequence = $3, events = old.events + $4, logged_at = now(), updated_at = now()";
        let moved = sqlx::query(statement).bind(self.generation_id).bind(partition_id).bind(sequence).bind(events);
        moved.execute(&mut *db).await.expect("moved");
        notify(db, &format!("{}-{partition_id}", self.generation_id)).await;
    }

    async fn add_views(&self, tx: &mut PgConnection, table: &str, batch: &Batch<'_>) {
        let day = if table == "daily" { "day, " } else { "" };
        for (path, views) in batch.paths {
            for (model, path_column) in [("view", ""), ("path", "path, ")] {
                let statement = format!(
                    "insert into {model}_{table} as old
                        (generation_id, site_id, event_type, {day}{path_column}partition_id, views)
                     select generation_id, site_id, event_type, {day}{path_column}partition_id, views
                     from (select $1 as generation_id, $2 as site_id, $3 as event_type, $4 as day, $5 as path,
                           $6 as partition_id, $7 as views) as new
                     on conflict (generation_id, site_id, event_type, {day}{path_column}partition_id)
                     do update set views = old.views + excluded.views"
                );
                let insert = sqlx::query(AssertSqlSafe(statement)).bind(self.generation_id).bind(batch.site_id);
                let insert = insert.bind(batch.event_type).bind(date(batch.day)).bind(*path);
                let insert = insert.bind(batch.partition_id).bind(*views);
                insert.execute(&mut *tx).await.expect("inserted");
            }
        }
    }

    async fn list_top_paths(&self, tx: &mut PgConnection, table: &str, batch: &Batch<'_>) {
        let is_day = if table == "daily" { "and day = $5" } else { "and $5 is not null" };
        let row = format!("generation_id = $1 and site_id = $2 and event_type = $3 and partition_id = $4 {is_day}");
        let statement = format!(
            "update view_{table} set top_paths = (
                select json_agg(json_build_array(path, views) order by views desc, path)
                from (select path, views from path_{table} where {row} order by views desc, path limit 16) as first)
             where {row}"
        );
        let update = sqlx::query(AssertSqlSafe(statement)).bind(self.generation_id).bind(batch.site_id);
        let update = update.bind(batch.event_type).bind(batch.partition_id).bind(date(batch.day));
        update.execute(tx).await.expect("listed");
    }

    async fn add_users(&self, tx: &mut PgConnection, table: &str, batch: &Batch<'_>) {
        let (day, is_day) = if table == "daily" { ("day, ", "and day = $5") } else { ("", "and $5 is not null") };
        let row = "generation_id = $1 and site_id = $2 and event_type = $3 and partition_id = $4";
        let statement = format!("delete from user_{table} where {row} {is_day} returning sketch");
        let old = sqlx::query(AssertSqlSafe(statement)).bind(self.generation_id).bind(batch.site_id);
        let old = old.bind(batch.event_type).bind(batch.partition_id).bind(date(batch.day));
        let old = old.fetch_optional(&mut *tx).await.expect("deleted");
        let mut sketch = self.sketch(batch.users.clone());
        if let Some(old) = old {
            sketch.merge(&Sketch::open(old.get(0)).expect("a sketch")).expect("one key");
        }
        let sketch = sketch.seal();
        let statement = format!(
            "insert into user_{table} (generation_id, site_id, event_type, {day}partition_id, users, sketch)
             select generation_id, site_id, event_type, {day}partition_id, users, sketch
             from (select $1 as generation_id, $2 as site_id, $3 as event_type, $4 as partition_id, $5 as day,
                   $6 as users, $7 as sketch) as new"
        );
        let insert = sqlx::query(AssertSqlSafe(statement)).bind(self.generation_id).bind(batch.site_id);
        let insert = insert.bind(batch.event_type).bind(batch.partition_id).bind(date(batch.day));
        let users = i64::try_from(sketch.users).expect("few users");
        insert.bind(users).bind(sketch.bytes).execute(&mut *tx).await.expect("inserted");
    }

    fn sketch(&self, users: Range<u32>) -> Sketch {
        let mut sketch = Sketch::new(self.key.id());
        for user in users {
            sketch.insert(self.key.digest(&UserId::try_from(format!("user-{user}")).expect("a user")));
        }
        sketch
    }
}

/// Says what the projector says.
async fn notify(db: &mut PgConnection, what: &str) {
    sqlx::query("select pg_notify('projection', $1)").bind(what).execute(db).await.expect("said");
}

fn date(day: &str) -> NaiveDate {
    day.parse().expect("a day")
}
