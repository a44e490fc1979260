//! The figures, and PASS or what differs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, fs, io};

use crate::chaos::clients::hostile;
use crate::chaos::faults::outages::Strikes;
use crate::chaos::progress::minutes;
use crate::chaos::run::Run;
use crate::chaos::verdict::ending::Ending;
use crate::chaos::verdict::findings::Findings;
use crate::chaos::verdict::ledger::Bounds;
use crate::chaos::verdict::watch::GRACE;

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    seed: u64,
    disturbed_for: Duration,
    strikes: BTreeMap<&'static str, Strikes>,
    figures: Vec<(&'static str, String)>,
    findings: Findings,
    /// Where logs and data are kept, if something was found.
    pub(in crate::chaos) folder: Option<PathBuf>,
}

impl Outcome {
    pub(in crate::chaos) fn of(run: &Run, ending: &Ending) -> Self {
        Self {
            seed: run.seed,
            disturbed_for: run.options.duration(),
            strikes: run.outages.borrow().strikes(),
            figures: figures(run, ending),
            findings: run.findings.borrow().clone(),
            folder: None,
        }
    }

    /// Whether nothing is wrong.
    pub fn is_pass(&self) -> bool {
        self.findings.is_empty()
    }

    /// Removes logs and data, where they were kept.
    pub fn remove_folder(&self) -> io::Result<()> {
        self.folder.as_ref().map_or(Ok(()), fs::remove_dir_all)
    }

    /// What is wrong in a few words, without examples; empty if nothing is.
    pub fn summary(&self) -> String {
        self.findings.summary()
    }

    /// How often a process was killed, of the kind that was killed least.
    pub fn kills_min(&self) -> u64 {
        self.strikes.values().map(|strikes| strikes.kills).min().unwrap_or(0)
    }
}

fn figures(run: &Run, ending: &Ending) -> Vec<(&'static str, String)> {
    let (account, tally, seen) = (run.account.borrow(), run.tally.borrow(), run.seen.borrow());
    let counted = |sites: &str| -> u64 {
        ending.counted.iter().filter(|(site, _)| site.starts_with(sites)).map(|(_, views)| views).sum()
    };
    let Bounds { least, most } = account.plain_bounds();
    let repeats = ending.repeats.map_or("not recognised".to_owned(), |repeats| repeats.to_string());
    vec![
        ("connections to the log cut", tally.cuts.to_string()),
        (
            "strikes at the worst moment",
            format!("{}; {} promises broken", tally.nemeses, run.breaches.borrow().count()),
        ),
        (
            "events with an id",
            format!("{} acknowledged, {} counted", account.views.values().sum::<u64>(), counted("chaos")),
        ),
        (
            "events without an id",
            format!("{least} acknowledged, {} unanswered, {} counted", most - least, counted("plain")),
        ),
        ("events of the hostile site", format!("{} acknowledged, {} counted", account.hostile, counted(hostile::SITE))),
        ("site, day, type and path", format!("{} compared", account.places().count())),
        ("users, worst report off by", ending.users_error.to_string()),
        ("poison published", account.poison.len().to_string()),
        ("requests tried again", format!("{}, {} of them after a 503", tally.retries, tally.unavailable)),
        ("events resent on purpose", tally.resends.to_string()),
        ("repeats dropped", repeats),
        ("reports answered", seen.reports.to_string()),
        ("reports refused", seen.refused.to_string()),
        ("refused after all was back", format!("{:.1} s at most ({GRACE:?} allowed)", seen.refused_late.as_secs_f64())),
        ("set back by a crash of Postgres", seen.set_back.to_string()),
        ("drained after the last event", format!("{:.1?}", ending.drained_in)),
        ("rows folded again and compared", ending.rows.to_string()),
    ]
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "\nseed {}, {} minutes of faults", self.seed, minutes(self.disturbed_for))?;
        writeln!(formatter, "{:<33} {:>6} {:>11} {:>8}", "", "kills", "a minute", "freezes")?;
        for (kind, strikes) in &self.strikes {
            #[expect(clippy::cast_precision_loss, reason = "a few thousand kills at most")]
            let rate = strikes.kills as f64 * 60.0 / self.disturbed_for.as_secs_f64();
            writeln!(formatter, "{kind:<33} {:>6} {rate:>11.1} {:>8}", strikes.kills, strikes.freezes)?;
        }
        for (name, figure) in &self.figures {
            writeln!(formatter, "{name:<33} {figure}")?;
        }
        if let Some(folder) = &self.folder {
            writeln!(formatter, "\nFAIL\n{}logs and data are in {}", self.findings, folder.display())
        } else {
            writeln!(formatter, "\nPASS")
        }
    }
}
