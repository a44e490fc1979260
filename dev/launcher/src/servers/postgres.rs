//! Postgres, for the local stack and for tests.

/// The folder of a database: made, and given to the account that may run it.
mod home;

/// Copies of a server that runs.
mod copy;

/// A server that takes encrypted connections only.
mod encryption;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{port_was_taken, start_on_ports};
use crate::install::{self, PostgresPrograms};
use crate::ports;
use crate::process::{self, Farewell, Launch, Process};
use crate::progress;
use crate::ready;
use crate::secrets::Secrets;
use crate::workspace::Workspace;

use home::Home;
pub(crate) use home::{leave, move_in};

/// The superuser that owns every database here.
pub const OWNER: &str = "tidemark";

/// Connections of all clients together. Ten test databases with a pool of ten each fit.
const CONNECTIONS_MAX: u32 = 100;

/// A running Postgres. Dropped, it is killed.
#[derive(Debug)]
pub struct Postgres {
    start: Start,
    port: u16,
    process: Process,
}

/// Where a server keeps its data, and how much it cares for them.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// The folder of its data, password and port. Made when it is missing.
    pub dir: PathBuf,
    /// Whether data survive a power cut.
    pub durability: Durability,
    /// Its log; `postgres.log` in `dir` when `None`.
    pub log: Option<PathBuf>,
}

/// Whether data survive a power cut. They survive the death of any process either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Everything is synced, as the defaults of Postgres have it.
    Full,
    /// Nothing is synced: for tests, which are over by then.
    None,
}

/// All that is needed to start the same server again.
#[derive(Debug)]
struct Start {
    programs: PostgresPrograms,
    home: Home,
    durability: Durability,
    log: PathBuf,
    password: String,
}

impl PostgresOptions {
    /// A server for tests: nothing is synced, everything lies in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), durability: Durability::None, log: None }
    }
}

impl Postgres {
    /// Starts a server for tests with its data in `dir`: nothing is synced.
    ///
    /// As root it runs under another account, and the private temporary folders above `dir` are opened for passing
    /// through.
    ///
    /// # Errors
    ///
    /// When Postgres is missing and cannot be installed, or does not start.
    pub async fn start(dir: &Path) -> Result<Self> {
        Self::start_with(PostgresOptions::new(dir)).await
    }

    /// Starts a server as `options` say.
    ///
    /// # Errors
    ///
    /// As [`Postgres::start`].
    pub async fn start_with(options: PostgresOptions) -> Result<Self> {
        let workspace = Workspace::find()?;
        let programs = install::postgres(&workspace).await?;
        std::fs::create_dir_all(&options.dir).with_context(|| format!("creating {}", options.dir.display()))?;
        let password = Secrets::open(Home::password_path(&options.dir))?.password("POSTGRES_PASSWORD")?;
        let home = Home::settle(&options.dir)?;
        home.make(&programs, &password, options.durability).await?;
        let log = options.log.unwrap_or_else(|| options.dir.join("postgres.log"));
        let start = Start { programs, home, durability: options.durability, log, password };
        let ports_file = options.dir.join("ports");
        let started = start_on_ports(ports::remembered(&ports_file), async |[port]| start.on(port).await);
        let (process, [port]) = progress::step("Starting Postgres", started).await?;
        ports::remember(&ports_file, &[port])?;
        Ok(Self { start, port, process })
    }

    /// A URL of this database for its owner, with the password.
    pub fn owner_url(&self, database: &str) -> String {
        self.url(OWNER, &self.start.password, database)
    }

    /// A URL of this database for some user.
    pub fn url(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port of its clients.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password of [`OWNER`].
    pub fn owner_password(&self) -> &str {
        &self.start.password
    }

    /// The server's process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Makes an empty database of this name, unless there is one.
    ///
    /// # Errors
    ///
    /// When the server refuses it.
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

    /// Kills it without warning, its backends too.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Disconnects its clients and shuts it down.
    pub async fn stop(&mut self) {
        self.process.stop().await;
    }

    /// Starts it again on the same port, with the same data. A server that still runs is stopped first.
    ///
    /// # Errors
    ///
    /// When it does not start, or somebody took its port meanwhile.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await;
        self.process = self.start_again().await?;
        Ok(())
    }

    /// Starts it again on the same port, with the same data, as a process of the caller's. The last one has ended.
    ///
    /// # Errors
    ///
    /// As [`Postgres::restart`].
    pub async fn start_again(&self) -> Result<Process> {
        let process = self.start.on(self.port).await?;
        process.context("somebody took the port of Postgres while it was down")
    }

    /// Stops it in mid-air with its backends: it holds its connections and answers nothing.
    ///
    /// # Errors
    ///
    /// As [`Process::freeze`].
    pub fn freeze(&self) -> Result<()> {
        self.process.freeze()
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.process.thaw();
    }
}

impl Start {
    async fn on(&self, port: u16) -> Result<Option<Process>> {
        let mut command = home::command(&self.programs.program("postgres"));
        command.arg("-D").arg(self.home.data());
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "logging_collector=off",
            "log_destination=stderr",
            // With the default of 128 MB, 4 of 100 times that a report was looked at beside a rebuild it was writing out a
            // page that the rebuild had changed. What is not used takes no memory.
            "shared_buffers=512MB",
            // A rebuild of ten million events writes up to three gigabytes. Checkpoints that often make live commits write whole pages.
            "max_wal_size=4GB",
        ];
        for setting in settings.into_iter().chain(self.durability.settings().iter().copied()) {
            command.args(["-c", setting]);
        }
        command.args(["-c", &format!("port={port}"), "-c", &format!("max_connections={CONNECTIONS_MAX}")]);
        let launch = Launch::new("postgres", command).log(&self.log).farewell(Farewell::Interrupt);
        let process = Process::start(launch.account(self.home.account()))?;
        let is_ready = async || self.home.is_served_by(process.pid());
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
            // Commits stay synchronous: they are in the system's hands when they are told, as a killed server needs it.
            Self::None => &["fsync=off", "full_page_writes=off"],
        }
    }
}
