//! What a report is asked for: the query string, read strictly. A filter that is not understood is refused, because a
//! report without it would look right and be wrong.

use chrono::NaiveDate;
use contract::field::InvalidField;
use contract::{EventType, Receipt, SiteId};
use utoipa::IntoParams;

/// Names and values of a query string.
pub(crate) mod form;

/// Paths, and hosts, of a report that does not say how many.
const PATHS_DEFAULT: u16 = 3;

/// Paths, and hosts, of any report: 1,000 paths of up to 2,048 bytes make an answer of 2 MB, hosts a quarter more.
const PATHS_MAX: u16 = 1_000;

/// A report that can be answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) site_id: SiteId<'static>,
    pub(crate) event_type: EventType<'static>,
    pub(crate) period: Period,
    pub(crate) paths_max: u16,
    pub(crate) include: Option<Include>,
    /// Whether the report is to say what it contains.
    pub(crate) with_meta: bool,
    /// The event that it is to contain at least.
    pub(crate) after: Option<Receipt>,
}

/// What a report has only if it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    Referrers,
}

/// The UTC days that a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Period {
    AllTime,
    Day(NaiveDate),
    /// Both inclusive; one that is absent leaves its side open.
    Range {
        first: Option<NaiveDate>,
        last: Option<NaiveDate>,
    },
}

/// Why no report can be answered. The message is one sentence for the one who asked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidRequest {
    #[error("the query string must be percent-encoded UTF-8")]
    NotEncoded,
    #[error(
        "the parameter {0:?} is unknown; a report takes site_id, date, from, to, event_type, limit, include, meta and after"
    )]
    Unknown(String),
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
    #[error("limit must be a whole number from 1 to {PATHS_MAX}")]
    Limit,
    #[error("include must be \"referrers\"")]
    Include,
    #[error("meta must be true or false")]
    Meta,
    #[error("after must be a receipt, written <partition>-<sequence>-<line>, such as 0-4711-0")]
    After,
}

impl Request {
    /// Reads a query string; `None` is an empty one.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, InvalidRequest> {
        let mut sent = Parameters::default();
        for (name, value) in form::pairs(query.unwrap_or_default()) {
            let (name, value) = (name?, value?);
            let Some((name, place)) = sent.place(&name) else {
                return Err(InvalidRequest::Unknown(name.chars().take(64).collect()));
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(InvalidRequest::Repeated(name));
            }
        }
        sent.check()
    }
}

impl Period {
    /// The day, if it was asked for by itself.
    pub(crate) fn day(self) -> Option<NaiveDate> {
        if let Self::Day(day) = self { Some(day) } else { None }
    }
}

/// The parameters as they were sent.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Whose traffic: 1 to 64 of the characters `A-Z a-z 0-9 . _ : -`, starting with a letter or digit.
    #[param(required, example = "site-abc-123")]
    site_id: Option<String>,
    /// One UTC day. Without any day the report is about all time.
    #[param(format = Date, example = "2025-11-12")]
    date: Option<String>,
    /// The first of several UTC days; without it, all days up to `to`. Not together with `date`.
    #[param(format = Date)]
    from: Option<String>,
    /// The last of several UTC days, inclusive; without it, all days since `from`. Not together with `date`.
    #[param(format = Date)]
    to: Option<String>,
    /// What to count; `page_view` unless it is given.
    event_type: Option<String>,
    /// How many paths at most, and how many hosts, from 1 to 1000; 3 unless it is given.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 3)]
    limit: Option<String>,
    /// `referrers` adds where the visits came from.
    #[param(example = "referrers")]
    include: Option<String>,
    /// Whether the report is to say which part of the log it contains, and how exact its users are.
    #[param(value_type = Option<bool>, default = false)]
    meta: Option<String>,
    /// The receipt of an event: the answer waits, for a short time, until the report contains it.
    #[param(example = "0-4711-0")]
    after: Option<String>,
}

impl Parameters {
    /// Where the value of a parameter goes.
    fn place(&mut self, name: &str) -> Option<(&'static str, &mut Option<String>)> {
        match name {
            "site_id" => Some(("site_id", &mut self.site_id)),
            "date" => Some(("date", &mut self.date)),
            "from" => Some(("from", &mut self.from)),
            "to" => Some(("to", &mut self.to)),
            "event_type" => Some(("event_type", &mut self.event_type)),
            "limit" => Some(("limit", &mut self.limit)),
            "include" => Some(("include", &mut self.include)),
            "meta" => Some(("meta", &mut self.meta)),
            "after" => Some(("after", &mut self.after)),
            _ => None,
        }
    }

    fn check(self) -> Result<Request, InvalidRequest> {
        let site_id = self.site_id.filter(|site| !site.is_empty()).ok_or(InvalidRequest::SiteRequired)?;
        let day = |name, text: Option<String>| text.map(|text| read_day(name, &text)).transpose();
        let period = match (day("date", self.date)?, day("from", self.from)?, day("to", self.to)?) {
            (None, None, None) => Period::AllTime,
            (Some(day), None, None) => Period::Day(day),
            (Some(_), _, _) => return Err(InvalidRequest::DayAndRange),
            (None, Some(first), Some(last)) if first > last => return Err(InvalidRequest::Backwards),
            (None, first, last) => Period::Range { first, last },
        };
        Ok(Request {
            site_id: site_id.try_into()?,
            event_type: self.event_type.map_or(Ok(EventType::PAGE_VIEW), TryInto::try_into)?,
            period,
            paths_max: self.limit.map_or(Ok(PATHS_DEFAULT), |text| read_limit(&text))?,
            include: self.include.map(|text| read_include(&text)).transpose()?,
            with_meta: self.meta.map_or(Ok(false), |text| text.parse().map_err(|_| InvalidRequest::Meta))?,
            after: self.after.map(|text| text.parse().map_err(|_| InvalidRequest::After)).transpose()?,
        })
    }
}

/// chrono's own reader takes `2025-2-3`, too; here a day has one form.
fn read_day(name: &'static str, text: &str) -> Result<NaiveDate, InvalidRequest> {
    let is_in_form = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(i, byte)| if i == 4 || i == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    let day = is_in_form.then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten();
    day.ok_or(InvalidRequest::NotADay(name))
}

fn read_limit(text: &str) -> Result<u16, InvalidRequest> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let limit = text.parse().ok().filter(|limit| is_digits && (1..=PATHS_MAX).contains(limit));
    limit.ok_or(InvalidRequest::Limit)
}

fn read_include(text: &str) -> Result<Include, InvalidRequest> {
    if text == "referrers" { Ok(Include::Referrers) } else { Err(InvalidRequest::Include) }
}

#[cfg(test)]
mod tests;
