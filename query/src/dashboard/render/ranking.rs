//! Tables of the most frequent paths, hosts and event types, each row with a bar behind its name.

use contract::EventType;
use maud::{Markup, html};

use super::format;
use super::trend::capitalized;
use crate::dashboard::address::{Address, HOME, SEARCH_CHARS_MAX};
use crate::dashboard::view_model::{EventTypeTotals, Referrers, Report, Share};

/// Paths, with a field to search among all of them.
pub(in crate::dashboard) fn paths(report: &Report, address: &Address, noun: &str) -> Markup {
    html! {
        section.panel aria-labelledby="paths-heading" data-fresh="paths" {
            header {
                h2 id="paths-heading" { "Top paths" }
                form.search action=(HOME) role="search" {
                    @for (name, value) in address.pairs() {
                        @if name != "search" { input type="hidden" name=(name) value=(value); }
                    }
                    label.unseen for="search" { "Paths that contain" }
                    input id="search" type="search" name="search" value=(address.search) maxlength=(SEARCH_CHARS_MAX)
                        placeholder="Search paths" autocomplete="off" spellcheck="false";
                    button type="submit" { "Search" }
                }
            }
            @if report.paths.is_empty() {
                p.empty {
                    @if address.search.is_empty() { "No paths in these days." }
                    @else { "No path contains “" bdi { (address.search) } "” in these days." }
                }
            } @else {
                (ranking("Path", noun, &report.paths, report.totals.views))
                @if report.has_more_paths {
                    p.note { "The first " (report.paths.len()) ". Search to find others; " code { "GET /paths" } " lists all." }
                }
            }
        }
    }
}

/// The hosts that views came from.
pub(in crate::dashboard) fn referrers(referrers: &Referrers, noun: &str, total: u64) -> Markup {
    let others =
        [("none given", referrers.none), ("the site itself", referrers.own), ("unreadable", referrers.unreadable)];
    html! {
        section.panel aria-labelledby="referrers-heading" data-fresh="referrers" {
            header { h2 id="referrers-heading" { "Referrers" } }
            @if referrers.top.is_empty() {
                p.empty { "No views from other sites." }
            } @else {
                (ranking("Host", noun, &referrers.top, total))
            }
            p.note {
                @for (position, (name, views)) in others.into_iter().filter(|(_, views)| *views > 0).enumerate() {
                    @if position > 0 { " · " }
                    (name) " " b { (format::percentage(views, total)) }
                }
            }
        }
    }
}

/// The event types, each with a link to its page.
pub(in crate::dashboard) fn event_types(event_types: &[EventTypeTotals], address: &Address) -> Markup {
    let all = event_types.iter().map(|row| row.totals.views).fold(0, u64::saturating_add);
    html! {
        section.panel aria-labelledby="events-heading" data-fresh="events" {
            header { h2 id="events-heading" { "Event types" } }
            @if event_types.is_empty() {
                p.empty { "No events in these days." }
            } @else {
                table.ranking {
                    thead {
                        tr {
                            th scope="col" { "Type" }
                            th.number scope="col" { "Events" }
                            th.number scope="col" { "Users" }
                        }
                    }
                    tbody { @for row in event_types { (event_type(row, all, address)) } }
                }
            }
        }
    }
}

fn event_type(row: &EventTypeTotals, all: u64, address: &Address) -> Markup {
    let is_shown = row.event_type == address.event_type;
    let link = address.with_events(row.event_type.clone()).link();
    html! {
        tr {
            th scope="row" {
                (bar(row.totals.views, all))
                a href=(link) aria-current=[is_shown.then_some("true")] { (row.event_type.as_str()) }
            }
            td.number { (format::grouped(row.totals.views)) }
            td.number { (format::grouped(row.totals.users)) }
        }
    }
}

fn ranking(kind: &str, noun: &str, rows: &[Share], total: u64) -> Markup {
    html! {
        table.ranking {
            thead {
                tr {
                    th scope="col" { (kind) }
                    th.number scope="col" { (capitalized(noun)) "s" }
                    th.number scope="col" { "Share" }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        th scope="row" {
                            (bar(row.views, rows[0].views))
                            bdi { (format::shown(&row.name)) }
                        }
                        td.number { (format::grouped(row.views)) }
                        td.number.share { (format::percentage(row.views, total)) }
                    }
                }
            }
        }
    }
}

/// A bar, as long as the share of `views` in `longest`.
fn bar(views: u64, longest: u64) -> Markup {
    let percent = u128::from(views) * 100 / u128::from(longest.max(1));
    html! {
        svg.bar width="100%" height="100%" aria-hidden="true" focusable="false" {
            rect width=(format!("{percent}%")) height="100%" rx="3" {}
        }
    }
}

/// The noun for events of a type: `view` for page views, and else `event`.
pub(in crate::dashboard) fn noun(event_type: &EventType<'_>) -> &'static str {
    if *event_type == EventType::PAGE_VIEW { "view" } else { "event" }
}
