//! The local stack of `cargo run`: servers and services that are started in order, watched together, and stopped in order.

mod banner;
mod cli;
mod demo;
pub mod environment;
mod orphans;
mod run;
mod services;

use anyhow::{Error, Result, anyhow};
use tokio::task::JoinSet;

use crate::build::Services;
use crate::process::Process;
use crate::process::ready::TAIL_LINES;
use crate::progress;
use crate::servers::nats::{Nats, NatsOptions};
use crate::servers::postgres::{self, Durability, Postgres, PostgresOptions};
use crate::workspace::Workspace;
use services::{DATABASE, Servers, Service};

pub use cli::Options;
pub use run::run;

/// All running processes. Dropping it kills them; [`Stack::stop`] stops them in order.
#[derive(Debug, Default)]
pub(crate) struct Stack {
    services: Vec<Process>,
    nats: Option<Nats>,
    postgres: Option<Postgres>,
}

impl Stack {
    /// Starts nats-server and Postgres with the data of the last run.
    pub(crate) async fn start_servers(&mut self, workspace: &Workspace) -> Result<()> {
        let log = workspace.logs().join("nats-server.log");
        let options = NatsOptions { log: Some(log), ..NatsOptions::new(workspace.data().join("nats")) };
        let nats = Nats::start_with(options).await?;
        orphans::record(workspace, self.nats.insert(nats).process())?;

        let link = workspace.data().join("postgres");
        let dir = postgres::create_data_dir(&link)?;
        if link.is_symlink() {
            progress::say(&format!("Postgres may not enter this folder: its data lie in {}", dir.display()));
        }
        let log = workspace.logs().join("postgres.log");
        let options = PostgresOptions { dir, durability: Durability::Full, log: Some(log) };
        let postgres = Postgres::start_with(options).await?;
        let postgres = self.postgres.insert(postgres);
        orphans::record(workspace, postgres.process())?;
        postgres.create_database(DATABASE).await
    }

    /// Migrates the database, starts the services, and waits until they are ready.
    pub(crate) async fn start_services(
        &mut self,
        workspace: &Workspace,
        programs: &Services,
        options: &Options,
    ) -> Result<()> {
        let postgres = self.postgres();
        progress::step("Migrating the database", services::migrate(workspace, programs, postgres)).await?;
        let services = Service::all(workspace, programs, Servers { nats: self.nats(), postgres }, options)?;
        for service in &services {
            let process = service.start(workspace)?;
            orphans::record(workspace, &process)?;
            self.services.push(process);
        }
        for (service, process) in services.iter().zip(&self.services) {
            let step = format!("Starting {}", process.name());
            progress::step(&step, service.wait_until_ready(process)).await?;
        }
        Ok(())
    }

    /// The log's server.
    pub(crate) fn nats(&self) -> &Nats {
        self.nats.as_ref().expect("the servers are started first")
    }

    /// The database server.
    pub(crate) fn postgres(&self) -> &Postgres {
        self.postgres.as_ref().expect("the servers are started first")
    }

    /// Waits until a process ends on its own, and returns an error with the end of its log.
    pub(crate) async fn death(&self) -> Error {
        let mut exits = JoinSet::new();
        for (number, process) in self.processes().enumerate() {
            let exit = process.exit();
            exits.spawn(async move { (number, exit.wait().await) });
        }
        match exits.join_next().await {
            Some(Ok((number, status))) => {
                let process = self.processes().nth(number).expect("nothing was removed meanwhile");
                anyhow!("{} ended on its own ({status}):\n{}", process.name(), process.log_tail(TAIL_LINES))
            }
            _ => anyhow!("nothing runs that could be waited for"),
        }
    }

    /// Stops all processes in the order of the data flow, so that each has its servers to the end.
    pub(crate) async fn stop(&mut self) {
        for process in self.processes() {
            if process.exit_status().is_none() {
                progress::step(&format!("Stopping {}", process.name()), process.stop()).await;
            }
        }
    }

    /// All processes, in the order in which they are stopped.
    fn processes(&self) -> impl Iterator<Item = &Process> {
        let nats = self.nats.iter().map(Nats::process);
        let postgres = self.postgres.iter().map(Postgres::process);
        self.services.iter().chain(nats).chain(postgres)
    }
}
