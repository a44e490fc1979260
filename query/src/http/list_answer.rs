//! Answers of reports that are lists, as JSON or as a table.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use service::ApiError;
use service::access::Grant;
use service::http::query_string;

use super::csv::Table;
use super::negotiation::Format;
use crate::http::errors;
use crate::http::etag::{self, CachePolicy};
use crate::params::{ListParams, RawParams};
use crate::reports::Reports;
use crate::reports::query::{Query, Versioned};
use crate::reports::snapshot_version::SnapshotVersion;

/// A list that can be answered.
pub(crate) trait ListReport: Serialize + Into<Table> {
    /// The cursor of the next page, if there is one.
    fn next_cursor(&self) -> Option<&str> {
        None
    }
}

/// Answers a list.
pub(crate) async fn answer<L, R>(
    reports: &Reports,
    grant: &Grant,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<Response, ApiError>
where
    L: ListParams + Query<Answer = Versioned<R>>,
    R: ListReport,
{
    let mut params = RawParams::read(query, L::PARAMETERS)?;
    let format = Format::of(params.take("format").as_deref(), headers)?;
    let list = L::check(&mut params)?.within(grant);
    list.site_id().map_or(Ok(()), |site_id| grant.check(site_id))?;
    let refuse = |err| errors::refuse(err, list.site_id());
    // A list of one site is the same for all keys that may see it; a list of many sites depends on the key.
    let scope = if list.site_id().is_some() { None } else { grant.scope() };
    let caching = |version: &SnapshotVersion| {
        CachePolicy::of(version, list.last_day()).in_scope(scope.as_deref()).in_format(format.name())
    };
    if etag::is_conditional(headers) {
        let caching = caching(&reports.version().await.map_err(refuse)?);
        if caching.is_known(headers) {
            return Ok(caching.not_modified());
        }
    }
    // Reading a list is a large future.
    let Versioned { version, report } = Box::pin(reports.list(&list)).await.map_err(refuse)?;
    let next = report.next_cursor().map(|cursor| next_page(query.unwrap_or_default(), cursor));
    let mut response = match format {
        Format::Json => Json(report).into_response(),
        Format::Csv => report.into().into_response(),
    };
    if let Some(next) = next {
        response.headers_mut().insert(header::LINK, next);
    }
    Ok(caching(&version).describe(response))
}

/// The next page's place, relative to this one's: a table has no field for a cursor.
fn next_page(query: &str, cursor: &str) -> HeaderValue {
    let others = query_string::pairs(query).filter(|pair| !pair.is_named("cursor"));
    let pairs: Vec<_> = others.map(|pair| pair.raw.to_owned()).chain([format!("cursor={cursor}")]).collect();
    let link = format!("<?{}>; rel=\"next\"", pairs.join("&"));
    HeaderValue::try_from(link).expect("a query string is visible ASCII, and so is a cursor")
}
