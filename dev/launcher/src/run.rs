//! What `cargo run` does, from beginning to end.

use std::convert::Infallible;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::build::{self, Profile};
use crate::demo::Demo;
use crate::install;
use crate::leftovers;
use crate::options::Options;
use crate::ports;
use crate::progress;
use crate::stack::Stack;
use crate::summary;
use crate::workspace::Workspace;

/// Runs the local stack until Ctrl-C, SIGTERM or SIGHUP, and stops it.
///
/// # Errors
///
/// When it cannot be started, or something in it ends on its own. Everything else is stopped then, too.
pub async fn run(options: Options) -> Result<()> {
    progress::tell();
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

/// Dropped in any of its steps, it leaves behind what [`Stack::stop`] stops, and nothing else.
async fn serve(stack: &mut Stack, workspace: &Workspace, options: &Options) -> Result<Infallible> {
    leftovers::wait(workspace).await?;
    if options.fresh {
        workspace.clear()?;
    }
    // First what fails at once, then what takes long.
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
    summary::write_environment(workspace, &programs, stack)?;
    tokio::select! {
        err = stack.death() => Err(err),
        never = entertain(workspace, options, stack) => never,
    }
}

/// Fills the reports, tells where they are, and keeps them moving.
async fn entertain(workspace: &Workspace, options: &Options, stack: &Stack) -> Result<Infallible> {
    let mut demo = Demo::open(workspace, options.ingest_port)?;
    let history = if options.no_demo { Ok(()) } else { demo.play_history().await };
    summary::print(workspace, options, stack);
    let Err(err) = match history {
        Ok(()) if options.no_demo => std::future::pending().await,
        Ok(()) => demo.trickle().await,
        Err(err) => Err(err),
    };
    // The stack works without it.
    progress::say(&format!("Demo traffic ended: {err:#}"));
    std::future::pending().await
}

/// The signals that ask for an orderly end.
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
