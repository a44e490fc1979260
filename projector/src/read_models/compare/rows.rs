//! The rows of each read model, in the order of their keys.

use std::fmt;

use chrono::NaiveDate;
use futures_util::stream::BoxStream;
use sqlx::{AssertSqlSafe, PgConnection};

use super::Scope;
use crate::read_models::generation::GenerationId;
use crate::read_models::tables::Model;

/// What a row is about, in the order that it is read in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
pub(super) struct Key {
    site_id: String,
    event_type: String,
    day: Option<NaiveDate>,
    /// The path, the referrer, or the place of a parked event.
    names: Vec<String>,
    partition_id: i32,
}

/// A row of any of the tables.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Row {
    #[sqlx(flatten)]
    pub(super) key: Key,
    #[sqlx(flatten)]
    pub(super) value: Value,
}

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Value {
    pub(super) count: i64,
    pub(super) sketch: Option<Vec<u8>>,
}

impl Model {
    /// All rows of a generation within the scope, in the order of [`Key`].
    pub(super) fn rows<'a>(
        &self,
        db: &'a mut PgConnection,
        generation: GenerationId,
        scope: &'a Scope,
    ) -> BoxStream<'a, sqlx::Result<Row>> {
        sqlx::query_as(AssertSqlSafe(self.rows_statement()))
            .bind(generation.0)
            .bind(scope.site_id.as_deref())
            .bind(scope.first)
            .bind(scope.last)
            .fetch(db)
    }

    /// `$1` is the generation, `$2` the site, `$3` and `$4` are the first and the last day; null is any.
    fn rows_statement(&self) -> String {
        let column = |name, otherwise| if self.has_key(name) { name } else { otherwise };
        let (site_id, event_type, day) =
            (column("site_id", "''"), column("event_type", "''"), column("day", "null::date"));
        let names: Vec<_> =
            self.keys.iter().copied().filter(|key| !["site_id", "event_type", "day"].contains(key)).collect();
        format!(
            "select {site_id} as site_id, {event_type} as event_type, {day} as day, array[{}]::text[] as names,
                 partition_id, {} as count, {} as sketch
             from {}
             where generation_id = $1 and {}
               and ($2::text is null or {site_id} = $2)
               and ($3::date is null or {day} >= $3) and ($4::date is null or {day} <= $4)
             order by {}, partition_id",
            names.join(", "),
            self.count(),
            self.sketch(),
            self.table,
            self.is_compared(),
            self.keys.join(", "),
        )
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.site_id.is_empty() {
            write!(f, "site {} ", self.site_id)?;
        }
        if !self.event_type.is_empty() {
            write!(f, "type {} ", self.event_type)?;
        }
        if let Some(day) = self.day {
            write!(f, "day {day} ")?;
        }
        for name in &self.names {
            write!(f, "{name} ")?;
        }
        write!(f, "partition {}", self.partition_id)
    }
}
