//! What is to be watched: the query string, read as strictly as that of a report.

use contract::EventType;
use utoipa::IntoParams;

use super::watched::Pair;
use crate::request::{InvalidRequest, form};

/// Why nothing can be watched. The message is one sentence for the one who asked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidWatch {
    #[error(transparent)]
    Request(#[from] InvalidRequest),
    #[error("the parameter {0:?} is unknown; totals are watched by site_id and event_type")]
    Unknown(String),
}

/// The parameters as they were sent.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LiveParameters {
    /// Whose traffic: 1 to 64 of the characters `A-Z a-z 0-9 . _ : -`, starting with a letter or digit.
    #[param(required, example = "site-abc-123")]
    site_id: Option<String>,
    /// What to count; `page_view` unless it is given.
    event_type: Option<String>,
}

impl Pair {
    /// Reads a query string; `None` is an empty one.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, InvalidWatch> {
        let mut sent = LiveParameters::default();
        for (name, value) in form::pairs(query.unwrap_or_default()) {
            let (name, value) = (name?, value?);
            let (name, place) = match &*name {
                "site_id" => ("site_id", &mut sent.site_id),
                "event_type" => ("event_type", &mut sent.event_type),
                _ => return Err(InvalidWatch::Unknown(name.chars().take(64).collect())),
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(InvalidRequest::Repeated(name).into());
            }
        }
        Ok(sent.check()?)
    }
}

impl LiveParameters {
    fn check(self) -> Result<Pair, InvalidRequest> {
        let site_id = self.site_id.filter(|site| !site.is_empty()).ok_or(InvalidRequest::SiteRequired)?;
        Ok(Pair {
            site_id: site_id.try_into()?,
            event_type: self.event_type.map_or(Ok(EventType::PAGE_VIEW), TryInto::try_into)?,
        })
    }
}
