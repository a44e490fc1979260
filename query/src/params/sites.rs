//! Parameters of `GET /sites`.

use chrono::NaiveDate;
use contract::EventType;
use service::access::Grant;

use super::cursor::Cursor;
use super::list::{ListParams, PAGE_DEFAULT, PAGE_MAX};
use super::{Pairs, ParamError, RawParams};

/// Bytes of a text to search for: no site has more.
const PATTERN_BYTES_MAX: usize = 64;

/// A valid request for a page of sites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SitesRequest {
    /// Events of this type are counted. Sites without any are in the list, too.
    pub(crate) event_type: EventType<'static>,
    /// Sites must begin with this text.
    pub(crate) prefix: String,
    /// Sites that the key may see; `None` is all.
    pub(crate) among: Option<Vec<String>>,
    pub(crate) sites_max: u16,
    /// The last entry of the page before.
    pub(crate) after: Option<Cursor>,
}

impl SitesRequest {
    /// The cursor of the page behind this entry.
    pub(crate) fn cursor_behind(&self, site_id: &str) -> String {
        Cursor { number: 0, key: site_id.to_owned() }.write(&self.identity())
    }

    /// Everything that decides which sites there are.
    fn identity(&self) -> [&str; 3] {
        ["sites", self.event_type.as_str(), &self.prefix]
    }
}

impl ListParams for SitesRequest {
    const PARAMETERS: &'static [&'static str] = &["event_type", "prefix", "limit", "cursor", "format"];

    fn check(params: &mut RawParams) -> Result<Self, ParamError> {
        let mut request = Self {
            event_type: params.event_type()?,
            prefix: params.pattern("prefix", PATTERN_BYTES_MAX)?,
            among: None,
            sites_max: params.limit(PAGE_DEFAULT, PAGE_MAX)?,
            after: None,
        };
        let cursor = params.take("cursor");
        let cursor = cursor.map(|text| Cursor::read(&text, &request.identity()).ok_or(ParamError::Cursor));
        request.after = cursor.transpose()?;
        Ok(request)
    }

    fn pairs(&self) -> Pairs {
        let mut pairs = vec![("event_type", self.event_type.as_str().to_owned()), ("prefix", self.prefix.clone())];
        pairs.push(("limit", self.sites_max.to_string()));
        pairs.extend(self.after.as_ref().map(|after| ("cursor", after.write(&self.identity()))));
        pairs
    }

    fn within(self, grant: &Grant) -> Self {
        Self { among: grant.sites(), ..self }
    }

    fn site_id(&self) -> Option<&str> {
        None
    }

    fn last_day(&self) -> Option<NaiveDate> {
        None
    }
}
