//! The part of the log that the read models contain.

use std::collections::BTreeMap;

use contract::Receipt;
use serde::Serialize;

/// The sequence of the last envelope of each partition that the read models of a generation contain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct LogPosition(BTreeMap<u64, u64>);

impl LogPosition {
    /// Whether the event of a receipt is contained: counted, recognized as a repeat, or parked.
    pub(crate) fn contains(&self, receipt: Receipt) -> bool {
        let partition_id = u64::from(receipt.partition.number());
        self.0.get(&partition_id).is_some_and(|sequence| *sequence >= receipt.sequence)
    }
}

impl FromIterator<(u64, u64)> for LogPosition {
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(checkpoints: I) -> Self {
        Self(checkpoints.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_contained_up_to_the_checkpoint_of_its_partition() {
        let as_of: LogPosition = [(0, 4_711), (1, 0)].into_iter().collect();
        for (receipt, is_contained) in [
            ("0-4711-0", true),
            ("0-1-999", true),
            ("0-4712-0", false),
            ("0-18446744073709551615-0", false),
            ("1-1-0", false),
            ("2-1-0", false),
        ] {
            assert_eq!(as_of.contains(receipt.parse().expect("a receipt")), is_contained, "{receipt}");
        }
    }
}
