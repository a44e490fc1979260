//! What a report is asked for: the query string, read strictly. A filter that is not understood is refused, because a
//! report without it would look right and be wrong.

use chrono::{Datelike, NaiveDate, TimeDelta};
use contract::{EventType, Receipt, SiteId};
use utoipa::IntoParams;

use crate::canonical::Pairs;

/// Parameters as they were sent, and how each is read.
mod sent;

/// How they are described.
pub(crate) mod parameters;

/// Why they are refused.
mod invalid;

pub(crate) use invalid::InvalidRequest;
pub(crate) use sent::Sent;

/// Paths, and hosts, of a report that does not say how many.
const PATHS_DEFAULT: u16 = 3;

/// Paths, and hosts, of any report: 1,000 paths of up to 2,048 bytes make an answer of 2 MB, hosts a quarter more.
const PATHS_MAX: u16 = 1_000;

/// A report that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) site_id: SiteId<'static>,
    pub(crate) event_type: EventType<'static>,
    pub(crate) period: Period,
    pub(crate) paths_max: u16,
    pub(crate) include: Option<Include>,
    /// The first and the last day of the period to compare with.
    pub(crate) previous: Option<(NaiveDate, NaiveDate)>,
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

impl Request {
    /// The names of its parameters.
    const PARAMETERS: &[&str] =
        &["site_id", "date", "from", "to", "event_type", "limit", "include", "compare", "meta", "after"];

    /// Reads a query string; `None` is an empty one.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, InvalidRequest> {
        let mut sent = Sent::read(query, Self::PARAMETERS)?;
        let (site_id, period) = (sent.site_id()?, sent.period()?);
        let compare = sent.choice("compare", "previous", ())?;
        Ok(Self {
            site_id,
            period,
            previous: compare.map(|()| period.previous()).transpose()?,
            event_type: sent.event_type()?,
            paths_max: sent.limit(PATHS_DEFAULT, PATHS_MAX)?,
            include: sent.choice("include", "referrers", Include::Referrers)?,
            with_meta: sent.flag("meta")?,
            after: sent.receipt()?,
        })
    }

    /// The parameters that ask for the same report.
    pub(crate) fn pairs(&self) -> Pairs {
        let mut pairs = vec![("site_id", self.site_id.as_str().to_owned())];
        pairs.push(("event_type", self.event_type.as_str().to_owned()));
        pairs.extend(self.period.pairs());
        pairs.push(("limit", self.paths_max.to_string()));
        pairs.extend(self.include.map(|Include::Referrers| ("include", "referrers".to_owned())));
        pairs.extend(self.previous.map(|_| ("compare", "previous".to_owned())));
        pairs.push(("meta", self.with_meta.to_string()));
        pairs.extend(self.after.map(|receipt| ("after", receipt.to_string())));
        pairs
    }

    /// Whether the report has to know which part of the log it contains.
    pub(crate) fn tells_position(&self) -> bool {
        self.with_meta || self.after.is_some()
    }

    /// The request for the numbers to compare with: nobody looks at their paths.
    pub(crate) fn before(&self) -> Option<Self> {
        let (first, last) = self.previous?;
        let period = Period::Range { first: Some(first), last: Some(last) };
        Some(Self {
            period,
            paths_max: 0,
            include: None,
            previous: None,
            with_meta: false,
            after: None,
            ..self.clone()
        })
    }
}

impl Period {
    /// The first and the last day of the period before, which has as many days.
    fn previous(self) -> Result<(NaiveDate, NaiveDate), InvalidRequest> {
        let Some((Some(first), Some(last))) = self.days() else { return Err(InvalidRequest::NothingToCompare) };
        let before = first.checked_sub_signed(last - first + TimeDelta::days(1)).zip(first.pred_opt());
        // What comes before the year 0 has no form in which it could be answered.
        before.filter(|(first, _)| first.year() >= 0).ok_or(InvalidRequest::TooEarlyToCompare)
    }

    /// The parameters that say so.
    pub(crate) fn pairs(self) -> Pairs {
        let (day, first, last) = match self {
            Self::AllTime => (None, None, None),
            Self::Day(day) => (Some(day), None, None),
            Self::Range { first, last } => (None, first, last),
        };
        let days = [("date", day), ("from", first), ("to", last)];
        days.into_iter().filter_map(|(name, day)| Some((name, day?.to_string()))).collect()
    }

    /// The day, if it was asked for by itself.
    pub(crate) fn day(self) -> Option<NaiveDate> {
        if let Self::Day(day) = self { Some(day) } else { None }
    }

    /// The first and the last day, if it is about days; none is open.
    pub(crate) fn days(self) -> Option<(Option<NaiveDate>, Option<NaiveDate>)> {
        match self {
            Self::AllTime => None,
            Self::Day(day) => Some((Some(day), Some(day))),
            Self::Range { first, last } => Some((first, last)),
        }
    }

    /// Whether it is about more than so many days, or about an open number of them.
    pub(crate) fn is_longer_than(self, days: i64) -> bool {
        self.days().is_some_and(|ends| match ends {
            (Some(first), Some(last)) => (last - first).num_days() >= days,
            _ => true,
        })
    }

    /// The last day; none where it is open.
    pub(crate) fn last(self) -> Option<NaiveDate> {
        self.days().and_then(|(_, last)| last)
    }
}

/// What only this report takes, described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "this is a description: nothing is ever read into it")]
pub(crate) struct StatsParameters {
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

#[cfg(test)]
mod tests;
