//! What is to be watched: the query string, read as strictly as that of a report.

use super::watched::Pair;
use crate::request::{InvalidRequest, Sent};

impl Pair {
    /// The names of its parameters.
    const PARAMETERS: &[&str] = &["site_id", "event_type"];

    /// Reads a query string; `None` is an empty one.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, InvalidRequest> {
        let mut sent = Sent::read(query, Self::PARAMETERS)?;
        Ok(Self { site_id: sent.site_id()?, event_type: sent.event_type()? })
    }
}
