//! The report of `GET /stats`, read in one snapshot of the active generation.
//!
//! One statement is enough for most reports, and so is one round trip. With referrers or a comparison, or where the lists of
//! top paths do not decide, several statements read in one transaction. Nothing is cached: a report is as fresh as the read
//! models. `single_row`, `days` and `months` each return a `Summary`, `ranked` adds the top paths, and `snapshot` makes the
//! answer of it.

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

mod snapshot;

mod ranked;

mod summary;

mod single_row;

mod days;

mod months;

mod top_k;

mod paths;

mod referrers;

mod comparison;

mod positions;

mod meta;

use comparison::{Changes, Previous};
pub(crate) use meta::{Meta, UsersError};
pub(crate) use referrers::Referrers;

/// A report.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stats {
    /// The site.
    #[schema(example = "site-abc-123")]
    site_id: String,
    /// The UTC day, if `date` asked for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<NaiveDate>,
    /// The number of events of the type.
    pub(crate) total_views: u64,
    /// Distinct users: exact to a few thousand, then with a standard error of 0.81 %.
    pub(crate) unique_users: u64,
    /// The paths with the most views; equal ones in byte order.
    pub(crate) top_paths: Vec<PathViews>,
    /// The hosts that visits came from, if `include` asked for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) referrers: Option<Referrers>,
    /// The days before, if `compare` asked for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<Previous>,
    /// The changes since the days before.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Changes>,
    /// The metadata, if `meta` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) meta: Option<Meta>,
}

/// A path, and its views.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PathViews {
    /// The path without query and fragment. `(other)` is all paths beyond the first 100,000 of a day, or 1,000,000 of all time.
    pub(crate) path: String,
    /// The number of events of the type at this path.
    pub(crate) views: u64,
}
