//! Descriptions of parameters for the OpenAPI document, in groups that several reports share. `raw.rs` reads the values.

#![expect(dead_code, reason = "the OpenAPI document describes these fields, and no value is read into them")]

use chrono::NaiveDate;
use utoipa::IntoParams;

/// The site of a report.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SiteParam {
    /// Whose traffic: 1 to 64 of the characters `A-Z a-z 0-9 . _ : -`, starting with a letter or digit.
    #[param(example = "site-abc-123", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
    site_id: String,
}

/// The event type of a report.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventTypeParam {
    /// What to count; `page_view` unless it is given. `(other)` is all types beyond a site's first 999.
    #[param(
        example = "page_view",
        min_length = 1,
        max_length = 64,
        pattern = "^([A-Za-z0-9][A-Za-z0-9._:-]*|\\(other\\))$"
    )]
    event_type: Option<String>,
}

/// The days of a report.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DayParams {
    /// One UTC day. Without any day the report is about all time.
    #[param(example = "2025-11-12")]
    date: Option<NaiveDate>,
    /// The first of several UTC days; without it, all days up to `to`. Not together with `date`.
    from: Option<NaiveDate>,
    /// The last of several UTC days, inclusive; without it, all days since `from`. Not together with `date`.
    to: Option<NaiveDate>,
}

/// The page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParams {
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u16>,
    /// Where the page before ended: its `next_cursor`. All else must be asked for as it was then, but for `limit` and
    /// `format`.
    cursor: Option<String>,
}

/// The format of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FormatParam {
    /// `json` or `csv`, whatever the `Accept` header says. Without it, that header decides, and JSON if it does not.
    #[param(example = "json", pattern = "^(json|csv)$")]
    format: Option<String>,
}

/// Parameters that only `GET /stats` takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatsParams {
    /// How many paths at most, and how many hosts.
    #[param(minimum = 1, maximum = 1000, default = 3)]
    limit: Option<u16>,
    /// `referrers` adds where the visits came from.
    #[param(example = "referrers", pattern = "^referrers$")]
    include: Option<String>,
    /// `previous` adds the period before, which has as many days, and how the numbers have changed. Takes `date`, or both
    /// `from` and `to`.
    #[param(example = "previous", pattern = "^previous$")]
    compare: Option<String>,
    /// Whether the report is to say which part of the log it contains, and how exact its users are.
    #[param(default = false)]
    meta: Option<bool>,
    /// The receipt of an event, as `0-4711-0`: the answer waits, for a short time, until the report contains it. A receipt
    /// that no event has is refused with 400.
    after: Option<String>,
}

/// Parameters that only `GET /timeseries` takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TimeseriesParams {
    /// The first UTC day.
    #[param(example = "2025-11-01")]
    from: NaiveDate,
    /// The last UTC day, inclusive. A time series has at most 3,660 days, whatever the interval.
    #[param(example = "2025-11-30")]
    to: NaiveDate,
    /// `day`, `week` or `month`. A week begins on Monday, as ISO 8601 has it.
    #[param(example = "day", default = "day", pattern = "^(day|week|month)$")]
    interval: Option<String>,
    /// `views`, `unique_users`, or both. Without users nothing has to be merged, so it is read sooner.
    #[param(
        example = "views,unique_users",
        default = "views,unique_users",
        pattern = "^(views|unique_users|views,unique_users|unique_users,views)$"
    )]
    metrics: Option<String>,
}

/// Parameters that only `GET /paths` takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PathParams {
    /// What a path must begin with, at most 2,048 bytes. Upper and lower case differ, and no character is a wildcard.
    /// `/caf%C3%A9` and `/café` find the same paths.
    #[param(example = "/blog/")]
    prefix: Option<String>,
    /// What must be anywhere in a path, in the same way.
    #[param(example = "post")]
    search: Option<String>,
}

/// Parameters that only `GET /sites` takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SitesParams {
    /// What a site must begin with, at most 64 bytes. Upper and lower case differ, and no character is a wildcard.
    #[param(example = "site-")]
    prefix: Option<String>,
}
