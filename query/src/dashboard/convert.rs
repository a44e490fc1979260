//! Conversions of reports to the data of a page.

use super::HOSTS_MAX;
use super::view_model::{Freshness, Referrers, Share, Totals, UsersError};
use crate::reports::stats::{self, Meta, Stats};

impl From<&Stats> for Totals {
    fn from(stats: &Stats) -> Self {
        Self { views: stats.total_views, users: stats.unique_users }
    }
}

/// The totals of the days before; 0 if they were not requested.
pub(super) fn previous(stats: &Stats) -> Totals {
    let before = stats.previous.as_ref();
    before.map(|before| Totals { views: before.total_views, users: before.unique_users }).unwrap_or_default()
}

/// The metadata of a report, which every page requests.
pub(super) fn meta(stats: &Stats) -> &Meta {
    stats.meta.as_ref().expect("every page requests it")
}

impl From<&Meta> for UsersError {
    fn from(meta: &Meta) -> Self {
        match meta.unique_users_error {
            stats::UsersError::Sparse { max_abs_error, confidence } => Self::Listed { max_abs_error, confidence },
            stats::UsersError::Hll { low, high, confidence, .. } => Self::Estimated { low, high, confidence },
        }
    }
}

impl From<&Meta> for Freshness {
    fn from(meta: &Meta) -> Self {
        Self {
            generation: meta.generation,
            lag_events: meta.lag_events,
            lag_seconds: meta.lag_seconds,
            is_complete: meta.complete,
        }
    }
}

impl From<stats::Referrers> for Referrers {
    fn from(said: stats::Referrers) -> Self {
        let stats::Referrers { top, own, none, unreadable } = said;
        let top =
            top.into_iter().take(HOSTS_MAX.into()).map(|host| Share { name: host.host, views: host.views }).collect();
        Self { top, own, none, unreadable }
    }
}
