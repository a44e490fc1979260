//! What a report says, read in the form in which every client gets it: a page shows what `/stats` says, and nothing
//! that a client could not know.

use serde::Deserialize;

use super::view::{Freshness, Referrers, Share, Totals, UsersError};
use crate::stats::Stats;

/// A report of `/stats`.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    total_views: u64,
    unique_users: u64,
    previous: Option<Previous>,
    referrers: Option<SaidReferrers>,
    meta: Option<Meta>,
}

#[derive(Debug, Deserialize)]
struct Previous {
    total_views: u64,
    unique_users: u64,
}

#[derive(Debug, Deserialize)]
struct SaidReferrers {
    top: Vec<HostViews>,
    own: u64,
    none: u64,
    unreadable: u64,
}

#[derive(Debug, Deserialize)]
struct HostViews {
    host: String,
    views: u64,
}

#[derive(Debug, Deserialize)]
struct Meta {
    generation: i32,
    lag_events: u64,
    lag_seconds: f64,
    complete: bool,
    unique_users_error: Exactness,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "method", rename_all = "lowercase")]
enum Exactness {
    Sparse { max_abs_error: u64, confidence: f64 },
    Hll { low: u64, high: u64, confidence: f64 },
}

impl Said {
    pub(super) fn of(stats: &Stats) -> Self {
        let said = serde_json::to_value(stats).expect("a report has no keys that JSON does not");
        serde_json::from_value(said).expect("a report has the fields of the interface")
    }

    pub(super) fn totals(&self) -> Totals {
        Totals { views: self.total_views, users: self.unique_users }
    }

    /// Of the period before; nothing if it was not asked for.
    pub(super) fn previous(&self) -> Totals {
        let before = self.previous.as_ref();
        before.map(|before| Totals { views: before.total_views, users: before.unique_users }).unwrap_or_default()
    }

    fn meta(&self) -> &Meta {
        self.meta.as_ref().expect("pages ask for it")
    }

    pub(super) fn users_error(&self) -> UsersError {
        match self.meta().unique_users_error {
            Exactness::Sparse { max_abs_error, confidence } => UsersError::Listed { max_abs_error, confidence },
            Exactness::Hll { low, high, confidence } => UsersError::Estimated { low, high, confidence },
        }
    }

    pub(super) fn freshness(&self) -> Freshness {
        let meta = self.meta();
        Freshness {
            generation: meta.generation,
            lag_events: meta.lag_events,
            lag_seconds: meta.lag_seconds,
            is_complete: meta.complete,
        }
    }

    pub(super) fn into_referrers(self) -> Option<Referrers> {
        let said = self.referrers?;
        let top = said.top.into_iter().map(|host| Share { name: host.host, views: host.views }).collect();
        Some(Referrers { top, own: said.own, none: said.none, unreadable: said.unreadable })
    }
}
