//! A table of what noticed what.

use std::fmt;

use crate::chaos::Outcome;

/// All of it.
#[derive(Debug, Default)]
pub struct Verdicts(Vec<Verdict>);

/// What was seen without one guard.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) name: &'static str,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// All guards are in place; empty if nothing was found.
    Control { summary: String },
    /// What chaos has found; empty if nothing.
    Chaos { summary: String },
    /// A test, and whether it failed.
    Test { name: &'static str, is_red: bool },
}

impl Verdicts {
    pub(super) fn add(&mut self, verdict: Verdict) {
        println!("{verdict}");
        self.0.push(verdict);
    }

    /// Whether each missing guard was noticed, and nothing where none was missing.
    pub fn is_pass(&self) -> bool {
        self.0.iter().all(|verdict| match &verdict.what {
            What::Control { summary } => summary.is_empty(),
            What::Chaos { summary } => !summary.is_empty(),
            What::Test { is_red, .. } => *is_red,
        })
    }
}

impl Verdict {
    pub(super) fn with_all_guards(outcome: &Outcome) -> Self {
        Self { name: "(none)", what: What::Control { summary: outcome.summary() } }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |summary: &str| if summary.is_empty() { "PASS".to_owned() } else { format!("FAIL: {summary}") };
        let Self { name, what } = self;
        match what {
            What::Control { summary } | What::Chaos { summary } => write!(f, "| {name} | chaos | {} |", said(summary)),
            What::Test { name: test, is_red } => {
                write!(f, "| {name} | `{test}` | {} |", if *is_red { "FAIL" } else { "PASS" })
            }
        }
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n| without | noticed by | said |\n|---|---|---|")?;
        for verdict in &self.0 {
            writeln!(f, "{verdict}")?;
        }
        Ok(())
    }
}
