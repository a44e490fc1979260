//! Pictures of a run, made from its figures: how close to the ceiling, and how reports and freshness behave.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::*;

use crate::findings::{Finding, Findings};

const WIDTH: u32 = 900;
const ROW: u32 = 28;

/// Labels on the left.
const LABELS: u32 = 380;

/// Draws what there is something to draw of.
pub(crate) fn draw(findings: &Findings, folder: &Path) -> Result<()> {
    let with_ceiling = |finding: &&Finding| finding.ceiling.is_some();
    let ratio = |finding: &Finding| finding.ours / finding.ceiling.unwrap_or(1.0);
    for (scenarios, file, caption) in [
        (["ingest", "batches", "rebuild"].as_slice(), "ceilings.svg", "Ours, where the same machine's ceiling is 1"),
        (&["instead"], "instead.svg", "Ours, where one table with a row an event is 1"),
    ] {
        let bars = scenarios.iter().flat_map(|scenario| findings.of(scenario)).filter(with_ceiling);
        let bars: Vec<_> = bars.map(|finding| (finding.what.clone(), ratio(finding))).collect();
        bars_of(&folder.join(file), caption, &bars)?;
    }
    for (scenario, file, caption) in [
        ("report", "reports.svg", "p99 of GET /stats, ms"),
        ("live", "live.svg", "From 200 to /stats, 10,000 sites, ms"),
    ] {
        let bars = findings.of(scenario).filter(|finding| finding.unit == "ms");
        let bars: Vec<_> = bars.map(|finding| (finding.what.clone(), finding.ours)).collect();
        bars_of(&folder.join(file), caption, &bars)?;
    }
    Ok(())
}

/// One bar a line, the first on top.
fn bars_of(file: &Path, caption: &str, bars: &[(String, f64)]) -> Result<()> {
    // What was refused has no end that could be drawn.
    let bars: Vec<_> = bars.iter().filter(|(_, length)| length.is_finite()).collect();
    if bars.is_empty() {
        return Ok(());
    }
    let rows = u32::try_from(bars.len())?;
    let longest = bars.iter().map(|(_, length)| *length).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let area = SVGBackend::new(file, (WIDTH, ROW * (rows + 3))).into_drawing_area();
    area.fill(&WHITE).map_err(said)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(caption, ("sans-serif", 18))
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(LABELS)
        .build_cartesian_2d(0.0..longest * 1.1, Lines(bars.iter().map(|(label, _)| label.clone()).collect()))
        .map_err(said)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(bars.len())
        .label_style(("sans-serif", 13))
        .draw()
        .map_err(said)?;
    let bar = |(line, (_, length)): (i32, &&(String, f64))| {
        let mut bar = Rectangle::new([(0.0, line * 2), (*length, line * 2 + 1)], BLUE.mix(0.6).filled());
        bar.set_margin(3, 3, 0, 0);
        bar
    };
    chart.draw_series((0..).zip(&bars).map(bar)).map_err(said)?;
    let figure = |(line, (_, length)): (i32, &&(String, f64))| {
        Text::new(format!("{length:.2}"), (*length, line * 2), ("sans-serif", 12))
    };
    chart.draw_series((0..).zip(&bars).map(figure)).map_err(said)?;
    area.present().map_err(said)
}

fn said<E: std::fmt::Display>(err: E) -> anyhow::Error {
    anyhow!("drawing: {err}")
}

/// An axis with a text for each bar: two steps a bar, the first on top.
struct Lines(Vec<String>);

impl Ranged for Lines {
    type FormatOption = NoDefaultFormatting;
    type ValueType = i32;

    fn map(&self, value: &i32, (from, to): (i32, i32)) -> i32 {
        let steps = i32::try_from(self.0.len() * 2).unwrap_or(i32::MAX).max(1);
        // Pixels of this axis are given from below.
        to + (from - to) * value / steps
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<i32> {
        (0..).take(self.0.len()).map(|line: i32| line * 2 + 1).collect()
    }

    fn range(&self) -> std::ops::Range<i32> {
        0..i32::try_from(self.0.len() * 2).unwrap_or(i32::MAX)
    }
}

impl ValueFormatter<i32> for Lines {
    fn format_ext(&self, value: &i32) -> String {
        usize::try_from(value / 2).ok().and_then(|line| self.0.get(line).cloned()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut findings = Findings::default();
        for (what, ours) in [("answered", 2.0), ("refused", f64::INFINITY)] {
            findings.note(Finding::new("report", what, "ms", ours));
        }
        draw(&findings, folder.path()).expect("a picture");
        let picture = std::fs::read_to_string(folder.path().join("reports.svg")).expect("a picture");
        assert!(picture.contains("answered") && !picture.contains("refused"));
    }
}
