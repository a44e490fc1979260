//! Why a query string is refused: a sentence for a person, and a code for a program.

use contract::field::InvalidField;
use service::http::query_string::NotEncoded;

/// Why a query string is refused. The message says what is wrong and what is right.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParamError {
    #[error(transparent)]
    NotEncoded(#[from] NotEncoded),
    #[error("the parameter {name:?} is unknown; a report takes {}", listed(.known))]
    Unknown { name: String, known: &'static [&'static str] },
    #[error("{0} must be given only once")]
    Repeated(&'static str),
    #[error("site_id is required")]
    SiteRequired,
    #[error(transparent)]
    Field(#[from] InvalidField),
    #[error("{0} must be a day of the calendar, written YYYY-MM-DD, such as 2025-11-12")]
    NotADay(&'static str),
    #[error("date must be given without from and to")]
    DayAndRange,
    #[error("from must not be later than to")]
    Backwards,
    #[error("from and to are required")]
    RangeRequired,
    #[error("from and to must be at most {days_max} days apart, both included")]
    RangeTooLong { days_max: i64 },
    #[error("limit must be a whole number from 1 to {max}")]
    Limit { max: u16 },
    #[error("{name} must be \"{value}\"")]
    Choice { name: &'static str, value: &'static str },
    #[error("{0} must be true or false")]
    Flag(&'static str),
    #[error("after must be a receipt, written <partition>-<sequence>-<line>, such as 0-4711-0")]
    After,
    #[error("interval must be day, week or month")]
    Interval,
    #[error("metrics must be views, unique_users, or both, separated by a comma")]
    Metrics,
    #[error("format must be json or csv")]
    Format,
    #[error("{name} must be at most {bytes_max} bytes long, without the character U+0000")]
    Pattern { name: &'static str, bytes_max: usize },
    #[error("cursor must be the next_cursor of an answer to the same request")]
    Cursor,
    #[error("compare needs a period with a beginning and an end: date, or from and to")]
    NothingToCompare,
    #[error("compare needs a period before, which would begin before the year 0")]
    TooEarlyToCompare,
}

impl ParamError {
    /// The code, which does not change when the sentence does.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NotEncoded(_) => "invalid_query_string",
            Self::Unknown { .. } => "unknown_parameter",
            Self::Repeated(_) => "repeated_parameter",
            Self::SiteRequired | Self::RangeRequired => "missing_parameter",
            Self::Field(_) => "invalid_name",
            Self::NotADay(_) => "invalid_day",
            Self::DayAndRange | Self::Backwards => "invalid_range",
            Self::RangeTooLong { .. } => "range_too_long",
            Self::Limit { .. } => "invalid_limit",
            Self::Choice { .. } | Self::Flag(_) | Self::Interval | Self::Metrics | Self::Format => "invalid_choice",
            Self::After => "invalid_receipt",
            Self::Pattern { .. } => "invalid_pattern",
            Self::Cursor => "invalid_cursor",
            Self::NothingToCompare | Self::TooEarlyToCompare => "nothing_to_compare",
        }
    }
}

/// `a, b and c`.
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}
