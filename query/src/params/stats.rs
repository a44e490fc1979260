//! Parameters of `GET /stats`.

use contract::{EventType, Receipt, SiteId};

use super::{DayRange, Pairs, ParamError, Period, RawParams};

/// Paths, and hosts, of a report that does not say how many.
const PATHS_DEFAULT: u16 = 3;

/// Paths, and hosts, of any report: 1,000 paths of up to 2,048 bytes make an answer of 2 MB, hosts a quarter more.
const PATHS_MAX: u16 = 1_000;

/// A valid request for a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatsRequest {
    pub(crate) site_id: SiteId<'static>,
    pub(crate) event_type: EventType<'static>,
    pub(crate) period: Period,
    pub(crate) paths_max: u16,
    pub(crate) include: Option<Include>,
    /// The days to compare with.
    pub(crate) previous: Option<DayRange>,
    /// Whether the report says what it contains and how exact it is.
    pub(crate) with_meta: bool,
    /// The event that the report must contain.
    pub(crate) after: Option<Receipt>,
}

/// Optional parts of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    Referrers,
}

impl StatsRequest {
    /// The names of its parameters.
    const PARAMETERS: &[&str] =
        &["site_id", "date", "from", "to", "event_type", "limit", "include", "compare", "meta", "after"];

    /// Reads a query string; `None` is an empty one.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, ParamError> {
        let mut params = RawParams::read(query, Self::PARAMETERS)?;
        let (site_id, period) = (params.site_id()?, params.period()?);
        let compare = params.choice("compare", "previous", ())?;
        Ok(Self {
            site_id,
            period,
            previous: compare.map(|()| period.previous()).transpose()?,
            event_type: params.event_type()?,
            paths_max: params.limit(PATHS_DEFAULT, PATHS_MAX)?,
            include: params.choice("include", "referrers", Include::Referrers)?,
            with_meta: params.flag("meta")?,
            after: params.receipt()?,
        })
    }

    /// The parameters that ask for this report.
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

    /// Whether the report has to say which part of the log it contains.
    pub(crate) fn tells_position(&self) -> bool {
        self.with_meta || self.after.is_some()
    }

    /// Whether the report has parts that take statements of their own.
    pub(crate) fn has_further_parts(&self) -> bool {
        self.include.is_some() || self.previous.is_some() || self.tells_position()
    }

    /// The request for the numbers to compare with, without paths.
    pub(crate) fn before(&self) -> Option<Self> {
        Some(Self {
            period: self.previous?.into(),
            paths_max: 0,
            include: None,
            previous: None,
            with_meta: false,
            after: None,
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests;
