//! What pages show: numbers and texts, and nothing of where they come from.

use chrono::NaiveDate;
use contract::{EventType, SiteId};

use super::address::Address;
use crate::params::{DayRange, Interval};

/// What every page has around it.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) address: Address,
    /// The UTC day.
    pub(super) today: NaiveDate,
    /// To choose from, in byte order.
    pub(super) sites: Vec<SiteId<'static>>,
    /// Whether there are more sites than these.
    pub(super) has_more_sites: bool,
}

/// A site's page.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) site: SiteId<'static>,
    pub(super) period: DayRange,
    pub(super) totals: Totals,
    /// Of the period before, as long as this one.
    pub(super) previous: Totals,
    pub(super) users_error: UsersError,
    /// Of today, whatever days were chosen.
    pub(super) today: Totals,
    pub(super) trend: Trend,
    pub(super) paths: Vec<Share>,
    /// Whether there are more paths than these.
    pub(super) has_more_paths: bool,
    /// None where the read models do not count them.
    pub(super) referrers: Option<Referrers>,
    pub(super) event_types: Vec<EventTypeTotals>,
    /// The last day that has events, to lead there from days that have none.
    pub(super) last_day: Option<NaiveDate>,
    pub(super) freshness: Freshness,
}

/// Views and different users.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) views: u64,
    pub(super) users: u64,
}

/// How far a number of users may be from the truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum UsersError {
    /// They are listed: off by at most so many.
    Listed { max_abs_error: u64, confidence: f64 },
    /// They are estimated: the truth is between the two.
    Estimated { low: u64, high: u64, confidence: f64 },
}

/// Views and users over time.
#[derive(Debug)]
pub(super) struct Trend {
    pub(super) interval: Interval,
    /// All of the period, in order, those without events as well.
    pub(super) buckets: Vec<Bucket>,
}

/// One bar: a day, or a week or month as far as it is in the period.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    pub(super) period: DayRange,
    pub(super) totals: Totals,
}

/// A path or a host, and its views.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) name: String,
    pub(super) views: u64,
}

/// Where views came from.
#[derive(Debug)]
pub(super) struct Referrers {
    /// Other sites, the most frequent first.
    pub(super) top: Vec<Share>,
    pub(super) own: u64,
    pub(super) none: u64,
    pub(super) unreadable: u64,
}

/// What happened, and how often.
#[derive(Debug)]
pub(super) struct EventTypeTotals {
    pub(super) event_type: EventType<'static>,
    pub(super) totals: Totals,
}

/// Which part of the log a page contains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Freshness {
    pub(super) generation: i32,
    /// About how many events are not contained yet.
    pub(super) lag_events: u64,
    /// These are not older than so many seconds.
    pub(super) lag_seconds: f64,
    /// Whether it is known that none is missing.
    pub(super) is_complete: bool,
}

/// A line of the list of sites.
#[derive(Debug)]
pub(super) struct SiteSummary {
    pub(super) site: SiteId<'static>,
    pub(super) totals: Totals,
    /// None if it has sent other events only.
    pub(super) last_day: Option<NaiveDate>,
}
