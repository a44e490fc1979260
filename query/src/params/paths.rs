//! Parameters of `GET /paths`.

use chrono::NaiveDate;
use contract::{EventType, SiteId};

use super::cursor::Cursor;
use super::list::{ListParams, PAGE_DEFAULT, PAGE_MAX};
use super::{Pairs, ParamError, Period, RawParams};

/// Bytes of a text to search for: no path has more.
const PATTERN_BYTES_MAX: usize = 2_048;

/// A valid request for a page of paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathsRequest {
    pub(crate) site_id: SiteId<'static>,
    pub(crate) event_type: EventType<'static>,
    pub(crate) period: Period,
    /// Paths must begin with this text.
    pub(crate) prefix: String,
    /// Paths must contain this text.
    pub(crate) search: String,
    pub(crate) paths_max: u16,
    /// The last entry of the page before.
    pub(crate) after: Option<Cursor>,
}

impl PathsRequest {
    /// The cursor of the page behind this entry.
    pub(crate) fn cursor_behind(&self, path: &str, views: u64) -> String {
        self.write_cursor(&Cursor { number: views, key: path.to_owned() })
    }

    fn read_cursor(&self, text: &str) -> Result<Cursor, ParamError> {
        self.with_identity(|identity| Cursor::read(text, identity)).ok_or(ParamError::Cursor)
    }

    fn write_cursor(&self, cursor: &Cursor) -> String {
        self.with_identity(|identity| cursor.write(identity))
    }

    /// Calls `use_identity` with all that decides which paths there are, and in which order.
    fn with_identity<T>(&self, use_identity: impl FnOnce(&[&str]) -> T) -> T {
        let period = format!("{:?}", self.period);
        use_identity(&["paths", self.site_id.as_str(), self.event_type.as_str(), &period, &self.prefix, &self.search])
    }
}

impl ListParams for PathsRequest {
    const PARAMETERS: &'static [&'static str] =
        &["site_id", "date", "from", "to", "event_type", "prefix", "search", "limit", "cursor", "format"];

    fn check(params: &mut RawParams) -> Result<Self, ParamError> {
        let mut request = Self {
            site_id: params.site_id()?,
            period: params.period()?,
            event_type: params.event_type()?,
            prefix: params.pattern("prefix", PATTERN_BYTES_MAX)?,
            search: params.pattern("search", PATTERN_BYTES_MAX)?,
            paths_max: params.limit(PAGE_DEFAULT, PAGE_MAX)?,
            after: None,
        };
        request.after = params.take("cursor").map(|text| request.read_cursor(&text)).transpose()?;
        Ok(request)
    }

    fn pairs(&self) -> Pairs {
        let mut pairs = vec![("site_id", self.site_id.as_str().to_owned())];
        pairs.extend(self.period.pairs());
        pairs.push(("event_type", self.event_type.as_str().to_owned()));
        pairs.extend([("prefix", self.prefix.clone()), ("search", self.search.clone())]);
        pairs.push(("limit", self.paths_max.to_string()));
        pairs.extend(self.after.as_ref().map(|after| ("cursor", self.write_cursor(after))));
        pairs
    }

    fn site_id(&self) -> Option<&str> {
        Some(self.site_id.as_str())
    }

    fn last_day(&self) -> Option<NaiveDate> {
        self.period.last()
    }
}
