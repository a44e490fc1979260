//! The trend: a bar for each bucket, with users in front of views on one scale. Users are never more than views, so one bar has
//! room for both.
//!
//! Horizontal positions are in percent, so that bars follow the width of the window while texts keep their size, without a
//! script.

use maud::{Markup, html};

use super::format;
use super::scale::Scale;
use crate::dashboard::view_model::{Bucket, Report, Trend};
use crate::params::Interval;

/// Pixels from the top to the highest line, with room for its number.
const TOP: f64 = 10.0;

/// Pixels from the top to the lowest line.
const BASE: f64 = 190.0;

/// Pixels from the top to the base of the labels.
const DAYS_FOOT: f64 = 210.0;

/// The height of the chart in pixels.
const HEIGHT: u32 = 216;

/// Labels below the bars, at most: as many have room on a wide screen. A phone shows every other label.
const NAMES_MAX: usize = 8;

/// The chart of a report.
#[derive(Clone, Copy)]
struct Chart<'a> {
    report: &'a Report,
    scale: Scale,
    noun: &'a str,
}

/// The chart, with a table of its numbers.
pub(in crate::dashboard) fn trend(report: &Report, noun: &str) -> Markup {
    let trend = &report.trend;
    html! {
        section.panel.trend aria-labelledby="trend-heading" data-fresh="trend" {
            header {
                h2 id="trend-heading" { (heading(trend, noun)) }
                ul.legend aria-hidden="true" {
                    li.views { (capitalized(noun)) "s" }
                    li.users { "Users" }
                }
            }
            figure.chart tabindex="0" data-chart aria-label="Trend; left and right arrows read its bars" {
                (axis(trend))
                (plot(report, noun))
            }
            p.readout data-readout aria-live="polite" {}
            details {
                summary { "As a table" }
                (table(trend, noun))
            }
        }
    }
}

fn heading(trend: &Trend, noun: &str) -> String {
    format!("{}s and users by {}", capitalized(noun), trend.interval.name())
}

fn scale(trend: &Trend) -> Scale {
    let largest = trend.buckets.iter().map(|bucket| bucket.totals.views.max(bucket.totals.users)).max();
    Scale::for_largest(largest.unwrap_or_default())
}

/// Pixels from the top to a number, to a tenth.
fn y(scale: Scale, number: u64) -> f64 {
    let y = BASE - (BASE - TOP) * scale.height(number);
    (10.0 * y).round() / 10.0
}

/// Pixels from a height down to the lowest line.
fn height(y: f64) -> f64 {
    (10.0 * (BASE - y)).round() / 10.0
}

fn axis(trend: &Trend) -> Markup {
    let scale = scale(trend);
    html! {
        svg.axis height=(HEIGHT) width="44" aria-hidden="true" {
            @for line in scale.lines() {
                text x="36" y=(y(scale, line) + 4.0) text-anchor="end" { (format::abbreviated(line)) }
            }
            text x="36" y=(BASE + 4.0) text-anchor="end" { "0" }
        }
    }
}

fn plot(report: &Report, noun: &str) -> Markup {
    let trend = &report.trend;
    let scale = scale(trend);
    html! {
        svg.plot height=(HEIGHT) width="100%" role="img" aria-labelledby="chart-title chart-description" {
            title id="chart-title" { (heading(trend, noun)) }
            desc id="chart-description" { (description(trend, noun)) }
            @for line in scale.lines() {
                line.grid x1="0" x2="100%" y1=(y(scale, line)) y2=(y(scale, line)) {}
            }
            @for (position, bucket) in trend.buckets.iter().enumerate() {
                (bar(Chart { report, scale, noun }, position, bucket))
            }
            line.base x1="0" x2="100%" y1=(BASE) y2=(BASE) {}
            (names(trend))
        }
    }
}

fn bar(chart: Chart<'_>, position: usize, bucket: &Bucket) -> Markup {
    let Chart { report, scale, noun } = chart;
    let slot = 100.0 / float(report.trend.buckets.len());
    let left = slot * float(position);
    let width = slot * fill(report.trend.buckets.len());
    let (x, width) = (percent(left + (slot - width) / 2.0), percent(width));
    // A bar of a day beside the chosen one.
    let is_context = !report.period.contains(bucket.period.last) && !report.period.contains(bucket.period.first);
    let (views, users) = (y(scale, bucket.totals.views), y(scale, bucket.totals.users));
    html! {
        g.bucket.context[is_context] {
            title { (name(bucket)) ": " (numbers(bucket, noun)) }
            rect.hit x=(percent(left)) width=(percent(slot)) height=(BASE) {}
            rect.views x=(x) y=(views) width=(width) height=(height(views)) {}
            rect.users x=(x) y=(users) width=(width) height=(height(users)) {}
        }
    }
}

/// The share of its slot that a bar fills: few bars must not be too wide, nor many too thin.
fn fill(bars: usize) -> f64 {
    match bars {
        ..=14 => 0.45,
        15..=45 => 0.66,
        _ => 0.78,
    }
}

fn names(trend: &Trend) -> Markup {
    let bars = trend.buckets.len();
    let every = bars.div_ceil(NAMES_MAX).max(1);
    html! {
        @for (position, bucket) in trend.buckets.iter().enumerate().step_by(every) {
            text.name.wide[position / every % 2 == 1]
                x=(percent(100.0 * (float(position) + 0.5) / float(bars))) y=(DAYS_FOOT) text-anchor="middle" {
                @match trend.interval {
                    Interval::Month => (bucket.period.first.format("%b %Y")),
                    _ => (format::short_day(bucket.period.first)),
                }
            }
        }
    }
}

fn table(trend: &Trend, noun: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-labelledby="trend-heading" {
            table {
                thead {
                    tr { th scope="col" { "UTC days" } th.number scope="col" { (capitalized(noun)) "s" } th.number scope="col" { "Users" } }
                }
                tbody {
                    @for bucket in &trend.buckets {
                        tr {
                            th scope="row" { (name(bucket)) }
                            td.number { (format::grouped(bucket.totals.views)) }
                            td.number { (format::grouped(bucket.totals.users)) }
                        }
                    }
                }
            }
        }
    }
}

/// The text alternative of the chart.
fn description(trend: &Trend, noun: &str) -> String {
    let most = trend.buckets.iter().max_by_key(|bucket| bucket.totals.views);
    most.filter(|bucket| bucket.totals.views > 0).map_or_else(
        || format!("{} bars, all of them empty.", trend.buckets.len()),
        |most| format!("{} bars; the highest is {}: {}.", trend.buckets.len(), name(most), numbers(most, noun)),
    )
}

fn name(bucket: &Bucket) -> String {
    format::days(bucket.period.first, bucket.period.last)
}

fn numbers(bucket: &Bucket, noun: &str) -> String {
    format!("{}, {}", format::counted(bucket.totals.views, noun), format::counted(bucket.totals.users, "user"))
}

pub(in crate::dashboard) fn capitalized(noun: &str) -> String {
    let (first, rest) = noun.split_at_checked(1).unwrap_or_default();
    first.to_uppercase() + rest
}

fn percent(number: f64) -> String {
    format!("{number:.2}%")
}

#[expect(clippy::cast_precision_loss, reason = "a trend has at most some hundred bars")]
fn float(bars: usize) -> f64 {
    bars as f64
}
