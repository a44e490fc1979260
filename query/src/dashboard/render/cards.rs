//! The key figures: each a number, how it compares with the period before, and how exact it is.

use std::cmp::Ordering;

use chrono::NaiveDate;
use maud::{Markup, html};

use super::format;
use super::trend::capitalized;
use crate::dashboard::view_model::{Report, Totals, UsersError};

/// Views, users, and today as it goes.
///
/// If the days are current, new events change the rest of the page, too.
pub(in crate::dashboard) fn cards(report: &Report, today: NaiveDate, live_source: &str, noun: &str) -> Markup {
    let is_current = report.period.contains(today);
    let (totals, previous) = (report.totals, report.previous);
    html! {
        section.cards aria-label="Key figures" data-current[is_current] {
            div.card data-fresh="views" {
                h2 { (capitalized(noun)) "s" }
                p.figure { (format::grouped(totals.views)) }
                (change(report, totals.views, previous.views))
            }
            div.card data-fresh="users" {
                h2 { "Users" }
                p.figure { (format::grouped(totals.users)) " "
                    @if totals.users > 0 { (exactness(report.users_error, totals.users)) }
                 }
                (change(report, totals.users, previous.users))
            }
            (live_card(report.today, live_source, noun))
        }
    }
}

/// The card that the script keeps up to date. Without scripts it is as old as the page.
fn live_card(totals: Totals, live_source: &str, noun: &str) -> Markup {
    html! {
        div.card.live data-live=(live_source) {
            h2 { "Today so far " span.state data-live-state role="status" { "as of loading" } }
            p.figure {
                span data-live-views { (format::grouped(totals.views)) } span.unit { " " (noun) "s" }
            }
            p.change { b data-live-users { (format::grouped(totals.users)) } " users since midnight UTC" }
        }
    }
}

fn change(report: &Report, now: u64, before: u64) -> Markup {
    let before_this = match report.period.days() {
        1 => "the day before".to_owned(),
        days => format!("in the {days} days before"),
    };
    if before == 0 {
        return html! { p.change { "none " (before_this) } };
    }
    let (class, sign, spoken) = match now.cmp(&before) {
        Ordering::Greater => ("up", "▲ ", "more, "),
        Ordering::Less => ("down", "▼ ", "less, "),
        Ordering::Equal => ("same", "± ", ""),
    };
    html! {
        p.change {
            b class=(class) { (sign) (format::percentage(now.abs_diff(before), before)) }
            " " span.unseen { (spoken) } "against " (format::grouped(before)) " " (before_this)
        }
    }
}

/// A mark beside the number. A tooltip explains it on hover and focus, and to screen readers.
fn exactness(error: UsersError, users: u64) -> Markup {
    let (mark, sentence) = match error {
        UsersError::Listed { max_abs_error, confidence } => (
            format!("± {max_abs_error}"),
            format!("Listed one by one: off by at most {max_abs_error}, {} sure.", sureness(confidence)),
        ),
        UsersError::Estimated { low, high, confidence } => (
            format!("± {}", format::percentage(users.saturating_sub(low).max(high.saturating_sub(users)), users)),
            format!(
                "An estimate: between {} and {}, {} sure.",
                format::grouped(low),
                format::grouped(high),
                sureness(confidence)
            ),
        ),
    };
    html! {
        span.exactness tabindex="0" role="note" aria-describedby="exactness" {
            span aria-hidden="true" { (mark) }
            span.tip id="exactness" role="tooltip" { (sentence) }
        }
    }
}

fn sureness(confidence: f64) -> String {
    format!("{:.0} %", confidence * 100.0)
}
