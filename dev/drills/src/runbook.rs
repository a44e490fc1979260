//! The recipes of `nats/README.md`, carried out against a real stack, so that what is printed there is what happens.
//!
//! A recipe is a section of that file. Of what is in it, these count:
//!
//! - A block `sh` is a script. It runs under `sh -eu` and has to succeed. (`sh elsewhere` is for other places, and is
//!   only read.)
//! - A block `text` behind it is what it prints. `…` stands for anything within a line, and a line of nothing else for
//!   any number of lines. Spaces count as one, and empty lines do not count.
//! - A block `text soon` is the same, but the script is asked again until it prints that.
//! - A comment `<!-- recipes: … -->` is an act outside of this shell: see `act.rs`.

/// The file, read.
mod book;

/// What a script has to print.
mod expectation;

/// Scripts, and what they print.
mod shell;

/// What happens beside the shell.
mod act;

/// A visitor, who posts events.
mod visitor;

/// A whole Tidemark, its operator's shell, and visitors.
mod stage;

use std::time::Instant;

use anyhow::{Context, Result, bail};
use launcher::install;
use launcher::workspace::Workspace;

use book::{Recipe, Step};
use stage::Stage;

/// Where they are written down.
const BOOK: &str = "nats/README.md";

/// Carries all of them out, in their order and on one stack, and answers how many failed. A line a recipe.
///
/// # Errors
///
/// There is no nats CLI, the stack cannot be started, or the file cannot be read.
pub async fn run() -> Result<usize> {
    let workspace = Workspace::find()?;
    let text = std::fs::read_to_string(workspace.root().join(BOOK)).with_context(|| format!("reading {BOOK}"))?;
    let recipes = book::read(&text).with_context(|| format!("reading {BOOK}"))?;
    let nats_cli = install::nats_cli(&workspace).await?;
    let mut stage = Stage::open(&nats_cli).await?;
    let mut failed = 0;
    for recipe in &recipes {
        let begun = Instant::now();
        let outcome = follow(&mut stage, recipe).await;
        let seconds = begun.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => println!("ok     {seconds:5.1} s  {}", recipe.title),
            Err(err) => {
                failed += 1;
                println!("FAILED {seconds:5.1} s  {}\n{err:#}\n", recipe.title);
            }
        }
    }
    if failed > 0 {
        println!("logs and data are in {}", stage.keep_folder().display());
    }
    println!("\n{} passed, {failed} failed", recipes.len() - failed);
    Ok(failed)
}

async fn follow(stage: &mut Stage, recipe: &Recipe) -> Result<()> {
    for step in &recipe.steps {
        match step {
            Step::Act { line, act } => {
                stage.perform(*act).await.with_context(|| format!("{BOOK}:{line}"))?;
            }
            Step::Command(command) => {
                if let Err(failure) = stage.shell().check(command).await? {
                    bail!("{BOOK}:{}\n{failure}", command.line);
                }
            }
        }
    }
    Ok(())
}
