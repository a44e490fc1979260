//! Numbers as Postgres stores them.

/// A sequence or a count as a `bigint`. Both are far below 2^63.
pub(crate) fn as_bigint(number: u64) -> i64 {
    i64::try_from(number).expect("sequences and counts are below 2^63")
}
