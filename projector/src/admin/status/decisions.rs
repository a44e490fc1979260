//! What was decided about history, and where generations went on by a decision.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

/// Rows of one listing: the newest.
const LISTED_MAX: i64 = 100;

/// A partition of a generation went on without a piece of history, or with another one.
#[derive(Debug, Serialize)]
pub(super) struct Acknowledgement {
    #[serde(rename = "acknowledgement")]
    id: i64,
    partition: i32,
    stream_created: Option<DateTime<Utc>>,
    from: i64,
    to: i64,
    reason: String,
    by: String,
    at: DateTime<Utc>,
    /// The decision, where it was made for another generation.
    decision: Option<i64>,
}

impl fmt::Display for Acknowledgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, from, to, by, .. } = self;
        let at = self.at.format("%Y-%m-%d %H:%M:%S UTC");
        if let Some(id) = self.decision {
            write!(f, "passed sequences {from} to {to} of partition {partition} by a decision of {by} ({id}) at {at}")
        } else {
            let reason = &self.reason;
            write!(f, "went on behind sequence {to} of partition {partition}, as {by} decided at {at}: {reason}")
        }
    }
}

/// By generation, the oldest first.
pub(super) async fn acknowledgements(pool: &PgPool) -> sqlx::Result<Vec<(i32, Acknowledgement)>> {
    let rows = sqlx::query!(
        "select acknowledgement_id, generation_id, partition_id, stream_created, from_sequence, to_sequence, reason,
                acknowledged_by, acknowledged_at, decision_id
         from acknowledgement
         where generation_id in (select generation_id from generation)
         order by acknowledgement_id desc
         limit $1",
        LISTED_MAX,
    );
    let rows = rows.fetch_all(pool).await?;
    let acknowledgements = rows.into_iter().rev().map(|row| {
        let acknowledgement = Acknowledgement {
            id: row.acknowledgement_id,
            partition: row.partition_id,
            stream_created: row.stream_created,
            from: row.from_sequence,
            to: row.to_sequence,
            reason: row.reason,
            by: row.acknowledged_by,
            at: row.acknowledged_at,
            decision: row.decision_id,
        };
        (row.generation_id, acknowledgement)
    });
    Ok(acknowledgements.collect())
}
