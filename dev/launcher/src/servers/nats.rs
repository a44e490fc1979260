//! nats-server with JetStream, for the local stack and for tests.

mod clock;
mod cluster;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{answering, start_on_ports};
use crate::install;
use crate::ports;
use crate::process::{Launch, Process};
use crate::progress;
use crate::secrets::Secrets;
use crate::workspace::Workspace;

pub use clock::MovableClock;
pub use cluster::start_cluster;

/// A running nats-server, killed when this is dropped.
#[derive(Debug)]
pub struct Nats {
    start: Start,
    ports: [u16; 2],
    process: Process,
}

/// Options of a server.
#[derive(Clone, Debug)]
pub struct NatsOptions {
    /// Folder of data, passwords and ports, created if it is missing.
    pub dir: PathBuf,
    /// Program; by default the nats-server that is found or installed.
    pub program: Option<PathBuf>,
    /// Configuration, by default `nats/server.conf`. Another one may use the same environment variables.
    pub conf: Option<PathBuf>,
    /// Log, by default `nats-server.log` in `dir`.
    pub log: Option<PathBuf>,
    /// File of passwords, created if it is missing; by default `passwords` in `dir`.
    pub passwords: Option<PathBuf>,
    /// Further environment variables of the configuration.
    pub environment: Vec<(&'static str, String)>,
}

/// The users of `nats/server.conf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatsUser {
    /// User of ingest, which writes events.
    Ingest,
    /// User of the projector, which reads events.
    Projector,
    /// User of operators, with all permissions.
    Operator,
}

/// Credentials of a user.
#[derive(Clone)]
pub struct Credentials {
    /// Name of the user.
    pub user: String,
    /// Password, of letters and digits.
    pub password: String,
}

/// Everything that is needed to start the server again.
#[derive(Clone, Debug)]
struct Start {
    program: PathBuf,
    options: NatsOptions,
    passwords: [String; 3],
}

impl NatsOptions {
    /// The project's configuration, with all files in `dir`.
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
    /// nats-server is missing and cannot be installed, or does not start.
    pub async fn start(dir: &Path) -> Result<Self> {
        Self::start_with(NatsOptions::new(dir)).await
    }

    /// Starts a server with `options`.
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
        let started = start_on_ports(ports::load(&ports_file), async |ports| start.on(ports).await);
        let (process, ports) = progress::step("Starting nats-server", started).await?;
        ports::store(&ports_file, &ports)?;
        Ok(Self { start, ports, process })
    }

    /// `nats://host:port`, without credentials.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port())
    }

    /// `http://host:port` of the monitoring endpoints.
    pub fn monitor_url(&self) -> String {
        monitor_url(self.ports[1])
    }

    /// Port of clients.
    pub fn port(&self) -> u16 {
        self.ports[0]
    }

    /// Credentials of `user`.
    pub fn user(&self, user: NatsUser) -> Credentials {
        Credentials { user: user.name().to_owned(), password: self.start.passwords[user as usize].clone() }
    }

    /// Folder of the streams.
    pub fn store(&self) -> PathBuf {
        self.start.options.store()
    }

    /// Process of the server.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Kills the server without warning.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Stops the server.
    pub async fn stop(&mut self) {
        self.process.stop().await;
    }

    /// Starts the server again on the same ports, with the same data. A running server is stopped first.
    ///
    /// # Errors
    ///
    /// The server does not start, or another process took its port meanwhile.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await;
        self.process = self.start_again().await?;
        Ok(())
    }

    /// Starts the server again on the same ports with another configuration, as a process of the caller. The last process must
    /// have ended.
    ///
    /// # Errors
    ///
    /// As [`Nats::restart`].
    pub async fn start_again_with(&self, conf: &Path) -> Result<Process> {
        let options = NatsOptions { conf: Some(conf.to_owned()), ..self.start.options.clone() };
        let start = Start { options, ..self.start.clone() };
        start.on(self.ports).await?.context("another program took the port of nats-server while it was down")
    }

    /// Starts the server again on the same ports, with the same data, as a process of the caller. The last process must have
    /// ended.
    ///
    /// # Errors
    ///
    /// As [`Nats::restart`].
    pub async fn start_again(&self) -> Result<Process> {
        let process = self.start.on(self.ports).await?;
        process.context("another program took the port of nats-server while it was down")
    }

    /// Freezes the server: it keeps its connections and does not answer.
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
        answering(process, port, &format!("{}/healthz", monitor_url(monitor_port))).await
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

    /// Environment variable of the password in the server's configuration.
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
