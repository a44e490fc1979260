//! The sequence of `cargo run`, from start to stop.

use std::convert::Infallible;
use std::{fs, io};

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Stack;
use super::banner;
use super::cli::Options;
use super::demo::Demo;
use super::orphans;
use crate::build::{self, Profile};
use crate::install;
use crate::ports;
use crate::progress;
use crate::servers::postgres;
use crate::workspace::{self, Workspace};

/// Runs the local stack until Ctrl-C, SIGTERM or SIGHUP, and stops it.
///
/// # Errors
///
/// The stack cannot be started, or one of its processes ends on its own; all others are stopped then, too.
pub async fn run(options: Options) -> Result<()> {
    progress::show();
    let mut requests = StopRequests::listen()?;
    let workspace = Workspace::find()?;
    let _lock = workspace.lock()?;
    let mut stack = Stack::default();
    let outcome = tokio::select! {
        biased;
        () = requests.wait() => {
            progress::say("Stopping");
            Ok(())
        }
        Err(err) = serve(&mut stack, &workspace, &options) => Err(err),
    };
    stack.stop().await;
    outcome
}

/// Starts and serves. If the future is dropped, only processes that [`Stack::stop`] stops are left.
async fn serve(stack: &mut Stack, workspace: &Workspace, options: &Options) -> Result<Infallible> {
    orphans::wait(workspace).await?;
    if options.fresh {
        clear(workspace)?;
    }
    // Checks that fail at once come first, long steps later.
    if options.ingest_port == options.query_port {
        bail!("ingest and query cannot both listen on port {}.", options.query_port);
    }
    ports::require_free(options.ingest_port, "--ingest-port")?;
    ports::require_free(options.query_port, "--query-port")?;
    install::nats_server(workspace).await?;
    install::postgres(workspace).await?;
    let programs = build::services(Profile::Release).await?;
    stack.start_servers(workspace).await?;
    stack.start_services(workspace, &programs, options).await?;
    banner::write_environment(workspace, &programs, stack)?;
    tokio::select! {
        err = stack.death() => Err(err),
        never = play_demo(workspace, options, stack) => never,
    }
}

/// Plays the history, prints the addresses, and plays live traffic.
async fn play_demo(workspace: &Workspace, options: &Options, stack: &Stack) -> Result<Infallible> {
    let mut demo = Demo::open(workspace, options.ingest_port)?;
    let history = if options.no_demo { Ok(()) } else { demo.play_history().await };
    banner::print(workspace, options, stack);
    let Err(err) = match history {
        Ok(()) if options.no_demo => std::future::pending().await,
        Ok(()) => demo.trickle().await,
        Err(err) => Err(err),
    };
    // The stack works without demo traffic.
    progress::say(&format!("Demo traffic ended: {err:#}"));
    std::future::pending().await
}

/// Removes all data, passwords and ports. Downloads and logs stay.
fn clear(workspace: &Workspace) -> Result<()> {
    let data = workspace.data();
    postgres::remove_data_dir(&data.join("postgres"))?;
    workspace::remove(&data.join("nats"))?;
    for name in ["secrets", "ports", "demo", "env"] {
        let path = data.join(name);
        match fs::remove_file(&path) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => {
                return Err(err).with_context(|| format!("removing {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Signals that ask for a shutdown.
struct StopRequests([Signal; 3]);

impl StopRequests {
    fn listen() -> Result<Self> {
        let open = |kind| signal(kind).context("listening for signals");
        Ok(Self([open(SignalKind::interrupt())?, open(SignalKind::terminate())?, open(SignalKind::hangup())?]))
    }

    async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
