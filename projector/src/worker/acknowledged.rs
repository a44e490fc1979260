//! Gaps of the log that a generation went on without, because an operator has acknowledged them. Others pass them by the
//! same decision, and no command takes them for missing.
//!
//! What counts is what the active generation went on without: reports lack that already. A decision for a generation
//! that never became active, made to look at it, is none about reports.

use std::ops::RangeInclusive;

use event_log::stream::Stream;
use sqlx::PgPool;

use crate::read_models::bigint::as_bigint;
use crate::read_models::checkpoint;
use crate::read_models::generation::{self, Generation};
use crate::read_models::slice::Slice;

/// A gap that a generation went on without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AcknowledgedGap {
    /// Id of the decision.
    acknowledgement_id: i64,
    first: u64,
    last: u64,
}

/// The gaps that a generation went on without in the history that a stream continues.
pub(crate) async fn gaps(pool: &PgPool, slice: Slice, stream: &Stream) -> sqlx::Result<Vec<AcknowledgedGap>> {
    let Some(checkpoint) = checkpoint::find(pool, slice).await? else { return Ok(Vec::new()) };
    if !stream.continues(checkpoint.into()) {
        return Ok(Vec::new());
    }
    all(pool, slice).await
}

/// Whether a generation went on without something that another one has.
pub(crate) async fn lacks_more(pool: &PgPool, built: &Generation, than: &Generation) -> sqlx::Result<bool> {
    for partition in checkpoint::partitions(pool, built.id).await? {
        let gaps = all(pool, Slice { generation: built.id, partition }).await?;
        let missing: Vec<_> = gaps.iter().map(|gap| gap.first..=gap.last).collect();
        let others = all(pool, Slice { generation: than.id, partition }).await?;
        if last_unacknowledged(&missing, &others) > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The gaps that a generation went on without in its present history.
async fn all(pool: &PgPool, slice: Slice) -> sqlx::Result<Vec<AcknowledgedGap>> {
    let rows = sqlx::query!(
        r#"select coalesce(decision_id, acknowledgement_id) as "acknowledgement_id!", stream_created, from_sequence,
                to_sequence
           from acknowledgement
           where generation_id = $1 and partition_id = $2
           order by acknowledgement.acknowledgement_id"#,
        slice.generation.0,
        slice.partition_id(),
    )
    .fetch_all(pool)
    .await?;
    let sequence = |number| u64::try_from(number).unwrap_or(0);
    let mut gaps = Vec::new();
    for row in rows {
        let (first, last) = (sequence(row.from_sequence), sequence(row.to_sequence));
        if last < first {
            go_back(&mut gaps, last);
        } else if row.stream_created.is_some() {
            gaps.push(AcknowledgedGap { acknowledgement_id: row.acknowledgement_id, first, last });
        }
    }
    Ok(gaps)
}

/// Passes a gap, or the beginning of one, that the active generation went on without. Answers how far; then the pass is
/// recorded, and the partition has no owner. None where no operator has decided on the gap.
pub(crate) async fn pass(
    pool: &PgPool,
    slice: Slice,
    stream: &Stream,
    gap: RangeInclusive<u64>,
) -> sqlx::Result<Option<u64>> {
    let generations = generation::list(pool).await?;
    let Some(active) = generation::active(&generations) else { return Ok(None) };
    let known = gaps(pool, Slice { generation: active.id, ..slice }, stream).await?;
    let Some(known) = known.iter().find(|known| known.contains(*gap.start())) else { return Ok(None) };
    let last = known.last.min(*gap.end());
    let passed = sqlx::query!(
        "with passed as (
           update checkpoint
           set stream_sequence = $5, logged_at = null, counted_until = greatest(counted_until, logged_at),
               epoch = epoch + 1, owner = null, lease_until = null
           where generation_id = $1 and partition_id = $2 and stream_sequence = $4::bigint - 1
           returning generation_id
         )
         insert into acknowledgement
             (generation_id, partition_id, stream_created, from_sequence, to_sequence, reason, acknowledged_by, decision_id)
         select passed.generation_id, $2, $3, $4, $5, reason, acknowledged_by, acknowledgement_id
         from passed, acknowledgement
         where acknowledgement_id = $6",
        slice.generation.0,
        slice.partition_id(),
        stream.created,
        as_bigint(*gap.start()),
        as_bigint(last),
        known.acknowledgement_id,
    )
    .execute(pool)
    .await?;
    Ok((passed.rows_affected() == 1).then_some(last))
}

/// The last missing sequence that a generation did not go on without; 0 where there is none.
pub(crate) fn last_unacknowledged(missing: &[RangeInclusive<u64>], gaps: &[AcknowledgedGap]) -> u64 {
    for range in missing.iter().rev() {
        let mut last = *range.end();
        while let Some(gap) = gaps.iter().find(|gap| gap.contains(last)) {
            last = gap.first - 1;
        }
        if range.contains(&last) {
            return last;
        }
    }
    0
}

/// What follows a sequence is given again: it was restored to an older state, or made anew.
fn go_back(gaps: &mut Vec<AcknowledgedGap>, to: u64) {
    for gap in gaps.iter_mut() {
        gap.last = gap.last.min(to);
    }
    gaps.retain(|gap| gap.first <= gap.last);
}

impl AcknowledgedGap {
    fn contains(&self, sequence: u64) -> bool {
        (self.first..=self.last).contains(&sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(first: u64, last: u64) -> AcknowledgedGap {
        AcknowledgedGap { acknowledgement_id: 1, first, last }
    }

    #[test]
    fn what_is_missing_is_what_no_decision_is_about() {
        let found = |missing: &[RangeInclusive<u64>], gaps: &[AcknowledgedGap]| last_unacknowledged(missing, gaps);
        assert_eq!(found(&[], &[gap(5, 10)]), 0);
        assert_eq!(found(&[5..=10], &[]), 10);
        assert_eq!(found(&[5..=10], &[gap(5, 10)]), 0);
        assert_eq!(found(&[1..=100], &[gap(5, 10)]), 100);
        assert_eq!(found(&[1..=100], &[gap(5, 10), gap(11, 100)]), 4);
        assert_eq!(found(&[1..=10], &[gap(8, 20), gap(1, 7)]), 0, "two decisions next to each other");
        assert_eq!(found(&[3..=4, 7..=9], &[gap(7, 9)]), 4);
        assert_eq!(found(&[3..=4, 7..=9], &[gap(4, 9)]), 3);
    }

    #[test]
    fn a_decision_ends_where_sequences_are_given_again() {
        let mut gaps = vec![gap(2, 3), gap(5, 10), gap(12, 12)];
        go_back(&mut gaps, 7);
        assert_eq!(gaps, [gap(2, 3), gap(5, 7)]);
        go_back(&mut gaps, 0);
        assert_eq!(gaps, []);
    }
}
