//! The dashboard: a page for each site, rendered by the service and complete without scripts. Pages load nothing from other hosts.

mod address;

mod ranges;

mod view_model;

mod load;

mod convert;

mod render;

mod assets;

mod csp;

use std::future::ready;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use chrono::NaiveDate;
use maud::{Markup, html};
use service::ApiError;
use service::access::Grant;

use crate::http::errors;
use crate::params::Pairs;
use crate::reports::error::ReportError;
use crate::reports::{Reports, SharedReports};
use address::{Address, Parameters};
use render::{error_pages, freshness, layout, site_list, site_page};
use view_model::Frame;

/// Paths of a page: fewer than the lists of top paths keep, which have to decide them. The number bounds the size of the page,
/// too: see `format::SHOWN_CHARS_MAX`.
const PATHS_MAX: u16 = 10;

/// Hosts of a page.
const HOSTS_MAX: u16 = 10;

/// Event types of a page.
const EVENT_TYPES_MAX: u16 = 12;

/// Sites of the select box. With more sites, the page has a text field.
const SITES_MAX: u16 = 60;

/// Seconds after which a page without numbers reloads.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("5");

/// The pages, and what they load.
pub(crate) fn router() -> Router<SharedReports> {
    Router::new()
        .route("/", get(show))
        .route("/assets/{file}", get(asset))
        .layer(map_response(|response: Response| ready(csp::secure(response))))
}

/// The canonical parameters of the page of a query string.
///
/// # Errors
///
/// The address is invalid; the message is the sentence of the page.
pub(crate) fn pairs(query: &str, today: NaiveDate) -> Result<Pairs, ApiError> {
    let address = Parameters::read(query).and_then(|sent| Address::read(sent, today));
    address.map(|address| address.pairs()).map_err(|err| ApiError::bad_request("invalid_address", err.to_string()))
}

async fn asset(Path(file): Path<String>, headers: HeaderMap) -> Response {
    assets::answer(&file, &headers).unwrap_or_else(|| ApiError::not_found().into_response())
}

async fn show(reports: Reports, grant: Grant, uri: Uri) -> Response {
    match Box::pin(answer(&reports, &grant, &uri)).await {
        Ok(response) => response,
        Err(err) => unavailable(err),
    }
}

async fn answer(reports: &Reports, grant: &Grant, uri: &Uri) -> Result<Response, ReportError> {
    let today = load::today(reports).await?;
    let sent = Parameters::read(uri.query().unwrap_or_default());
    let address = sent.and_then(|sent| Address::read(sent, today));
    let (address, invalid) = match address {
        Ok(address) => (address, None),
        Err(err) => (Address::of(None), Some(err)),
    };
    let (frame, sites) = load::frame(reports, grant, address, today).await?;
    if let Some(err) = invalid {
        let main = error_pages::bad_address(&err.to_string());
        return Ok(respond(StatusCode::BAD_REQUEST, &frame, "No such page", &main, &html! {}));
    }
    let Some(site) = &frame.address.site else {
        return Ok(respond(StatusCode::OK, &frame, "Sites", &all_sites(&frame, &sites), &html! {}));
    };
    if !grant.allows(site.as_str()) {
        let main = error_pages::forbidden_site(site);
        return Ok(respond(StatusCode::FORBIDDEN, &frame, site.as_str(), &main, &html! {}));
    }
    // Six reports at once are a large future, and most requests are for pages with less.
    Ok(match Box::pin(load::report(reports, &frame.address, site, today)).await? {
        None => {
            let main = error_pages::unknown_site(site, today);
            respond(StatusCode::NOT_FOUND, &frame, site.as_str(), &main, &html! {})
        }
        Some(report) => {
            let (main, foot) = (site_page::report(&report, &frame), freshness::freshness(&report.freshness));
            respond(StatusCode::OK, &frame, site.as_str(), &main, &foot)
        }
    })
}

fn all_sites(frame: &Frame, sites: &[view_model::SiteSummary]) -> Markup {
    if sites.is_empty() { error_pages::no_sites_yet(frame.today) } else { site_list::overview(frame, sites) }
}

/// Answers with a page that asks for itself again, unless the read models are damaged. The cause is logged.
fn unavailable(err: ReportError) -> Response {
    let main = notice(&err);
    let is_lasting = err.is_damage();
    let status = errors::refuse(err, None).status();
    let (address, today) = (Address::of(None), NaiveDate::default());
    let frame = Frame { address, today, sites: Vec::new(), has_more_sites: false };
    let mut response = respond(status, &frame, "Not available", &main, &html! {});
    if !is_lasting {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_S);
        response.headers_mut().insert(header::REFRESH, RETRY_AFTER_S);
    }
    response
}

fn notice(err: &ReportError) -> Markup {
    match err {
        ReportError::CorruptSketch(_)
        | ReportError::CorruptTopPaths(_)
        | ReportError::KeysDiffer(_)
        | ReportError::Negative
        | ReportError::UnexpectedRow => error_pages::damaged(),
        ReportError::NoGeneration => {
            error_pages::unavailable("There are no read models yet. The projector makes them when it starts.")
        }
        ReportError::TimedOut => error_pages::unavailable("The report took too long. Choose fewer days."),
        ReportError::NoReferrers
        | ReportError::NoConnection
        | ReportError::Database(_)
        | ReportError::Conflict(_)
        | ReportError::NotContained(_)
        | ReportError::NoSuchEvent(_)
        | ReportError::TooManyWaiting
        | ReportError::TooManyWaitingOfClient
        | ReportError::TooManyReports
        | ReportError::TooManyReportsOfClient => error_pages::unavailable("The read models cannot be read."),
    }
}

fn respond(status: StatusCode, frame: &Frame, title: &str, main: &Markup, foot: &Markup) -> Response {
    let page = layout::page(frame, title, main, foot).into_string();
    // Numbers change, so the page is read anew each time.
    (status, [(header::CACHE_CONTROL, "no-cache")], Html(page)).into_response()
}

#[cfg(test)]
mod tests;
