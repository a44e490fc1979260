//! Parameters of `GET /events/types`.

use chrono::NaiveDate;
use contract::SiteId;

use super::{ListParams, Pairs, ParamError, Period, RawParams};

/// A valid request for a list of event types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventTypesRequest {
    pub(crate) site_id: SiteId<'static>,
    pub(crate) period: Period,
}

impl ListParams for EventTypesRequest {
    const PARAMETERS: &'static [&'static str] = &["site_id", "date", "from", "to", "format"];

    fn check(params: &mut RawParams) -> Result<Self, ParamError> {
        Ok(Self { site_id: params.site_id()?, period: params.period()? })
    }

    fn pairs(&self) -> Pairs {
        [vec![("site_id", self.site_id.as_str().to_owned())], self.period.pairs()].concat()
    }

    fn site_id(&self) -> Option<&str> {
        Some(self.site_id.as_str())
    }

    fn last_day(&self) -> Option<NaiveDate> {
        self.period.last()
    }
}
