//! The key of what one task writes.

use contract::Partition;

use super::generation::GenerationId;
use crate::metrics::Labels;

/// One partition of one generation: the key of all rows that one task writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The set of read models.
    pub generation: GenerationId,
    /// The partition of the log.
    pub partition: Partition,
}

impl Slice {
    pub(crate) fn partition_id(self) -> i32 {
        i32::from(self.partition.number())
    }

    /// What the names of the log's consumers begin with that read for the slice.
    pub(crate) fn consumer(self) -> String {
        format!("g{}-p{}", self.generation.0, self.partition)
    }

    /// Labels of the slice's metrics.
    pub(crate) fn labels(self) -> Labels {
        Labels::new(self.generation, self.partition)
    }
}
