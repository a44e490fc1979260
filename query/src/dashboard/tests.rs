use super::address::{Address, Choice};
use super::ranges::Range;
use super::render::format::SHOWN_CHARS_MAX;
use super::render::{error_pages, freshness, layout, site_list, site_page};
use super::view_model::{
    Bucket, EventTypeTotals, Frame, Freshness, Referrers, Report, Share, SiteSummary, Totals, Trend, UsersError,
};
use crate::params::{DayRange, Interval};
use crate::reports::error::ReportError;

use axum::http::header;
use chrono::{Days, NaiveDate};
use contract::{EventType, SiteId};
use maud::html;

const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2025, 11, 12).expect("a day");

/// A page has to fit in this with all that it loads.
const PAGE_BYTES_MAX: usize = 100_000;

fn site(name: &str) -> SiteId<'static> {
    SiteId::try_from(name.to_owned()).expect("a site")
}

fn frame(address: Address) -> Frame {
    Frame { address, today: TODAY, sites: vec![site("blog.example"), site("shop.example")], has_more_sites: false }
}

fn share(name: &str, views: u64) -> Share {
    Share { name: name.to_owned(), views }
}

/// Thirty days of a site, each with ten more views than the one before.
fn sample() -> Report {
    let period = Range::Month.until(TODAY);
    let buckets = (0_u32..30).map(|number| {
        let day = period.first + Days::new(number.into());
        let totals = Totals { views: 100 + 10 * u64::from(number % 7), users: 40 + 3 * u64::from(number % 7) };
        Bucket { period: DayRange { first: day, last: day }, totals }
    });
    Report {
        site: site("shop.example"),
        period,
        totals: Totals { views: 3_900, users: 1_450 },
        previous: Totals { views: 3_000, users: 1_600 },
        users_error: UsersError::Estimated { low: 1_427, high: 1_473, confidence: 0.95 },
        today: Totals { views: 110, users: 43 },
        trend: Trend { interval: Interval::Day, buckets: buckets.collect() },
        paths: vec![share("/", 1_950), share("/pricing", 975), share("/blog/post-1", 1)],
        has_more_paths: true,
        referrers: Some(Referrers { top: vec![share("google.com", 390)], own: 39, none: 3_471, unreadable: 0 }),
        event_types: vec![EventTypeTotals {
            event_type: EventType::PAGE_VIEW,
            totals: Totals { views: 3_900, users: 1_450 },
        }],
        last_day: Some(TODAY),
        freshness: Freshness { generation: 3, lag_events: 0, lag_seconds: 0.0, is_complete: true },
    }
}

fn rendered(report: &Report, frame: &Frame) -> String {
    let main = site_page::report(report, frame);
    layout::page(frame, report.site.as_str(), &main, &freshness::freshness(&report.freshness)).into_string()
}

#[test]
fn a_page_says_its_numbers() {
    let page = rendered(&sample(), &frame(Address::of(Some(site("shop.example")))));
    for said in [
        "<title>shop.example · Tidemark</title>",
        "14 October to 12 November 2025",
        ">3,900<",
        ">1,450<",
        "▲ 30 %",
        "against 3,000 in the 30 days before",
        "▼ 9.3 %",
        "An estimate: between 1,427 and 1,473, 95 % sure.",
        "± 1.5 %",
        "12 November 2025: 110 views, 43 users",
        "/blog/post-1",
        "google.com",
        "none given <b>89 %</b>",
        "nothing is missing",
        "All days are UTC days.",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
}

#[test]
fn nothing_from_outside_is_markup() {
    const HOSTILE: &str = "/<script>alert('x')</script>\"'><img src=x onerror=alert(1)>&amp;";
    let mut report = sample();
    report.paths = vec![share(HOSTILE, 5)];
    report.referrers = Some(Referrers { top: vec![share(HOSTILE, 5)], own: 0, none: 0, unreadable: 0 });
    let mut address = Address::of(Some(site("shop.example")));
    address.search = HOSTILE.to_owned();
    for page in [
        rendered(&report, &frame(address.clone())),
        rendered(&Report { paths: Vec::new(), ..report }, &frame(address.clone())),
        layout::page(&frame(address), HOSTILE, &error_pages::bad_address(HOSTILE), &html! {}).into_string(),
    ] {
        assert!(!page.contains("<script>") && !page.contains("<img src=x"), "{page}");
        assert!(page.contains("&lt;script&gt;alert("), "{page}");
        assert!(!page.contains("\"'>"), "no attribute ends early: {page}");
    }
}

#[test]
fn nothing_is_inline() {
    let page = rendered(&sample(), &frame(Address::of(Some(site("shop.example")))));
    for inline in [" style=", "<style", " onclick=", " onload=", "javascript:"] {
        assert!(!page.contains(inline), "{inline}");
    }
    assert_eq!(page.matches("<script").count(), 1, "and that one has its source in a file");
}

#[test]
fn a_page_is_small_whatever_is_in_it() {
    let mut report = sample();
    let long = "\"".repeat(2_048);
    report.paths = (0..super::PATHS_MAX).map(|_| share(&long, 1_000_000_000)).collect();
    let top = (0..super::HOSTS_MAX).map(|_| share(&long[..253], 1_000_000_000)).collect();
    report.referrers = Some(Referrers { top, own: 0, none: 0, unreadable: 0 });
    let event_types = (0..super::EVENT_TYPES_MAX).map(|number| {
        let event_type = EventType::try_from(format!("{number::>64}").replace(' ', "x"));
        EventTypeTotals { event_type: event_type.unwrap_or(EventType::PAGE_VIEW), totals: Totals::default() }
    });
    report.event_types = event_types.collect();
    let bucket = report.trend.buckets[0];
    report.trend.buckets = vec![bucket; 122];
    let mut frame = frame(Address::of(Some(site("shop.example"))));
    frame.sites = (0..super::SITES_MAX).map(|number| site(&format!("s{number:063}"))).collect();
    let page = rendered(&report, &frame);
    let assets = assets_bytes();
    assert!(page.len() + assets < PAGE_BYTES_MAX, "{} and {assets} bytes", page.len());
    assert!(!page.contains(&"&quot;".repeat(SHOWN_CHARS_MAX + 1)));
}

fn assets_bytes() -> usize {
    [include_str!("assets/style.css"), include_str!("assets/script.js"), include_str!("assets/icon.svg")]
        .iter()
        .map(|asset| asset.len())
        .sum()
}

#[test]
fn a_choice_is_kept_by_every_link() {
    let mut address = Address::of(Some(site("shop.example")));
    address.choice = Choice::Range(Range::Week);
    address.event_type = EventType::try_from("signup").expect("an event type");
    let page = rendered(&sample(), &frame(address));
    for link in [
        "href=\"?site=shop.example&amp;range=90d&amp;event=signup\"",
        "href=\"?site=shop.example&amp;range=7d&amp;event=signup\" aria-current=\"true\"",
        "data-live=\"live?site_id=shop.example&amp;event_type=signup\"",
        "<input type=\"hidden\" name=\"event\" value=\"signup\">",
        "href=\"?site=shop.example&amp;range=7d\">Back to page views",
    ] {
        assert!(page.contains(link), "{link}: {page}");
    }
}

#[test]
fn days_without_events_lead_to_those_with_some() {
    let mut report = sample();
    report.totals = Totals::default();
    report.last_day = NaiveDate::from_ymd_opt(2015, 5, 20);
    let page = rendered(&report, &frame(Address::of(Some(site("shop.example")))));
    assert!(page.contains("The last events of this site were on 20 May 2015"), "{page}");
    assert!(page.contains("href=\"?site=shop.example&amp;from=2015-04-21&amp;to=2015-05-20\""), "{page}");
}

#[test]
fn pages_without_numbers_say_what_to_do() {
    let curl = "curl http://127.0.0.1:3000/event";
    assert!(error_pages::no_sites_yet(TODAY).into_string().contains(curl));
    let unknown = error_pages::unknown_site(&site("new.example"), TODAY).into_string();
    assert!(unknown.contains(curl) && unknown.contains("&quot;site_id&quot;:&quot;new.example&quot;"), "{unknown}");
    let sites = [SiteSummary { site: site("a"), totals: Totals { views: 7, users: 3 }, last_day: Some(TODAY) }];
    assert!(
        site_list::overview(&frame(Address::of(None)), &sites).into_string().contains("href=\"?site=a&amp;range=30d\"")
    );
}

#[test]
fn a_page_about_damage_is_not_asked_for_again() {
    let corrupt = contract::TopPaths::from_json("x").expect_err("no list");
    for (err, is_lasting) in [(ReportError::CorruptTopPaths(corrupt), true), (ReportError::NoConnection, false)] {
        let response = super::unavailable(err);
        assert_eq!(response.headers().get(header::REFRESH).is_none(), is_lasting);
        assert_eq!(response.headers().get(header::RETRY_AFTER).is_none(), is_lasting);
    }
}
