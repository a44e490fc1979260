//! Figures, and whether they keep what is promised.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

/// What is promised of a figure.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// At least this.
    Least(f64),
    /// At most this.
    Most(f64),
    /// One of two is enough: this, or a ratio of that.
    LeastOrRatio(f64, f64),
}

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    pub(crate) scenario: &'static str,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: f64,
    /// The baseline of the same run, in the same unit.
    pub(crate) ceiling: Option<f64>,
    pub(crate) target: Option<Target>,
}

/// All of a run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Findings(Vec<Finding>);

impl Finding {
    pub(crate) fn new(scenario: &'static str, what: impl Into<String>, unit: &'static str, ours: f64) -> Self {
        Self { scenario, what: what.into(), unit, ours, ceiling: None, target: None }
    }

    pub(crate) fn ceiling(self, ceiling: f64) -> Self {
        Self { ceiling: Some(ceiling), ..self }
    }

    pub(crate) fn target(self, target: Target) -> Self {
        Self { target: Some(target), ..self }
    }

    fn ratio(&self) -> Option<f64> {
        self.ceiling.map(|ceiling| self.ours / ceiling)
    }

    /// A bound on what has a ceiling is a bound on the ratio.
    fn holds(&self) -> Option<bool> {
        let measured = self.ratio().unwrap_or(self.ours);
        Some(match self.target? {
            Target::Least(least) => measured >= least,
            Target::Most(most) => measured <= most,
            Target::LeastOrRatio(least, ratio) => self.ours >= least || measured >= ratio,
        })
    }
}

impl Findings {
    /// Notes a figure, and shows it at once.
    pub(crate) fn note(&mut self, finding: Finding) {
        println!("{finding}");
        self.0.push(finding);
    }

    pub(crate) fn of<'a>(&'a self, scenario: &'a str) -> impl Iterator<Item = &'a Finding> {
        self.0.iter().filter(move |finding| finding.scenario == scenario)
    }

    /// Writes them down for programs.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(self)?;
        std::fs::write(path, json).with_context(|| format!("writing {}", path.display()))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ours = format!("{} {}", figure(self.ours), self.unit);
        let ceiling = self.ceiling.map_or_else(|| "-".to_owned(), figure);
        let ratio = self.ratio().map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let target = self.target.map_or_else(|| "-".to_owned(), |target| target.to_string());
        let verdict = self.holds().map_or("-", |holds| if holds { "holds" } else { "MISSED" });
        write!(
            f,
            "| {:<10} | {:<46} | {ours:>20} | {ceiling:>12} | {ratio:>7} | {target:>16} | {verdict:<6} |",
            self.scenario, self.what
        )
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| scenario | what | ours | ceiling | ratio | target | verdict |\n|---|---|---|---|---|---|---|")?;
        self.0.iter().try_for_each(|finding| writeln!(f, "{finding}"))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Least(least) => write!(f, ">= {}", figure(*least)),
            Self::Most(most) => write!(f, "<= {}", figure(*most)),
            Self::LeastOrRatio(least, ratio) => write!(f, ">= {} or {ratio}", figure(*least)),
        }
    }
}

/// With as many digits as mean something, and thousands set apart.
fn figure(number: f64) -> String {
    if number.is_infinite() {
        return "refused".to_owned();
    }
    let digits = if number.abs() >= 100.0 {
        0
    } else if number.abs() >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{number:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (position, digit) in whole.chars().enumerate() {
        let left = whole.len() - position;
        if position > 0 && left % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// The one in the middle.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        let figures = [1_234_567.8, 123.4, 99.96, 9.876, 0.0, -1_000.0].map(figure);
        assert_eq!(figures, ["1,234,568", "123", "100.0", "9.88", "0.00", "-1,000"]);
    }

    #[test]
    fn a_target_is_for_the_ratio_where_there_is_a_ceiling() {
        let finding = Finding::new("s", "w", "/s", 70.0).target(Target::Least(0.75));
        assert_eq!(finding.holds(), Some(true));
        assert_eq!(finding.clone().ceiling(100.0).holds(), Some(false));
        assert_eq!(finding.target(Target::LeastOrRatio(1e6, 0.6)).ceiling(100.0).holds(), Some(true));
        assert_eq!(median(vec![3.0, 1.0, 2.0]).total_cmp(&2.0), std::cmp::Ordering::Equal);
    }
}
