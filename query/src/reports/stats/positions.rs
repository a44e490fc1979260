//! The positions of the partitions of a generation, and their lag behind the log as projectors saw it. Ages are those at the
//! snapshot of the report, by the clock of Postgres.

use std::time::Duration;

use sqlx::PgConnection;

use crate::reports::error::{ReportError, count};
use crate::reports::log_position::LogPosition;

/// An older observation of the end of a stream says nothing. Projectors observe once a second: after five observations are
/// missing, the projector or the log is unavailable.
const OBSERVATION_AGE_MAX: Duration = Duration::from_secs(5);

/// A partition, in the generation or in the log, usually in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    partition_id: u64,
    checkpoint: Option<Checkpoint>,
    log_end: Option<LogEnd>,
}

/// The part of a partition that the read models contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Checkpoint {
    sequence: u64,
    /// Events in all envelopes up to here; 0 if that is unknown.
    events: u64,
    /// Time since the log stored the last of these envelopes.
    age: Duration,
}

/// The end of a stream when a projector observed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LogEnd {
    sequence: u64,
    age: Duration,
}

/// A row of `positions.sql`.
struct Row {
    partition_id: i32,
    sequence: Option<i64>,
    events: Option<i64>,
    age_ms: Option<i64>,
    end_sequence: Option<i64>,
    end_age_ms: Option<i64>,
}

/// The positions of all partitions.
#[derive(Debug, Default)]
pub(super) struct Positions(Vec<Position>);

impl Positions {
    /// Reads the positions of the active generation in the transaction of a report.
    pub(super) async fn read(tx: &mut PgConnection) -> Result<Self, ReportError> {
        let rows = sqlx::query_file_as!(Row, "src/reports/stats/sql/positions.sql").fetch_all(tx).await?;
        rows.into_iter().map(Position::try_from).collect::<Result<_, _>>().map(Self)
    }

    /// The part of the log that the report contains.
    pub(super) fn log_position(&self) -> LogPosition {
        let sequence = |position: &Position| Some((position.partition_id, position.checkpoint?.sequence));
        self.0.iter().filter_map(sequence).collect()
    }

    /// The estimated number of events that the report does not contain.
    pub(super) fn lag_events(&self) -> u64 {
        self.0.iter().map(Position::lag_events).sum()
    }

    /// The largest age of events that the report does not contain, of partitions with a checkpoint.
    pub(super) fn lag(&self) -> Duration {
        let behind = self.0.iter().filter(|position| position.lag_envelopes() > 0);
        behind.filter_map(|position| Some(position.checkpoint?.age)).max().unwrap_or_default()
    }

    /// Whether the report is known to contain all of the log. That is unknown if no projector observes the log.
    pub(super) fn are_complete(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(Position::is_complete)
    }
}

impl TryFrom<Row> for Position {
    type Error = ReportError;

    fn try_from(row: Row) -> Result<Self, ReportError> {
        let known = |number: Option<i64>| count(number.unwrap_or_default());
        let checkpoint = |sequence| {
            let age = Duration::from_millis(known(row.age_ms)?);
            Ok::<_, ReportError>(Checkpoint { sequence: count(sequence)?, events: known(row.events)?, age })
        };
        let log_end = |sequence| {
            let age = Duration::from_millis(known(row.end_age_ms)?);
            Ok::<_, ReportError>(LogEnd { sequence: count(sequence)?, age })
        };
        Ok(Self {
            partition_id: count(row.partition_id.into())?,
            checkpoint: row.sequence.map(checkpoint).transpose()?,
            log_end: row.end_sequence.map(log_end).transpose()?,
        })
    }
}

impl Position {
    fn lag_envelopes(&self) -> u64 {
        let contained = self.checkpoint.map_or(0, |checkpoint| checkpoint.sequence);
        // An observation may be older than the checkpoint.
        self.log_end.map_or(0, |log_end| log_end.sequence.saturating_sub(contained))
    }

    /// An estimate: the missing envelopes have as many events as those before them on average, and at least one.
    fn lag_events(&self) -> u64 {
        let envelopes = self.lag_envelopes();
        let estimate = self.checkpoint.filter(|checkpoint| checkpoint.sequence > 0).map_or(0, |checkpoint| {
            (u128::from(envelopes) * u128::from(checkpoint.events)).div_ceil(checkpoint.sequence.into())
        });
        envelopes.max(u64::try_from(estimate).unwrap_or(u64::MAX))
    }

    fn is_complete(&self) -> bool {
        let is_observed = self.log_end.is_some_and(|log_end| log_end.age <= OBSERVATION_AGE_MAX);
        is_observed && self.checkpoint.is_some() && self.lag_envelopes() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions<const N: usize>(rows: [[i64; 6]; N]) -> Positions {
        let position = |numbers: [i64; 6]| {
            let [partition_id, numbers @ ..] = numbers;
            let [sequence, events, age_ms, end_sequence, end_age_ms] =
                numbers.map(|number| (number >= 0).then_some(number));
            let partition_id = i32::try_from(partition_id).expect("a small number");
            Position::try_from(Row { partition_id, sequence, events, age_ms, end_sequence, end_age_ms })
        };
        Positions(rows.map(|row| position(row).expect("numbers")).to_vec())
    }

    /// The value for null.
    const NO: i64 = -1;

    #[test]
    fn a_lag_is_estimated_from_the_envelopes_so_far() {
        for (row, events) in [
            ([0, 100, 250, 0, 100, 0], 0),
            ([0, 100, 250, 0, 104, 0], 10),
            ([0, 100, 250, 0, 103, 0], 8),
            ([0, 100, 250, 0, 90, 0], 0),
            // Unknown, or counted only since some time: an envelope has at least one event.
            ([0, 0, 0, 0, 7, 0], 7),
            ([0, 100, 0, 0, 107, 0], 7),
            ([0, 100, 30, 0, 107, 0], 7),
            ([0, NO, NO, NO, 7, 0], 7),
            ([0, 100, 250, 0, NO, NO], 0),
            ([0, 1, i64::MAX, 0, i64::MAX, 0], u64::MAX),
        ] {
            assert_eq!(positions([row]).lag_events(), events, "{row:?}");
        }
        assert_eq!(positions([[0, 100, 250, 0, 103, 0], [1, 10, 10, 0, 13, 0]]).lag_events(), 8 + 3);
    }

    #[test]
    fn a_lag_is_as_old_as_the_oldest_checkpoint_that_is_behind() {
        let behind = [[0, 5, 5, 400, 6, 0], [1, 5, 5, 300, 6, 0], [2, 5, 5, 90_000, 5, 0], [3, NO, NO, NO, 6, 0]];
        assert_eq!(positions(behind).lag(), Duration::from_millis(400));
        assert_eq!(positions([[2, 5, 5, 90_000, 5, 0]]).lag(), Duration::ZERO);
    }

    #[test]
    fn complete_is_what_is_known_to_contain_everything() {
        let complete = [0, 5, 5, 90_000, 5, 5_000];
        assert!(positions([complete, [1, 0, 0, 0, 0, 0], [2, 5, 5, 0, 4, 0]]).are_complete());
        for incomplete in [[1, 5, 5, 0, 6, 0], [1, 5, 5, 0, 5, 5_001], [1, NO, NO, NO, 0, 0], [1, 5, 5, 0, NO, NO]] {
            assert!(!positions([complete, incomplete]).are_complete(), "{incomplete:?}");
        }
        assert!(!positions([]).are_complete(), "no projector has observed the log");
    }

    #[test]
    fn a_report_contains_what_has_a_checkpoint() {
        let positions = positions([[1, 7, 7, 0, 9, 0], [0, 5, 5, 0, NO, NO], [2, NO, NO, NO, 9, 0]]);
        assert_eq!(positions.log_position(), [(0, 5), (1, 7)].into_iter().collect());
    }
}
