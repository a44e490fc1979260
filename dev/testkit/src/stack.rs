//! Servers and services, started and stopped at will. One stack a test: nothing is shared, so anything may be killed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use launcher::build::{self, Profile, Services};
use launcher::process::{Launch, Process};
use launcher::servers::nats::{MovableClock, Nats, NatsOptions};
use launcher::servers::postgres::Postgres;
use launcher::workspace::Workspace;
use launcher::{install, ports};
use tokio::sync::OnceCell;

use crate::clients::http::Client;
use crate::failure::TestFolder;

/// The services: each a process, started and stopped at will.
mod services;

/// What is in the log and in the read models.
mod contents;

/// What leads an operator's shell to it.
mod access;

/// Keys that clients need.
mod keys;

/// The database that query reads.
pub const DATABASE: &str = "tidemark";

/// Prefix of the folders' names.
const PREFIX: &str = "tidemark-e2e-";

/// Log levels of the services unless the caller of the tests or the test sets others.
const RUST_LOG: &str = "info,projector=debug";

const PROJECTOR_PASSWORD: &str = "for-the-test-p";
const QUERY_PASSWORD: &str = "for-the-test-q";

/// What a stack is made of. Dropped, all of it is gone, but for the folder of a test that fails.
pub struct Stack {
    /// The log's server.
    pub nats: Nats,
    /// The read models' server.
    pub postgres: Postgres,
    /// Talks to ingest.
    pub ingest_client: Client,
    /// Talks to query.
    pub query_client: Client,
    ingest_port: u16,
    query_port: u16,
    programs: Services,
    dir: TestFolder,
}

/// The services' roles in Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseUser {
    /// Writes read models.
    Projector,
    /// Reads them.
    Query,
}

pub use keys::KeysFile;
pub use services::{Answered, Projector, SKETCH_KEY};

impl Stack {
    /// Starts the servers, with the schema in place, and none of the services.
    pub async fn servers() -> Result<Self> {
        Self::servers_with(None).await
    }

    /// Starts the servers with another configuration of nats-server.
    pub async fn servers_with(nats_conf: Option<&Path>) -> Result<Self> {
        Self::servers_of(programs().await?, nats_conf).await
    }

    /// The servers, for services that were built elsewhere.
    pub async fn servers_for(programs: Services) -> Result<Self> {
        Self::servers_of(programs, None).await
    }

    /// Where data and logs of all of it lie.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Leaves data and logs where they are when all else is gone, and tells where.
    pub fn keep_folder(&mut self) -> PathBuf {
        self.dir.keep()
    }

    /// The servers, with a clock of the log's server that can be moved.
    pub async fn servers_with_clock(programs: Services) -> Result<(Self, MovableClock)> {
        let program = install::nats_server_with_movable_clock(&Workspace::find()?).await?;
        let dir = TestFolder::new(PREFIX)?;
        let clock = MovableClock::in_folder(dir.path())?;
        let options = NatsOptions {
            program: Some(program),
            environment: vec![clock.variable()],
            ..NatsOptions::new(dir.path().join("nats"))
        };
        Ok((Self::servers_in(dir, programs, options).await?, clock))
    }

    async fn servers_of(programs: Services, nats_conf: Option<&Path>) -> Result<Self> {
        let dir = TestFolder::new(PREFIX)?;
        let options = NatsOptions { conf: nats_conf.map(Into::into), ..NatsOptions::new(dir.path().join("nats")) };
        Self::servers_in(dir, programs, options).await
    }

    async fn servers_in(dir: TestFolder, programs: Services, options: NatsOptions) -> Result<Self> {
        let nats = Nats::start_with(options).await?;
        let postgres = Postgres::start(&dir.path().join("postgres")).await?;
        let (ingest_port, query_port) = (ports::free(), ports::free());
        let stack = Self {
            nats,
            postgres,
            ingest_client: Client::new(ingest_port),
            query_client: Client::new(query_port),
            ingest_port,
            query_port,
            programs,
            dir,
        };
        stack.create_database(DATABASE).await?;
        Ok(stack)
    }

    /// A database with the schema in place, empty.
    pub async fn create_database(&self, name: &str) -> Result<()> {
        self.postgres.create_database(name).await?;
        let migrate = self.command("projector", &[("DATABASE_URL", &self.postgres.owner_url(name))]);
        let migrate =
            with(migrate, &[("PROJECTOR_DB_PASSWORD", PROJECTOR_PASSWORD), ("QUERY_DB_PASSWORD", QUERY_PASSWORD)]);
        let process = self.start("migrate", migrate, &["migrate"])?;
        let status = process.exit().wait().await;
        anyhow::ensure!(status.success(), "projector migrate: {}", process.log_tail(20));
        Ok(())
    }

    /// The URL of a database for one of the services, with its password.
    pub fn url_of(&self, user: DatabaseUser, database: &str) -> String {
        match user {
            DatabaseUser::Projector => self.postgres.url("tidemark_projector", PROJECTOR_PASSWORD, database),
            DatabaseUser::Query => self.postgres.url("tidemark_query", QUERY_PASSWORD, database),
        }
    }

    fn command(&self, service: &str, environment: &[(&str, &str)]) -> Command {
        let program = match service {
            "ingest" => &self.programs.ingest,
            "projector" => &self.programs.projector,
            _ => &self.programs.query,
        };
        with(Command::new(program), environment)
    }

    fn start(&self, name: &str, mut command: Command, arguments: &[&str]) -> Result<Process> {
        // Whatever the tests are run with: the last words of a process are its reason, not where it comes from.
        command.args(arguments).env("RUST_LIB_BACKTRACE", "0");
        if !command.get_envs().any(|(name, _)| name == "RUST_LOG") {
            command.env("RUST_LOG", std::env::var_os("RUST_LOG").unwrap_or_else(|| RUST_LOG.into()));
        }
        Process::start(Launch::new(name, command).log(self.dir.path().join(format!("{name}.log"))))
    }
}

fn with(mut command: Command, environment: &[(&str, &str)]) -> Command {
    command.envs(environment.iter().copied());
    command
}

/// The services, built once for all tests of this process.
async fn programs() -> Result<Services> {
    static PROGRAMS: OnceCell<Services> = OnceCell::const_new();
    PROGRAMS.get_or_try_init(|| build::services(Profile::Dev)).await.cloned()
}
