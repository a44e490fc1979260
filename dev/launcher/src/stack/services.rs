//! The three services as processes: their environment and readiness.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::cli::Options;
use crate::build::Services;
use crate::ports;
use crate::process::{self, Launch, Process, ready};
use crate::secrets::Secrets;
use crate::servers::nats::{Nats, NatsUser};
use crate::servers::postgres::Postgres;
use crate::workspace::Workspace;

/// Database of the read models.
pub(crate) const DATABASE: &str = "tidemark";

/// Description of a service.
#[derive(Debug)]
pub(crate) struct Service {
    name: &'static str,
    program: PathBuf,
    /// Port of `/readyz`.
    port: u16,
    environment: Vec<(&'static str, String)>,
}

/// Servers that the services connect to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Servers<'a> {
    pub(crate) nats: &'a Nats,
    pub(crate) postgres: &'a Postgres,
}

/// Passwords and keys that the services share.
pub(crate) struct Keys {
    pub(crate) projector_password: String,
    query_password: String,
    pub(crate) sketch_key: String,
}

impl Keys {
    /// Secrets of the last run, or new ones.
    pub(crate) fn open(workspace: &Workspace) -> Result<Self> {
        let mut secrets = Secrets::open(workspace.data().join("secrets"))?;
        Ok(Self {
            projector_password: secrets.password("PROJECTOR_DB_PASSWORD")?,
            query_password: secrets.password("QUERY_DB_PASSWORD")?,
            sketch_key: secrets.key("SKETCH_KEY")?,
        })
    }
}

impl Service {
    /// All services in the order of the data flow.
    pub(crate) fn all(
        workspace: &Workspace,
        programs: &Services,
        servers: Servers<'_>,
        options: &Options,
    ) -> Result<[Self; 3]> {
        let keys = Keys::open(workspace)?;
        let ports_file = workspace.data().join("ports");
        let [projector_port] = ports::load(&ports_file);
        ports::store(&ports_file, &[projector_port])?;
        Ok([
            Self::ingest(programs, servers.nats, options.ingest_port),
            Self::projector(programs, servers, projector_port, &keys),
            Self::query(programs, servers.postgres, options.query_port, &keys),
        ])
    }

    /// Starts the service, with its output in the folder of logs.
    pub(crate) fn start(&self, workspace: &Workspace) -> Result<Process> {
        let mut command = Command::new(&self.program);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if std::env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", "info");
        }
        let log = workspace.logs().join(format!("{}.log", self.name));
        Process::start(Launch::new(self.name, command).log(log))
    }

    /// Waits until the service is ready.
    pub(crate) async fn wait_until_ready(&self, process: &Process) -> Result<()> {
        ready::wait_for_http(process, &format!("http://127.0.0.1:{}/readyz", self.port)).await
    }

    fn ingest(programs: &Services, nats: &Nats, port: u16) -> Self {
        let mut environment = log_environment(nats, NatsUser::Ingest);
        environment.push(("NATS_MONITOR_URLS", nats.monitor_url()));
        environment.push(("INGEST_LISTEN", listen(port)));
        Self { name: "ingest", program: programs.ingest.clone(), port, environment }
    }

    fn projector(programs: &Services, servers: Servers<'_>, port: u16, keys: &Keys) -> Self {
        let mut environment = log_environment(servers.nats, NatsUser::Projector);
        let database = servers.postgres.url("tidemark_projector", &keys.projector_password, DATABASE);
        environment.push(("DATABASE_URL", database));
        environment.push(("PROJECTOR_LISTEN", listen(port)));
        environment.push(("SKETCH_KEY", keys.sketch_key.clone()));
        Self { name: "projector", program: programs.projector.clone(), port, environment }
    }

    fn query(programs: &Services, postgres: &Postgres, port: u16, keys: &Keys) -> Self {
        let database = postgres.url("tidemark_query", &keys.query_password, DATABASE);
        let environment = vec![("DATABASE_URL", database), ("QUERY_LISTEN", listen(port))];
        Self { name: "query", program: programs.query.clone(), port, environment }
    }
}

/// Migrates the database, and sets the passwords of the services' roles.
pub(crate) async fn migrate(workspace: &Workspace, programs: &Services, postgres: &Postgres) -> Result<()> {
    let keys = Keys::open(workspace)?;
    let mut command = Command::new(&programs.projector);
    command
        .arg("migrate")
        .env("DATABASE_URL", postgres.owner_url(DATABASE))
        .env("PROJECTOR_DB_PASSWORD", keys.projector_password)
        .env("QUERY_DB_PASSWORD", keys.query_password);
    let launch = Launch::new("projector migrate", command).log(workspace.logs().join("projector.log"));
    process::run(launch).await.context("migrating the database")
}

fn log_environment(nats: &Nats, user: NatsUser) -> Vec<(&'static str, String)> {
    let credentials = nats.user(user);
    vec![("NATS_URL", nats.url()), ("NATS_USER", credentials.user), ("NATS_PASSWORD", credentials.password)]
}

fn listen(port: u16) -> String {
    format!("127.0.0.1:{port}")
}
