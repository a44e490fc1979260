//! The rows of each read model, in the order of their keys.

use std::fmt;

use chrono::NaiveDate;
use futures_util::stream::BoxStream;
use sqlx::PgConnection;

use super::Scope;
use super::model::Model;
use crate::read_models::generation::GenerationId;

/// What a row is about, in the order that it is read in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    site_id: String,
    event_type: String,
    day: Option<NaiveDate>,
    name: Option<String>,
    partition_id: i32,
}

/// A row of any of the tables.
#[derive(Debug)]
pub(super) struct Row {
    site_id: String,
    event_type: String,
    day: Option<NaiveDate>,
    /// The path, the referrer, or the place of a parked event.
    name: Option<String>,
    partition_id: i32,
    pub(super) count: i64,
    pub(super) sketch: Option<Vec<u8>>,
}

impl Row {
    pub(super) fn key(&self) -> Key {
        Key {
            site_id: self.site_id.clone(),
            event_type: self.event_type.clone(),
            day: self.day,
            name: self.name.clone(),
            partition_id: self.partition_id,
        }
    }
}

/// `$2` is the site, `$3` and `$4` the first and the last day; null is any.
macro_rules! rows {
    ($statement:literal, $db:expr, $generation:expr, $scope:expr) => {
        sqlx::query_as!(Row, $statement, $generation.0, $scope.site_id.as_deref(), $scope.first, $scope.last).fetch($db)
    };
}

impl Model {
    /// All rows of a generation within the scope, in the order of [`Key`].
    pub(super) fn rows<'a>(
        self,
        db: &'a mut PgConnection,
        generation: GenerationId,
        scope: &'a Scope,
    ) -> BoxStream<'a, sqlx::Result<Row>> {
        match self {
            Self::ViewDaily | Self::PathDaily | Self::UserDaily | Self::ReferrerDaily | Self::TopPathsDaily => {
                self.daily_rows(db, generation, scope)
            }
            Self::ViewTotal | Self::PathTotal | Self::UserTotal | Self::ReferrerTotal | Self::TopPathsTotal => {
                self.total_rows(db, generation, scope)
            }
            Self::Repeats => rows!(
                r#"select site_id, '' as "event_type!", null::date as day, null::text as name, partition_id,
                        repeats as "count!", null::bytea as sketch
                   from repeat_total
                   where generation_id = $1 and ($2::text is null or site_id = $2)
                     and $3::date is null and $4::date is null
                   order by site_id, partition_id"#,
                db,
                generation,
                scope
            ),
            // Those that were counted after a fix stand in the other tables.
            Self::Parked => rows!(
                r#"select '' as "site_id!", '' as "event_type!", null::date as day,
                        to_char(stream_sequence, 'FM0000000000000000000') || ' line ' || line
                            || case when superseded_by <> 0 then ' before acknowledgement ' || superseded_by else '' end as name, partition_id,
                        1::bigint as "count!", null::bytea as sketch
                   from parked_event
                   where generation_id = $1 and state <> 'counted'
                     and $2::text is null and $3::date is null and $4::date is null
                   order by (to_char(stream_sequence, 'FM0000000000000000000') || ' line ' || line
                            || case when superseded_by <> 0 then ' before acknowledgement ' || superseded_by else '' end)
                       collate "C", partition_id"#,
                db,
                generation,
                scope
            ),
        }
    }

    fn daily_rows<'a>(
        self,
        db: &'a mut PgConnection,
        generation: GenerationId,
        scope: &'a Scope,
    ) -> BoxStream<'a, sqlx::Result<Row>> {
        match self {
            Self::ViewDaily => rows!(
                r#"select site_id, event_type, day, null::text as name, partition_id, views as "count!",
                        null::bytea as sketch
                   from view_daily
                   where generation_id = $1 and ($2::text is null or site_id = $2)
                     and ($3::date is null or day >= $3) and ($4::date is null or day <= $4)
                   order by site_id, event_type, day, partition_id"#,
                db,
                generation,
                scope
            ),
            Self::PathDaily => rows!(
                r#"select site_id, event_type, day, path as name, partition_id, views as "count!",
                        null::bytea as sketch
                   from path_daily
                   where generation_id = $1 and ($2::text is null or site_id = $2)
                     and ($3::date is null or day >= $3) and ($4::date is null or day <= $4)
                   order by site_id, event_type, day, path, partition_id"#,
                db,
                generation,
                scope
            ),
            Self::ReferrerDaily => rows!(
                r#"select site_id, event_type, day, kind || ' ' || host as name, partition_id, views as "count!",
                        null::bytea as sketch
                   from referrer_daily
                   where generation_id = $1 and ($2::text is null or site_id = $2)
                     and ($3::date is null or day >= $3) and ($4::date is null or day <= $4)
                   order by site_id, event_type, day, kind, host, partition_id"#,
                db,
                generation,
                scope
            ),
            Self::TopPathsDaily => rows!(
                r#"select site_id, event_type, day, null::text as name, partition_id, 0::bigint as "count!",
                        convert_to(top_paths::text, 'UTF8') as sketch
                   from view_daily
                   where generation_id = $1 and ($2::text is null or site_id = $2)
                     and ($3::date is null or day >= $3) and ($4::date is null or day <= $4)
                   and top_paths is not null
                   order by site_id, event_type, day, partition_id"#,
                db,
                generation,
                scope
            ),
            _ => rows!(
                r#"select site_id, event_type, day, null::text as name, partition_id, users as "count!", sketch
                   from user_daily
                   where generation_id = $1 and ($2::text is null or site_id = $2)
                     and ($3::date is null or day >= $3) and ($4::date is null or day <= $4)
                   order by site_id, event_type, day, partition_id"#,
                db,
                generation,
                scope
            ),
        }
    }

    fn total_rows<'a>(
        self,
        db: &'a mut PgConnection,
        generation: GenerationId,
        scope: &'a Scope,
    ) -> BoxStream<'a, sqlx::Result<Row>> {
        match self {
            Self::ViewTotal => rows!(
                r#"select site_id, event_type, null::date as day, null::text as name, partition_id,
                        views as "count!", null::bytea as sketch
                   from view_total
                   where generation_id = $1 and ($2::text is null or site_id = $2)
                     and $3::date is null and $4::date is null
                   order by site_id, event_type, partition_id"#,
                db,
                generation,
                scope
            ),
            Self::PathTotal => rows!(
                r#"select site_id, event_type, null::date as day, path as name, partition_id, views as "count!",
                        null::bytea as sketch
                   from path_total
                   where generation_id = $1 and ($2::text is null or site_id = $2)
                     and $3::date is null and $4::date is null
                   order by site_id, event_type, path, partition_id"#,
                db,
                generation,
                scope
            ),
            Self::ReferrerTotal => rows!(
                r#"select site_id, event_type, null::date as day, kind || ' ' || host as name, partition_id,
                        views as "count!", null::bytea as sketch
                   from referrer_total
                   where generation_id = $1 and ($2::text is null or site_id = $2)
                     and $3::date is null and $4::date is null
                   order by site_id, event_type, kind, host, partition_id"#,
                db,
                generation,
                scope
            ),
            Self::TopPathsTotal => rows!(
                r#"select site_id, event_type, null::date as day, null::text as name, partition_id,
                        0::bigint as "count!", convert_to(top_paths::text, 'UTF8') as sketch
                   from view_total
                   where generation_id = $1 and ($2::text is null or site_id = $2)
                     and $3::date is null and $4::date is null
                   and top_paths is not null
                   order by site_id, event_type, partition_id"#,
                db,
                generation,
                scope
            ),
            _ => rows!(
                r#"select site_id, event_type, null::date as day, null::text as name, partition_id,
                        users as "count!", sketch
                   from user_total
                   where generation_id = $1 and ($2::text is null or site_id = $2)
                     and $3::date is null and $4::date is null
                   order by site_id, event_type, partition_id"#,
                db,
                generation,
                scope
            ),
        }
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
        if let Some(name) = &self.name {
            write!(f, "{name} ")?;
        }
        write!(f, "partition {}", self.partition_id)
    }
}
