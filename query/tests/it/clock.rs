//! The time of day, as Postgres tells it to the service.

use sqlx::{AssertSqlSafe, PgPool};

/// A clock that stands still until it is set, in place of that of Postgres: sessions of this database that begin from now
/// on find its `now()` before the usual one.
pub(crate) struct Clock {
    db: PgPool,
}

impl Clock {
    /// The time at noon of the day of [`BATCH`](crate::models::BATCH).
    pub(crate) async fn at_noon(db: &PgPool) -> Self {
        for statement in [
            "create schema clock",
            "create table clock.instant as select '2025-11-12T12:00:00Z'::timestamptz as instant",
            "create function clock.now() returns timestamptz stable language sql as 'select instant from clock.instant'",
            "grant usage on schema clock to tidemark_query",
            "grant select on clock.instant to tidemark_query",
            "do $$ begin execute format('alter database %I set search_path = clock, pg_catalog, public', \
             current_database()); end $$",
        ] {
            sqlx::query(AssertSqlSafe(statement)).execute(db).await.expect("a clock");
        }
        Self { db: db.clone() }
    }

    /// Sets it.
    pub(crate) async fn set(&self, instant: &str) {
        let set = sqlx::query("update clock.instant set instant = $1::timestamptz").bind(instant);
        set.execute(&self.db).await.expect("set");
    }
}
