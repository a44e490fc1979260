//! nats-server with JetStream, for the local stack and for tests.

/// Three of them, which keep one log together.
mod cluster;

/// A wall clock that tests move.
mod clock;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{port_was_taken, start_on_ports};
use crate::install;
use crate::ports;
use crate::process::{Launch, Process};
use crate::progress;
use crate::ready;
use crate::secrets::Secrets;
use crate::workspace::Workspace;

pub use clock::MovableClock;
pub use cluster::start_cluster;

/// A running nats-server. Dropped, it is killed.
#[derive(Debug)]
pub struct Nats {
    start: Start,
    ports: [u16; 2],
    process: Process,
}

/// Where a server keeps its data, and what it is told.
#[derive(Clone, Debug)]
pub struct NatsOptions {
    /// The folder of its data, passwords and ports. Made when it is missing.
    pub dir: PathBuf,
    /// The program; the nats-server that is found or installed when `None`.
    pub program: Option<PathBuf>,
    /// Its configuration; `nats/server.conf` when `None`. Another one may use the same variables of the environment.
    pub conf: Option<PathBuf>,
    /// Its log; `nats-server.log` in `dir` when `None`.
    pub log: Option<PathBuf>,
    /// The file of its passwords, made when it is missing; `passwords` in `dir` when `None`.
    pub passwords: Option<PathBuf>,
    /// What else its configuration takes from the environment.
    pub environment: Vec<(&'static str, String)>,
}

/// The users of `nats/server.conf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatsUser {
    /// Writes events.
    Ingest,
    /// Reads them.
    Projector,
    /// A person, who may do everything.
    Operator,
}

/// What a client logs in with.
#[derive(Clone)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// Letters and digits.
    pub password: String,
}

/// All that is needed to start the same server again.
#[derive(Clone, Debug)]
struct Start {
    program: PathBuf,
    options: NatsOptions,
    passwords: [String; 3],
}

impl NatsOptions {
    /// The project's own configuration, everything in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), program: None, conf: None, log: None, passwords: None, environment: vec![] }
    }

    fn passwords_path(&self) -> PathBuf {
        self.passwords.clone().unwrap_or_else(|| self.dir.join("passwords"))
    }

    fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    fn log_path(&self) -> PathBuf {
        self.log.clone().unwrap_or_else(|| self.dir.join("nats-server.log"))
    }
}

impl Nats {
    /// Starts a server with the project's configuration and its data in `dir`.
    ///
    /// # Errors
    ///
    /// When nats-server is missing and cannot be installed, or does not start.
    pub async fn start(dir: &Path) -> Result<Self> {
        Self::start_with(NatsOptions::new(dir)).await
    }

    /// Starts a server as `options` say.
    ///
    /// # Errors
    ///
    /// As [`Nats::start`].
    pub async fn start_with(options: NatsOptions) -> Result<Self> {
        let workspace = Workspace::find()?;
        let program = match &options.program {
            Some(program) => program.clone(),
            None => install::nats_server(&workspace).await?,
        };
        std::fs::create_dir_all(&options.dir).with_context(|| format!("creating {}", options.dir.display()))?;
        let mut secrets = Secrets::open(options.passwords_path())?;
        let conf = options.conf.clone().unwrap_or_else(|| workspace.root().join("nats/server.conf"));
        let options = NatsOptions { conf: Some(conf), ..options };
        let ports_file = options.dir.join("ports");
        let passwords = [
            secrets.password(NatsUser::Ingest.variable())?,
            secrets.password(NatsUser::Projector.variable())?,
            secrets.password(NatsUser::Operator.variable())?,
        ];
        let start = Start { program, options, passwords };
        let started = start_on_ports(ports::remembered(&ports_file), async |ports| start.on(ports).await);
        let (process, ports) = progress::step("Starting nats-server", started).await?;
        ports::remember(&ports_file, &ports)?;
        Ok(Self { start, ports, process })
    }

    /// `nats://host:port`, without credentials.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port())
    }

    /// `http://host:port` of its monitoring endpoints.
    pub fn monitor_url(&self) -> String {
        monitor_url(self.ports[1])
    }

    /// The port of its clients.
    pub fn port(&self) -> u16 {
        self.ports[0]
    }

    /// What `user` logs in with.
    pub fn user(&self, user: NatsUser) -> Credentials {
        Credentials { user: user.name().to_owned(), password: self.start.passwords[user as usize].clone() }
    }

    /// The folder that its streams lie in.
    pub fn store(&self) -> PathBuf {
        self.start.options.store()
    }

    /// The server's process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Kills it without warning.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(&mut self) {
        self.process.stop().await;
    }

    /// Starts it again on the same ports, with the same data. A server that still runs is stopped first.
    ///
    /// # Errors
    ///
    /// When it does not start, or somebody took its port meanwhile.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await;
        self.process = self.start_again().await?;
        Ok(())
    }

    /// Starts it again on the same ports with another configuration, as a process of the caller's. The last one has ended.
    ///
    /// # Errors
    ///
    /// As [`Nats::restart`].
    pub async fn start_again_with(&self, conf: &Path) -> Result<Process> {
        let options = NatsOptions { conf: Some(conf.to_owned()), ..self.start.options.clone() };
        let start = Start { options, ..self.start.clone() };
        start.on(self.ports).await?.context("another program took the port of nats-server while it was down")
    }

    /// Starts it again on the same ports, with the same data, as a process of the caller's. The last one has ended.
    ///
    /// # Errors
    ///
    /// As [`Nats::restart`].
    pub async fn start_again(&self) -> Result<Process> {
        let process = self.start.on(self.ports).await?;
        process.context("somebody took the port of nats-server while it was down")
    }

    /// Stops it in mid-air: it holds its connections and answers nothing.
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
    async fn on(&self, ports: [u16; 2]) -> Result<Option<Process>> {
        let [port, monitor_port] = ports;
        let mut command = Command::new(&self.program);
        command.arg("-c").args(&self.options.conf);
        command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-m", &monitor_port.to_string()]);
        command.env("NATS_STORE_DIR", self.options.store());
        command.envs(self.options.environment.iter().map(|(name, value)| (name, value)));
        for user in [NatsUser::Ingest, NatsUser::Projector, NatsUser::Operator] {
            command.env(user.variable(), &self.passwords[user as usize]);
        }
        let process = Process::start(Launch::new("nats-server", command).log(self.options.log_path()))?;
        let client = ready::client()?;
        let health = format!("{}/healthz", monitor_url(monitor_port));
        // On a port lost to another nats-server, that one would answer for ours.
        let is_ready = async || ready::answers(&client, &health).await && ports::is_held_by(port, process.pid());
        match ready::wait_for(&process, is_ready).await {
            Err(_) if port_was_taken(&process) => Ok(None),
            outcome => outcome.map(|()| Some(process)),
        }
    }
}

impl NatsUser {
    fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Projector => "projector",
            Self::Operator => "operator",
        }
    }

    /// The variable that hands the password to the server's configuration.
    fn variable(self) -> &'static str {
        match self {
            Self::Ingest => "NATS_INGEST_PASSWORD",
            Self::Projector => "NATS_PROJECTOR_PASSWORD",
            Self::Operator => "NATS_OPERATOR_PASSWORD",
        }
    }
}

fn monitor_url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
