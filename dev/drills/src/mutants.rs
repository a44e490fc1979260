//! What happens without the guards of exactly-once: each is taken out of a copy of the project in turn, and the chaos
//! run, or a test, has to notice. A guard whose absence nothing notices would be an untested one.

/// The guards, and what the source looks like without them.
mod guard;

/// The copy that they are taken out of.
mod copy;

/// A table of what noticed what.
mod verdict;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use launcher::build::Profile;

use crate::chaos::{self, Outcome};
use copy::Copy;
use guard::{GUARDS, Guard, Noticed};
pub use verdict::Verdicts;
use verdict::{Verdict, What};

/// Takes the guards of exactly-once out of a copy of the project, one at a time, and shows what notices.
#[derive(Clone, Debug, Parser)]
#[command(name = "mutants")]
pub struct Options {
    /// How long chaos may take to notice
    #[arg(long, default_value_t = 3.0)]
    pub minutes: f64,

    /// The seed of the chaos runs
    #[arg(long, default_value_t = 20_251_112)]
    pub seed: u64,

    /// Only the guard of this name; `none` is the run with all of them in place
    #[arg(long)]
    pub only: Option<String>,
}

/// Runs chaos with all guards first, then without each of them.
///
/// # Errors
///
/// The copy does not build, or a run could not be made.
pub async fn run(options: &Options) -> Result<Verdicts> {
    let copy = Copy::make()?;
    let mut verdicts = Verdicts::default();
    if options.wants("none") {
        let outcome = chaos_run(options, &copy).await?;
        verdicts.add(Verdict::with_all_guards(&outcome));
    }
    for guard in GUARDS.iter().filter(|guard| options.wants(guard.name)) {
        check_green_with(&copy, guard).await?;
        println!("\n== without {}", guard.name);
        copy.take_out(guard)?;
        let what = without(options, &copy, guard).await;
        copy.put_back(guard)?;
        verdicts.add(Verdict { name: guard.name, what: what.with_context(|| format!("without {}", guard.name))? });
    }
    Ok(verdicts)
}

/// A test that fails with the guard in place would notice anything.
async fn check_green_with(copy: &Copy, guard: &Guard) -> Result<()> {
    let Noticed::Test { package, name } = guard.noticed else { return Ok(()) };
    println!("\n== with {}", guard.name);
    ensure!(!copy.fails(package, name).await?, "{name} fails although {} is in place", guard.name);
    Ok(())
}

async fn without(options: &Options, copy: &Copy, guard: &Guard) -> Result<What> {
    match guard.noticed {
        Noticed::Chaos => Ok(What::Chaos { summary: chaos_run(options, copy).await?.summary() }),
        Noticed::Test { package, name } => {
            let is_red = copy.fails(package, name).await?;
            Ok(What::Test { name, is_red })
        }
    }
}

async fn chaos_run(options: &Options, copy: &Copy) -> Result<Outcome> {
    let services = copy.build(Profile::Dev).await?;
    let outcome = chaos::run(chaos::Options {
        minutes: options.minutes,
        seed: Some(options.seed),
        rate: 1_000,
        calm_seconds: 12,
        no_resends: false,
        dev: false,
        services: Some(services),
    })
    .await?;
    println!("{outcome}");
    outcome.remove_folder()?;
    Ok(outcome)
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == name)
    }

    /// The longest that all of it takes, builds apart.
    pub fn estimate(&self) -> Duration {
        let runs = GUARDS.iter().map(|guard| guard.name).chain(["none"]).filter(|name| self.wants(name)).count();
        Duration::from_secs_f64(self.minutes * 60.0 + 40.0) * u32::try_from(runs).expect("a handful")
    }
}
