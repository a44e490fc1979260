//! Postgres, for the local stack and for tests.

mod copy;
mod data_dir;
mod encryption;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{port_was_taken, start_on_ports};
use crate::install::{self, PostgresPrograms};
use crate::ports;
use crate::process::{self, Launch, Process, StopSignal, ready};
use crate::progress;
use crate::secrets::Secrets;
use crate::workspace::Workspace;

use data_dir::DataDir;
pub(crate) use data_dir::{create_data_dir, remove_data_dir};

/// The superuser that owns every database here.
pub const OWNER: &str = "tidemark";

/// Maximum connections of all clients: ten test databases with a pool of ten each.
const CONNECTIONS_MAX: u32 = 100;

/// A running Postgres, killed when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    start: Start,
    port: u16,
    process: Process,
}

/// Options of a server.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Folder of data, password and port, created if it is missing.
    pub dir: PathBuf,
    /// Whether data survive a power cut.
    pub durability: Durability,
    /// Log, by default `postgres.log` in `dir`.
    pub log: Option<PathBuf>,
}

/// Whether data survive a power cut. They survive the death of a process in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Everything is synced, as by default in Postgres.
    Full,
    /// Nothing is synced, for tests.
    None,
}

/// Everything that is needed to start the server again.
#[derive(Debug)]
struct Start {
    programs: PostgresPrograms,
    data_dir: DataDir,
    durability: Durability,
    log: PathBuf,
    password: String,
}

impl PostgresOptions {
    /// A server for tests: nothing is synced, and all files are in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), durability: Durability::None, log: None }
    }
}

impl Postgres {
    /// Starts a server for tests with its data in `dir`: nothing is synced.
    ///
    /// If this process is root, Postgres runs as another user, and the temporary folders above `dir` become passable.
    ///
    /// # Errors
    ///
    /// Postgres is missing and cannot be installed, or does not start.
    pub async fn start(dir: &Path) -> Result<Self> {
        Self::start_with(PostgresOptions::new(dir)).await
    }

    /// Starts a server with `options`.
    ///
    /// # Errors
    ///
    /// As [`Postgres::start`].
    pub async fn start_with(options: PostgresOptions) -> Result<Self> {
        let workspace = Workspace::find()?;
        let programs = install::postgres(&workspace).await?;
        std::fs::create_dir_all(&options.dir).with_context(|| format!("creating {}", options.dir.display()))?;
        let password = Secrets::open(DataDir::password_path(&options.dir))?.password("POSTGRES_PASSWORD")?;
        let data_dir = DataDir::open(&options.dir)?;
        data_dir.initialize(&programs, &password, options.durability).await?;
        let log = options.log.unwrap_or_else(|| options.dir.join("postgres.log"));
        let start = Start { programs, data_dir, durability: options.durability, log, password };
        let ports_file = options.dir.join("ports");
        let started = start_on_ports(ports::load(&ports_file), async |[port]| start.on(port).await);
        let (process, [port]) = progress::step("Starting Postgres", started).await?;
        ports::store(&ports_file, &[port])?;
        Ok(Self { start, port, process })
    }

    /// URL of a database for its owner, with the password.
    pub fn owner_url(&self, database: &str) -> String {
        self.url(OWNER, &self.start.password, database)
    }

    /// URL of a database for a user.
    pub fn url(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Port of clients.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Password of [`OWNER`].
    pub fn owner_password(&self) -> &str {
        &self.start.password
    }

    /// Process of the server.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Creates an empty database unless it exists.
    ///
    /// # Errors
    ///
    /// The server refuses it.
    pub async fn create_database(&self, name: &str) -> Result<()> {
        let mut command = Command::new(self.start.programs.program("createdb"));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", OWNER, "--no-password", "--", name]);
        command.env("PGPASSWORD", &self.start.password).env("LC_ALL", "C").env_remove("PGSERVICE");
        let log = tempfile::NamedTempFile::new().context("making a temporary file")?;
        match process::run(Launch::new("createdb", command).log(log.path())).await {
            Err(err) if !format!("{err:#}").contains("already exists") => {
                Err(err).with_context(|| format!("creating the database {name}"))
            }
            _ => Ok(()),
        }
    }

    /// Kills the server and its backends without warning.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Disconnects all clients, and stops the server.
    pub async fn stop(&mut self) {
        self.process.stop().await;
    }

    /// Starts the server again on the same port, with the same data. A running server is stopped first.
    ///
    /// # Errors
    ///
    /// The server does not start, or another process took its port meanwhile.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await;
        self.process = self.start_again().await?;
        Ok(())
    }

    /// Starts the server again on the same port, with the same data, as a process of the caller. The last process must have
    /// ended.
    ///
    /// # Errors
    ///
    /// As [`Postgres::restart`].
    pub async fn start_again(&self) -> Result<Process> {
        let process = self.start.on(self.port).await?;
        process.context("another program took the port of Postgres while it was down")
    }

    /// Freezes the server and its backends: it keeps its connections and does not answer.
    ///
    /// # Errors
    ///
    /// As [`Process::freeze`].
    pub fn freeze(&self) -> Result<()> {
        self.process.freeze()
    }

    /// Continues a frozen server.
    pub fn thaw(&self) {
        self.process.thaw();
    }
}

impl Start {
    async fn on(&self, port: u16) -> Result<Option<Process>> {
        let mut command = data_dir::command(&self.programs.program("postgres"));
        command.arg("-D").arg(self.data_dir.data());
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "logging_collector=off",
            "log_destination=stderr",
            // With the default of 128 MB, reports beside a rebuild had to write out its changed pages. Unused memory is not
            // allocated.
            "shared_buffers=512MB",
            // A rebuild of ten million events writes up to three gigabytes; frequent checkpoints make commits write whole pages.
            "max_wal_size=4GB",
        ];
        for setting in settings.into_iter().chain(self.durability.settings().iter().copied()) {
            command.args(["-c", setting]);
        }
        command.args(["-c", &format!("port={port}"), "-c", &format!("max_connections={CONNECTIONS_MAX}")]);
        let launch = Launch::new("postgres", command).log(&self.log).stop_signal(StopSignal::Interrupt);
        let process = Process::start(launch.user(self.data_dir.user()))?;
        let is_ready = async || self.data_dir.is_served_by(process.pid());
        match ready::wait_for(&process, is_ready).await {
            Err(_) if port_was_taken(&process) => Ok(None),
            outcome => outcome.map(|()| Some(process)),
        }
    }
}

impl Durability {
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Full => &[],
            // Commits stay synchronous: they have reached the kernel, which a killed server needs.
            Self::None => &["fsync=off", "full_page_writes=off"],
        }
    }
}
