//! A site's page, from top to bottom.

use contract::EventType;
use maud::{Markup, html};
use service::http::query_string;

use super::cards;
use super::format;
use super::ranking;
use super::trend;
use crate::dashboard::address::{Address, Choice, HOME};
use crate::dashboard::ranges::Range;
use crate::dashboard::view_model::{Frame, Report};
use crate::params::DayRange;

pub(in crate::dashboard) fn report(report: &Report, frame: &Frame) -> Markup {
    let address = &frame.address;
    let noun = ranking::noun(&address.event_type);
    html! {
        (heading(report, frame))
        @if report.totals.views == 0 { (nothing_here(report, address, noun)) }
        (cards::cards(report, frame.today, &live_source(address), noun))
        (trend::trend(report, noun))
        div.columns {
            (ranking::paths(report, address, noun))
            div.column {
                @if let Some(referrers) = &report.referrers {
                    (ranking::referrers(referrers, noun, report.totals.views))
                }
                (ranking::event_types(&report.event_types, address))
            }
        }
    }
}

/// The address of the stream of today's totals.
fn live_source(address: &Address) -> String {
    let site = address.site.iter().map(|site| ("site_id", site.as_str().to_owned()));
    let event_type = ("event_type", address.event_type.as_str().to_owned());
    format!("live?{}", query_string::written(site.chain([event_type])))
}

fn heading(report: &Report, frame: &Frame) -> Markup {
    let address = &frame.address;
    html! {
        div.heading {
            div {
                h1 { bdi { (report.site.as_str()) } }
                p {
                    (format::days(report.period.first, report.period.last)) " · UTC"
                    @if report.period.contains(frame.today) { " · today is not over" }
                }
                @if address.event_type != EventType::PAGE_VIEW {
                    p.filter {
                        "Only events of type " b { (address.event_type.as_str()) } ". "
                        a href=(address.with_events(EventType::PAGE_VIEW).link()) { "Back to page views" }
                    }
                }
            }
            (range_chooser(report, address))
        }
    }
}

fn range_chooser(report: &Report, address: &Address) -> Markup {
    html! {
        nav.ranges aria-label="Days" {
            ul {
                @for range in Range::ALL {
                    @let choice = Choice::Range(range);
                    li {
                        a href=(address.with(choice).link()) aria-current=[(address.choice == choice).then_some("true")] {
                            (range.label())
                        }
                    }
                }
            }
            form action=(HOME) aria-label="Other days" {
                @for (name, value) in address.pairs() {
                    @if !["range", "from", "to"].contains(&name) { input type="hidden" name=(name) value=(value); }
                }
                label { span.unseen { "First UTC day" } input type="date" name="from" required value=(report.period.first); }
                span aria-hidden="true" { "–" }
                label { span.unseen { "Last UTC day" } input type="date" name="to" required value=(report.period.last); }
                button type="submit" { "Apply" }
            }
        }
    }
}

/// A link to days with events.
fn nothing_here(report: &Report, address: &Address, noun: &str) -> Markup {
    let is_elsewhere = |day: &chrono::NaiveDate| !report.period.contains(*day);
    html! {
        p.hint role="status" {
            "No " (noun) "s in these days. "
            @if let Some(day) = report.last_day.filter(is_elsewhere) {
                @let choice = Choice::Custom(DayRange::ending(day, report.period.days()));
                "The last events of this site were on " (format::day(day)) ": "
                a href=(address.with(choice).link()) { "show the days until then" } "."
            }
        }
    }
}
