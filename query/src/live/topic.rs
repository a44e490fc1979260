//! Parameters of `GET /live`.

use contract::{EventType, SiteId};

use crate::params::{Pairs, ParamError, RawParams};

/// A site and event type whose totals a client can subscribe to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Topic {
    pub(crate) site_id: SiteId<'static>,
    pub(crate) event_type: EventType<'static>,
}

impl Topic {
    /// The names of its parameters.
    const PARAMETERS: &[&str] = &["site_id", "event_type"];

    /// Reads a query string; `None` is an empty one.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, ParamError> {
        let mut params = RawParams::read(query, Self::PARAMETERS)?;
        Ok(Self { site_id: params.site_id()?, event_type: params.event_type()? })
    }

    /// The parameters that ask for this.
    pub(crate) fn pairs(&self) -> Pairs {
        vec![("site_id", self.site_id.as_str().to_owned()), ("event_type", self.event_type.as_str().to_owned())]
    }
}
