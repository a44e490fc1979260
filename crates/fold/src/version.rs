//! Versions of the fold. Each stays able to fold, so that a generation goes on under the version that began it, while
//! another is built beside it under a newer one.

use std::fmt;

use contract::sketch::SealedSketch;

/// A version of the fold that this projector knows. It goes up whenever the same log would add up to something else.
///
/// | version | adds up |
/// |---|---|
/// | 2 | views, paths and users; repeats are recognised |
/// | 3 | referrers, too |
/// | 4 | the same, with lists of top paths beside the views |
/// | 5 | paths that differ in their percent-encoding together; a site that is named with a port has referrers of its own; referrers with half a surrogate pair; users never become fewer; repeats by a log time that every envelope moves, and no wrong clock far; `(other)` beyond a site's caps |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FoldVersion(pub(crate) i32);

/// Read models of a version that is older or newer than this projector knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("fold {0} is unknown; this projector knows {oldest} to {newest}", oldest = FoldVersion::OLDEST, newest = FoldVersion::NEWEST)]
pub struct UnknownFold(pub i32);

impl FoldVersion {
    /// The oldest that can be gone on with.
    pub const OLDEST: Self = Self(2);

    /// The version by which new generations are built.
    pub const NEWEST: Self = Self(5);

    /// As generations have it.
    pub const fn number(self) -> i32 {
        self.0
    }

    pub(crate) fn keeps_top_paths(self) -> bool {
        self >= Self(4)
    }

    pub(crate) fn normalizes_paths(self) -> bool {
        self >= Self(5)
    }

    pub(crate) fn caps_names(self) -> bool {
        self >= Self(5)
    }

    pub(crate) fn knows_ports(self) -> bool {
        self >= Self(5)
    }

    /// The number of users that is stored beside their sketch.
    pub fn users(self, sealed: &SealedSketch) -> u64 {
        if self >= Self(5) { sealed.users } else { sealed.plain_users }
    }

    /// Whether every envelope moves log time, by the rules of `dedup/log_clock.rs`. Before, those with ids did, by the
    /// time of the log's clock alone.
    pub(crate) fn moves_log_time_by_envelopes(self) -> bool {
        self >= Self(5)
    }
}

impl TryFrom<i32> for FoldVersion {
    type Error = UnknownFold;

    fn try_from(number: i32) -> Result<Self, UnknownFold> {
        let known = Self::OLDEST.0..=Self::NEWEST.0;
        if known.contains(&number) { Ok(Self(number)) } else { Err(UnknownFold(number)) }
    }
}

impl fmt::Display for FoldVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use contract::sketch::Accuracy;

    use super::*;

    #[test]
    fn versions_between_the_oldest_and_the_newest_are_known() {
        let numbers = [2, 3, 4, 5].map(|number| FoldVersion::try_from(number).map(FoldVersion::number));
        assert_eq!(numbers, [Ok(2), Ok(3), Ok(4), Ok(5)]);
        for number in [i32::MIN, 0, 1, 6, i32::MAX] {
            let unknown = FoldVersion::try_from(number).expect_err("no version");
            assert_eq!(unknown.to_string(), format!("fold {number} is unknown; this projector knows 2 to 5"));
        }
    }

    #[test]
    fn folds_before_the_fifth_store_what_they_always_did() {
        let sealed =
            SealedSketch { bytes: Vec::new(), users: 5_920, plain_users: 5_855, accuracy: Accuracy::Estimated };
        let users = [2, 3, 4, 5].map(|number| FoldVersion(number).users(&sealed));
        assert_eq!(users, [5_855, 5_855, 5_855, 5_920]);
    }
}
