//! Reads the data of a page from several reports at once. Each report is of one moment.

use chrono::{Days, NaiveDate};
use contract::{EventType, SiteId};
use service::access::Grant;
use tokio::try_join;

use super::address::Address;
use super::convert;
use super::view_model::{Bucket, EventTypeTotals, Frame, Report, Share, SiteSummary, Totals, Trend};
use super::{EVENT_TYPES_MAX, PATHS_MAX, SITES_MAX, ranges};
use crate::params::{
    DayRange, EventTypesRequest, Include, ListParams, Metrics, PathsRequest, Period, SitesRequest, StatsRequest,
    TimeseriesRequest,
};
use crate::reports::Reports;
use crate::reports::error::ReportError;
use crate::reports::lists::event_types::EventTypes;
use crate::reports::lists::sites::SiteCounts;
use crate::reports::lists::timeseries::Timeseries;
use crate::reports::stats::{PathViews, Stats};

/// The UTC day, by the clock of Postgres.
pub(super) async fn today(reports: &Reports) -> Result<NaiveDate, ReportError> {
    Ok(reports.version().await?.today)
}

/// Reads the frame of a page, and the totals of the sites.
pub(super) async fn frame(
    reports: &Reports,
    grant: &Grant,
    address: Address,
    today: NaiveDate,
) -> Result<(Frame, Vec<SiteSummary>), ReportError> {
    let request = sites_from("", SITES_MAX, &EventType::PAGE_VIEW).within(grant);
    let page = reports.list(&request).await?.report;
    let summaries: Vec<_> = page.sites.into_iter().filter_map(summary).collect();
    let sites = summaries.iter().map(|summary| summary.site.clone()).collect();
    Ok((Frame { address, today, sites, has_more_sites: page.next_cursor.is_some() }, summaries))
}

/// Reads the data of a site's page; `None` if the site has no events.
pub(super) async fn report(
    reports: &Reports,
    address: &Address,
    site: &SiteId<'static>,
    today: NaiveDate,
) -> Result<Option<Report>, ReportError> {
    let period = address.period(today);
    let known = sites_from(site.as_str(), 1, &address.event_type);
    let trend = trend_request(address, site, period);
    let event_types = EventTypesRequest { site_id: site.clone(), period: period.into() };
    let today_request = stats_request(address, site, Period::Day(today));
    let (known, chosen, today_stats, trend, found, event_types) = try_join!(
        reports.list(&known),
        chosen(reports, address, site, period),
        reports.read(&today_request),
        reports.list(&trend),
        found(reports, address, site, period),
        reports.list(&event_types),
    )?;
    // The first site with this prefix is the site itself, if it exists.
    let Some(known) = known.report.sites.into_iter().find(|known| known.site_id == site.as_str()) else {
        return Ok(None);
    };
    let (totals, previous) = (Totals::from(&chosen), convert::previous(&chosen));
    let (users_error, freshness) = (convert::meta(&chosen).into(), convert::meta(&chosen).into());
    let mut paths = found.unwrap_or(chosen.top_paths);
    let has_more_paths = paths.len() > usize::from(PATHS_MAX);
    paths.truncate(PATHS_MAX.into());
    Ok(Some(Report {
        site: site.clone(),
        period,
        totals,
        previous,
        users_error,
        today: Totals::from(&today_stats.report),
        trend: shown_trend(trend.report, period),
        paths: paths.into_iter().map(|top| Share { name: top.path, views: top.views }).collect(),
        has_more_paths,
        freshness,
        referrers: chosen.referrers.map(Into::into),
        event_types: shown_event_types(event_types.report),
        last_day: known.last_day,
    }))
}

/// Reads the report of the chosen days with all its parts; without referrers if they are not counted yet.
async fn chosen(
    reports: &Reports,
    address: &Address,
    site: &SiteId<'static>,
    period: DayRange,
) -> Result<Stats, ReportError> {
    let before = DayRange::ending(period.first - Days::new(1), period.days());
    let request = StatsRequest {
        include: Some(Include::Referrers),
        previous: Some(before),
        with_meta: true,
        ..stats_request(address, site, period.into())
    };
    let read = match reports.read(&request).await {
        Err(ReportError::NoReferrers) => reports.read(&StatsRequest { include: None, ..request }).await,
        read => read,
    };
    Ok(read?.report)
}

fn stats_request(address: &Address, site: &SiteId<'static>, period: Period) -> StatsRequest {
    StatsRequest {
        site_id: site.clone(),
        event_type: address.event_type.clone(),
        period,
        // One path more than the page shows whether there are more.
        paths_max: PATHS_MAX + 1,
        include: None,
        previous: None,
        with_meta: false,
        after: None,
    }
}

fn trend_request(address: &Address, site: &SiteId<'static>, period: DayRange) -> TimeseriesRequest {
    let shown = ranges::of_trend(period);
    TimeseriesRequest {
        site_id: site.clone(),
        event_type: address.event_type.clone(),
        days: shown,
        interval: ranges::interval(shown),
        metrics: Metrics::ALL,
    }
}

/// Reads the paths of a search. Without a search the report of the chosen days has the top paths, without adding up all.
async fn found(
    reports: &Reports,
    address: &Address,
    site: &SiteId<'static>,
    period: DayRange,
) -> Result<Option<Vec<PathViews>>, ReportError> {
    if address.search.is_empty() {
        return Ok(None);
    }
    let request = PathsRequest {
        site_id: site.clone(),
        event_type: address.event_type.clone(),
        period: period.into(),
        prefix: String::new(),
        search: address.search.clone(),
        paths_max: PATHS_MAX + 1,
        after: None,
    };
    Ok(Some(reports.list(&request).await?.report.paths))
}

fn sites_from(prefix: &str, sites_max: u16, event_type: &EventType<'static>) -> SitesRequest {
    SitesRequest { event_type: event_type.clone(), prefix: prefix.to_owned(), among: None, sites_max, after: None }
}

fn summary(counts: SiteCounts) -> Option<SiteSummary> {
    // A stored name came from a valid event.
    let site = SiteId::try_from(counts.site_id).ok()?;
    let totals = Totals { views: counts.views, users: counts.unique_users };
    Some(SiteSummary { site, totals, last_day: counts.last_day })
}

fn shown_trend(trend: Timeseries, period: DayRange) -> Trend {
    let buckets = trend.buckets.into_iter().map(|counts| Bucket {
        period: counts.bucket,
        totals: Totals { views: counts.views.unwrap_or_default(), users: counts.unique_users.unwrap_or_default() },
    });
    Trend { interval: ranges::interval(ranges::of_trend(period)), buckets: buckets.collect() }
}

fn shown_event_types(event_types: EventTypes) -> Vec<EventTypeTotals> {
    let rows = event_types.event_types.into_iter().filter_map(|counts| {
        let totals = Totals { views: counts.views, users: counts.unique_users };
        Some(EventTypeTotals { event_type: EventType::counted(counts.event_type).ok()?, totals })
    });
    rows.take(EVENT_TYPES_MAX.into()).collect()
}
