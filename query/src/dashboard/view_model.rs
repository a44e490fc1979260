//! The data of pages: numbers and texts, independent of the reports they come from.

use chrono::NaiveDate;
use contract::{EventType, SiteId};

use super::address::Address;
use crate::params::{DayRange, Interval};

/// The data of the frame of a page.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) address: Address,
    /// The UTC day.
    pub(super) today: NaiveDate,
    /// The sites of the select box, in byte order.
    pub(super) sites: Vec<SiteId<'static>>,
    /// Whether there are more sites than these.
    pub(super) has_more_sites: bool,
}

/// The data of a site's page.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) site: SiteId<'static>,
    pub(super) period: DayRange,
    pub(super) totals: Totals,
    /// The totals of as many days before.
    pub(super) previous: Totals,
    pub(super) users_error: UsersError,
    /// The totals of today, independent of the chosen days.
    pub(super) today: Totals,
    pub(super) trend: Trend,
    pub(super) paths: Vec<Share>,
    /// Whether there are more paths than these.
    pub(super) has_more_paths: bool,
    /// `None` if the read models do not count referrers.
    pub(super) referrers: Option<Referrers>,
    pub(super) event_types: Vec<EventTypeTotals>,
    /// The last day with events, for a link from days without any.
    pub(super) last_day: Option<NaiveDate>,
    pub(super) freshness: Freshness,
}

/// Views and distinct users.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) views: u64,
    pub(super) users: u64,
}

/// The error of a number of users.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum UsersError {
    /// The users are listed; the number has at most this error.
    Listed { max_abs_error: u64, confidence: f64 },
    /// The users are estimated; the true number is between the two.
    Estimated { low: u64, high: u64, confidence: f64 },
}

/// Views and users over time.
#[derive(Debug)]
pub(super) struct Trend {
    pub(super) interval: Interval,
    /// The bars of the period in order, with those without events.
    pub(super) buckets: Vec<Bucket>,
}

/// A bar: a day, or the days of a week or month that are in the period.
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

/// The hosts that views came from.
#[derive(Debug)]
pub(super) struct Referrers {
    /// Other hosts, the most frequent first.
    pub(super) top: Vec<Share>,
    pub(super) own: u64,
    pub(super) none: u64,
    pub(super) unreadable: u64,
}

/// An event type, and its totals.
#[derive(Debug)]
pub(super) struct EventTypeTotals {
    pub(super) event_type: EventType<'static>,
    pub(super) totals: Totals,
}

/// The position of a page in the log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Freshness {
    pub(super) generation: i32,
    /// The estimated number of events that the page does not contain.
    pub(super) lag_events: u64,
    /// The largest age of these events, in seconds.
    pub(super) lag_seconds: f64,
    /// Whether the page is known to contain all events.
    pub(super) is_complete: bool,
}

/// A line of the list of sites.
#[derive(Debug)]
pub(super) struct SiteSummary {
    pub(super) site: SiteId<'static>,
    pub(super) totals: Totals,
    /// `None` if the site has only events of other types.
    pub(super) last_day: Option<NaiveDate>,
}
