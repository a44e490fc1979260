//! The sums of a report: what every way to read it returns.

use contract::TopPaths;
use contract::sketch::Count;

use super::top_k::{ListKey, TopPathLists};
use crate::reports::error::{ReportError, count};
use crate::reports::snapshot_version::SnapshotVersion;
use crate::reports::unique_users::UniqueUsers;

/// The views and users of a period, and the version of the read models that they were read from.
pub(super) struct Summary {
    pub(super) version: SnapshotVersion,
    pub(super) views: ViewSums,
    pub(super) users: UserSums,
}

/// The sum of views, and the lists of top paths.
#[derive(Default)]
pub(super) struct ViewSums {
    pub(super) total: u64,
    pub(super) lists: TopPathLists,
}

/// The users of a period.
pub(super) enum UserSums {
    /// Their number is stored.
    Counted(Count),
    /// Their sketches have to be merged.
    Sketches(UniqueUsers),
}

impl ViewSums {
    /// Adds the views of a day and partition, with the list of top paths there.
    pub(super) fn add(&mut self, key: ListKey, views: i64, top_paths: Option<&str>) -> Result<(), ReportError> {
        self.total += count(views)?;
        self.lists.add(key, top_paths.map(TopPaths::from_json).transpose()?);
        Ok(())
    }
}

impl UserSums {
    /// The number of different users.
    pub(super) fn count(self) -> Result<Count, ReportError> {
        match self {
            Self::Counted(count) => Ok(count),
            Self::Sketches(users) => Ok(users.count()?),
        }
    }
}
