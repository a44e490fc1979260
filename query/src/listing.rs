//! Reports that are lists: read in one statement, and answered as JSON or as a table.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use serde::Serialize;
use service::access::Grant;
use service::{Refusal, query_string};
use sqlx::PgConnection;

use crate::caching::{self, Caching};
use crate::canonical::Pairs;
use crate::refusals;
use crate::report_error::ReportError;
use crate::reports::Reports;
use crate::request::{InvalidRequest, Sent};
use crate::version::Version;

/// Which of the two is wanted.
mod format;

/// Rows and columns, as CSV.
mod table;

pub(crate) use format::Format;
pub(crate) use table::{Cell, Table};

/// Entries of a page that does not say how many.
pub(crate) const PAGE_DEFAULT: u16 = 100;

/// Entries of any page: 1,000 paths of up to 2,048 bytes make an answer of 2 MB.
pub(crate) const PAGE_MAX: u16 = 1_000;

/// A request for a list.
pub(crate) trait List: Sized {
    /// What is answered.
    type Report: Serialize + Into<Table>;

    /// The names of the parameters, `format` among them.
    const PARAMETERS: &'static [&'static str];

    /// Reads all of them but `format`.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    fn check(sent: &mut Sent) -> Result<Self, InvalidRequest>;

    /// The parameters that ask for the same list, but for `format`.
    fn pairs(&self) -> Pairs;

    /// The same list of no more than the key is good for. A list of one site is as it is: who may see it is asked
    /// separately.
    fn within(self, _: &Grant) -> Self {
        self
    }

    /// Whose list it is, if it is of one site.
    fn site_id(&self) -> Option<&str>;

    /// The last day that the list is about; none where it is open.
    fn last_day(&self) -> Option<NaiveDate>;

    /// Reads the list with one statement, and which state of the read models it was read from.
    ///
    /// # Errors
    ///
    /// See [`ReportError`]; there may be rows left to read then.
    async fn read(&self, db: &mut PgConnection) -> Result<(Version, Self::Report), ReportError>;

    /// Where the next page begins, if there is one.
    fn next_cursor(_: &Self::Report) -> Option<&str> {
        None
    }
}

/// Answers a list.
///
/// # Errors
///
/// It is not asked for properly, or cannot be read now.
pub(crate) async fn answer<L: List>(
    reports: &Reports,
    grant: &Grant,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<Response, Refusal> {
    let mut sent = Sent::read(query, L::PARAMETERS)?;
    let format = Format::of(sent.take("format").as_deref(), headers)?;
    let list = L::check(&mut sent)?.within(grant);
    list.site_id().map_or(Ok(()), |site_id| grant.check(site_id))?;
    let refuse = |err| refusals::refuse(err, list.site_id());
    // What is of one site is the same for all who may see it; what is of many is of those they may see.
    let scope = if list.site_id().is_some() { None } else { grant.scope() };
    let caching =
        |version: &Version| Caching::of(version, list.last_day()).in_scope(scope.as_deref()).in_format(format.name());
    if caching::is_conditional(headers) {
        let caching = caching(&reports.version().await.map_err(refuse)?);
        if caching.is_known(headers) {
            return Ok(caching.not_modified());
        }
    }
    let (version, report) = reports.list(&list).await.map_err(refuse)?;
    let next = L::next_cursor(&report).map(|cursor| next_page(query.unwrap_or_default(), cursor));
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
