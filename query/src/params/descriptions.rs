//! Descriptions of parameters for the OpenAPI document, in groups that several reports share. `raw.rs` reads the values.

#![expect(dead_code, reason = "the OpenAPI document describes these fields, and no value is read into them")]

use chrono::NaiveDate;
use utoipa::IntoParams;

/// The site of a report.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SiteParam {
    /// The site: 1 to 64 of the characters `A-Z a-z 0-9 . _ : -`, starting with a letter or digit.
    #[param(example = "site-abc-123", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
    site_id: String,
}

/// The event type of a report.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventTypeParam {
    /// The event type to count; the default is `page_view`. `(other)` is all types beyond a site's first 999.
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
    /// One UTC day. Without any day the report is of all time.
    #[param(example = "2025-11-12")]
    date: Option<NaiveDate>,
    /// The first UTC day. Without it the report has all days up to `to`. Not together with `date`.
    from: Option<NaiveDate>,
    /// The last UTC day, inclusive. Without it the report has all days since `from`. Not together with `date`.
    to: Option<NaiveDate>,
}

/// The page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParams {
    /// The maximum number of entries.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u16>,
    /// The `next_cursor` of the page before. All other parameters must be as they were, except `limit` and `format`.
    cursor: Option<String>,
}

/// The format of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FormatParam {
    /// `json` or `csv`. Without it the header `Accept` decides, and the default is JSON.
    #[param(example = "json", pattern = "^(json|csv)$")]
    format: Option<String>,
}

/// Parameters that only `GET /stats` takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatsParams {
    /// The maximum number of paths, and of hosts.
    #[param(minimum = 1, maximum = 1000, default = 3)]
    limit: Option<u16>,
    /// `referrers` adds the hosts that visits came from.
    #[param(example = "referrers", pattern = "^referrers$")]
    include: Option<String>,
    /// `previous` adds the same number of days before, and how the numbers have changed. Needs `date`, or both `from` and
    /// `to`.
    #[param(example = "previous", pattern = "^previous$")]
    compare: Option<String>,
    /// `true` adds which part of the log the report contains, and how exact its users are.
    #[param(default = false)]
    meta: Option<bool>,
    /// The receipt of an event, such as `0-4711-0`. The answer waits a short time until the report contains the event. A
    /// receipt that no event has is refused with 400.
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
    /// `day`, `week` or `month`. A week begins on Monday, as in ISO 8601.
    #[param(example = "day", default = "day", pattern = "^(day|week|month)$")]
    interval: Option<String>,
    /// `views`, `unique_users`, or both. A time series without users is read faster.
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
    /// What a path must contain, in the same way.
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
