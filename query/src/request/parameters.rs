//! How parameters are described, in groups that several reports share. They are read by `request/sent.rs`.

#![expect(dead_code, reason = "these are descriptions: nothing is ever read into them")]

use chrono::NaiveDate;
use utoipa::IntoParams;

/// Of one site.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfSite {
    /// Whose traffic: 1 to 64 of the characters `A-Z a-z 0-9 . _ : -`, starting with a letter or digit.
    #[param(example = "site-abc-123", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
    site_id: String,
}

/// Of one type of event.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfEventType {
    /// What to count; `page_view` unless it is given. `(other)` is all types beyond a site's first 999.
    #[param(
        example = "page_view",
        min_length = 1,
        max_length = 64,
        pattern = "^([A-Za-z0-9][A-Za-z0-9._:-]*|\\(other\\))$"
    )]
    event_type: Option<String>,
}

/// Of a day, of some days, or of all time.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfDays {
    /// One UTC day. Without any day the report is about all time.
    #[param(example = "2025-11-12")]
    date: Option<NaiveDate>,
    /// The first of several UTC days; without it, all days up to `to`. Not together with `date`.
    from: Option<NaiveDate>,
    /// The last of several UTC days, inclusive; without it, all days since `from`. Not together with `date`.
    to: Option<NaiveDate>,
}

/// A page of a long list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paged {
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u16>,
    /// Where the page before ended: its `next_cursor`. All else must be asked for as it was then, but for `limit` and
    /// `format`.
    cursor: Option<String>,
}

/// A form of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Formatted {
    /// `json` or `csv`, whatever the `Accept` header says. Without it, that header decides, and JSON if it does not.
    #[param(example = "json", pattern = "^(json|csv)$")]
    format: Option<String>,
}
