//! The services: each a process, started and stopped at will.

use anyhow::Result;
use launcher::ports;
use launcher::process::Process;
use launcher::process::ready;
use launcher::servers::nats::NatsUser;

use super::{DATABASE, DatabaseUser, Stack, with};
use crate::clients::http::Client;

/// The key of a stack's projectors.
pub const SKETCH_KEY: &str = "000102030405060708090a0b0c0d0e0f";

/// A running projector.
pub struct Projector {
    /// Its process.
    pub process: Process,
    /// Talks to its health and metrics.
    pub client: Client,
}

/// What a command of an operator came to.
#[derive(Debug)]
pub struct Answered {
    /// Whether its exit code says so.
    pub is_success: bool,
    /// Its standard output.
    pub text: String,
    /// Its standard error.
    pub complaint: String,
}

impl Stack {
    /// Starts ingest and waits until it is ready.
    pub async fn ingest(&self, environment: &[(&str, &str)]) -> Result<Process> {
        let process = self.ingest_unready(environment)?;
        ready::wait_for_http(&process, &self.ingest_client.url("/readyz")).await?;
        Ok(process)
    }

    /// Starts ingest and does not wait.
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
    pub async fn projector(&self, database: &str, environment: &[(&str, &str)]) -> Result<Projector> {
        let projector = self.projector_unready(database, environment)?;
        ready::wait_for_http(&projector.process, &projector.client.url("/healthz")).await?;
        Ok(projector)
    }

    /// Starts a projector on a database and does not wait.
    pub fn projector_unready(&self, database: &str, environment: &[(&str, &str)]) -> Result<Projector> {
        self.projector_named("projector", database, environment)
    }

    /// Starts a projector under a name of its own, which its log file has, too.
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
    pub async fn operate(&self, arguments: &[&str]) -> Result<String> {
        let answered = self.operate_with(&[], arguments).await?;
        anyhow::ensure!(answered.is_success, "projector {arguments:?}: {}{}", answered.text, answered.complaint);
        Ok(answered.text)
    }

    /// Runs a command of an operator with more variables, whether it succeeds or not.
    pub async fn operate_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Result<Answered> {
        let user = self.nats.user(NatsUser::Projector);
        let command = self.command(
            "projector",
            &[
                ("NATS_URL", &self.nats.url()),
                ("NATS_USER", &user.user),
                ("NATS_PASSWORD", &user.password),
                ("DATABASE_URL", &self.url_of(DatabaseUser::Projector, DATABASE)),
                ("SKETCH_KEY", SKETCH_KEY),
                ("RUST_LOG", "warn"),
            ],
        );
        let mut command = tokio::process::Command::from(with(command, environment));
        let output = command.args(arguments).kill_on_drop(true).output().await?;
        Ok(Answered {
            is_success: output.status.success(),
            text: String::from_utf8(output.stdout)?,
            complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs a command of an operator as the user of the log who may do everything, whatever comes of it.
    pub async fn operate_on_log(&self, arguments: &[&str]) -> Result<Answered> {
        let user = self.nats.user(NatsUser::Operator);
        self.operate_with(&[("NATS_USER", &user.user), ("NATS_PASSWORD", &user.password)], arguments).await
    }

    /// Starts query and waits until it lives; it is ready once there is a generation.
    pub async fn query(&self) -> Result<Process> {
        self.query_with(&[]).await
    }

    /// Starts query with more variables, and waits until it is ready.
    pub async fn query_with(&self, environment: &[(&str, &str)]) -> Result<Process> {
        let process = self.query_unready(environment)?;
        ready::wait_for_http(&process, &self.query_client.url("/healthz")).await?;
        Ok(process)
    }

    /// Starts query, and does not wait until it is ready.
    pub fn query_unready(&self, environment: &[(&str, &str)]) -> Result<Process> {
        let command = self.command(
            "query",
            &[
                ("DATABASE_URL", &self.url_of(DatabaseUser::Query, DATABASE)),
                ("QUERY_LISTEN", &format!("127.0.0.1:{}", self.query_port)),
            ],
        );
        self.start("query", with(command, environment), &[])
    }
}
