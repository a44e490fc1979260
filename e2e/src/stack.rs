//! Servers and services, started and stopped at will. One stack a test: nothing is shared, so anything may be killed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::jetstream;
use contract::Partition;
use launcher::build::{self, Profile, Services};
use launcher::ports;
use launcher::process::{Launch, Process};
use launcher::ready;
use launcher::servers::nats::{Nats, NatsOptions, NatsUser};
use launcher::servers::postgres::Postgres;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::client::Client;
use crate::picture;
use crate::wait;

/// The database that query reads.
pub const DATABASE: &str = "tidemark";

/// A projector that has something to fold moves a checkpoint within this time, on a machine that does other things too.
const DRAIN_STEP_BOUND: Duration = Duration::from_secs(30);

const PROJECTOR_PASSWORD: &str = "for-the-test-p";
const SKETCH_KEY: &str = "000102030405060708090a0b0c0d0e0f";
const QUERY_PASSWORD: &str = "for-the-test-q";

/// What a stack is made of. Dropped, all of it is gone.
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
    dir: TempDir,
}

/// The services' roles in Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseUser {
    /// Writes read models.
    Projector,
    /// Reads them.
    Query,
}

/// A running projector.
pub struct Projector {
    /// Its process.
    pub process: Process,
    /// Talks to its health and metrics.
    pub client: Client,
}

impl Stack {
    /// Starts the servers, with the schema in place, and none of the services.
    ///
    /// # Errors
    ///
    /// A server cannot be started; the message says why.
    pub async fn servers() -> Result<Self> {
        Self::servers_with(None).await
    }

    /// The same with another configuration of the log's server.
    ///
    /// # Errors
    ///
    /// A server cannot be started; the message says why.
    pub async fn servers_with(nats_conf: Option<&Path>) -> Result<Self> {
        Self::servers_of(programs().await?, nats_conf).await
    }

    /// The servers, for services that were built elsewhere.
    ///
    /// # Errors
    ///
    /// A server cannot be started; the message says why.
    pub async fn servers_for(programs: Services) -> Result<Self> {
        Self::servers_of(programs, None).await
    }

    /// Leaves data and logs where they are when all else is gone, and tells where.
    pub fn keep_folder(&mut self) -> PathBuf {
        self.dir.disable_cleanup(true);
        self.dir.path().to_owned()
    }

    async fn servers_of(programs: Services, nats_conf: Option<&Path>) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("tidemark-e2e-").tempdir().context("making a folder")?;
        let options = NatsOptions { conf: nats_conf.map(Into::into), ..NatsOptions::new(dir.path().join("nats")) };
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
    ///
    /// # Errors
    ///
    /// Postgres refuses.
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

    /// Starts ingest and waits until it is ready.
    ///
    /// # Errors
    ///
    /// It ended; the message holds the end of its log.
    pub async fn ingest(&self, environment: &[(&str, &str)]) -> Result<Process> {
        let process = self.ingest_unready(environment)?;
        ready::wait_for_http(&process, &self.ingest_client.url("/readyz")).await?;
        Ok(process)
    }

    /// Starts ingest and does not wait.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn ingest_unready(&self, environment: &[(&str, &str)]) -> Result<Process> {
        let user = self.nats.user(NatsUser::Ingest);
        let command = self.command(
            "ingest",
            &[
                ("NATS_URL", &self.nats.url()),
                ("NATS_USER", &user.user),
                ("NATS_PASSWORD", &user.password),
                ("NATS_MONITOR_URLS", &self.nats.monitor_url()),
                ("INGEST_LISTEN", &format!("127.0.0.1:{}", self.ingest_port)),
            ],
        );
        self.start("ingest", with(command, environment), &[])
    }

    /// Starts a projector on a database and waits until it lives; whether it is ready depends on the log.
    ///
    /// # Errors
    ///
    /// It ended; the message holds the end of its log.
    pub async fn projector(&self, database: &str, environment: &[(&str, &str)]) -> Result<Projector> {
        let projector = self.projector_unready(database, environment)?;
        ready::wait_for_http(&projector.process, &projector.client.url("/healthz")).await?;
        Ok(projector)
    }

    /// Starts a projector on a database and does not wait.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn projector_unready(&self, database: &str, environment: &[(&str, &str)]) -> Result<Projector> {
        self.projector_named("projector", database, environment)
    }

    /// The same under a name of its own, which its log has, too.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn projector_named(&self, name: &str, database: &str, environment: &[(&str, &str)]) -> Result<Projector> {
        let user = self.nats.user(NatsUser::Projector);
        let port = ports::free();
        let command = self.command(
            "projector",
            &[
                ("NATS_URL", &self.nats.url()),
                ("NATS_USER", &user.user),
                ("NATS_PASSWORD", &user.password),
                ("DATABASE_URL", &self.url_of(DatabaseUser::Projector, database)),
                ("SKETCH_KEY", SKETCH_KEY),
                // Short, so that tests need not wait long until a killed projector's partitions are taken over.
                ("LEASE_MS", "1500"),
                ("PROJECTOR_LISTEN", &format!("127.0.0.1:{port}")),
            ],
        );
        let process = self.start(name, with(command, environment), &["run"])?;
        Ok(Projector { process, client: Client::new(port) })
    }

    /// Runs a command of an operator to its end, and answers what it printed.
    ///
    /// # Errors
    ///
    /// It failed; the message holds what it said.
    pub async fn operate(&self, arguments: &[&str]) -> Result<String> {
        let command = self.command(
            "projector",
            &[
                ("DATABASE_URL", &self.url_of(DatabaseUser::Projector, DATABASE)),
                ("SKETCH_KEY", SKETCH_KEY),
                ("RUST_LOG", "warn"),
            ],
        );
        let output = tokio::process::Command::from(command).args(arguments).output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "projector {arguments:?}: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts query and waits until it lives; it is ready once there is a generation.
    ///
    /// # Errors
    ///
    /// It ended; the message holds the end of its log.
    pub async fn query(&self) -> Result<Process> {
        self.query_with(&[]).await
    }

    /// The same with more in its environment.
    ///
    /// # Errors
    ///
    /// It ended; the message holds the end of its log.
    pub async fn query_with(&self, environment: &[(&str, &str)]) -> Result<Process> {
        let command = self.command(
            "query",
            &[
                ("DATABASE_URL", &self.url_of(DatabaseUser::Query, DATABASE)),
                ("QUERY_LISTEN", &format!("127.0.0.1:{}", self.query_port)),
            ],
        );
        let process = self.start("query", with(command, environment), &[])?;
        ready::wait_for_http(&process, &self.query_client.url("/healthz")).await?;
        Ok(process)
    }

    /// The log, as an operator sees it.
    ///
    /// # Errors
    ///
    /// The server is away.
    pub async fn log(&self) -> Result<jetstream::Context> {
        let user = self.nats.user(NatsUser::Operator);
        let options = async_nats::ConnectOptions::new().user_and_password(user.user, user.password);
        let client = options.connect(self.nats.url()).await.context("connecting as operator")?;
        Ok(jetstream::new(client))
    }

    /// A database, as its owner sees it.
    ///
    /// # Errors
    ///
    /// The URL cannot be read.
    pub fn database(&self, name: &str) -> Result<PgPool> {
        Ok(PgPoolOptions::new().max_connections(2).connect_lazy(&self.postgres.owner_url(name))?)
    }

    /// A database, as one of the services sees it.
    ///
    /// # Errors
    ///
    /// The URL cannot be read.
    pub fn database_of(&self, user: DatabaseUser) -> Result<PgPool> {
        Ok(PgPoolOptions::new().max_connections(1).connect_lazy(&self.url_of(user, DATABASE))?)
    }

    /// Where ingest listens.
    pub fn ingest_port(&self) -> u16 {
        self.ingest_port
    }

    /// Waits until everything in the log is in a database, and answers its picture.
    ///
    /// # Errors
    ///
    /// The log is away.
    ///
    /// # Panics
    ///
    /// Nothing moves for too long.
    pub async fn drained(&self, database: &str) -> Result<Vec<String>> {
        let ends = self.log_ends().await?;
        let pool = self.database(database)?;
        let mut last = Vec::new();
        while last != ends {
            last = wait::until("a checkpoint moves", DRAIN_STEP_BOUND, async || {
                let checkpoints = picture::checkpoints(&pool).await.ok()?;
                (checkpoints != last || checkpoints == ends).then_some(checkpoints)
            })
            .await;
        }
        picture::read_models(&pool).await
    }

    /// The last sequence of partition 0.
    ///
    /// # Errors
    ///
    /// The log is away.
    pub async fn end_of_partition_0(&self) -> Result<i64> {
        Ok(self.log_ends().await?.first().context("there is no partition 0")?.1)
    }

    /// The last sequence of every partition that has one.
    ///
    /// # Errors
    ///
    /// The log is away.
    pub async fn log_ends(&self) -> Result<Vec<(i32, i64)>> {
        let log = self.log().await?;
        let mut ends = Vec::new();
        for partition in Partition::all(64) {
            let Ok(stream) = log.get_stream(partition.stream()).await else { continue };
            let last = i64::try_from(stream.cached_info().state.last_sequence)?;
            ends.push((i32::from(partition.number()), last));
        }
        Ok(ends)
    }

    fn url_of(&self, user: DatabaseUser, database: &str) -> String {
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
        command.args(arguments).env("RUST_LOG", "info,projector=debug").env("RUST_LIB_BACKTRACE", "0");
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
