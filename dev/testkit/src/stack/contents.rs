//! What is in the log and in the read models.

use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::jetstream;
use launcher::servers::nats::NatsUser;
use sqlx::postgres::{PgPool, PgPoolOptions};

use super::{DATABASE, DatabaseUser, Stack};
use crate::observe::log;
use crate::observe::snapshot;
use crate::wait;

/// A projector that has something to fold moves a checkpoint within this time, on a machine that does other things too.
const DRAIN_STEP_BOUND: Duration = Duration::from_secs(30);

/// The log answers within this time, while compilers write to the same disk.
const LOG_PATIENCE: Duration = Duration::from_mins(1);

impl Stack {
    /// The log, as an operator sees it.
    pub async fn log(&self) -> Result<jetstream::Context> {
        let user = self.nats.user(NatsUser::Operator);
        let options = async_nats::ConnectOptions::new().user_and_password(user.user, user.password);
        let client = options.connect(self.nats.url()).await.context("connecting as operator")?;
        let mut log = jetstream::new(client);
        log.set_timeout(LOG_PATIENCE);
        Ok(log)
    }

    /// A database, as its owner sees it.
    pub fn database(&self, name: &str) -> Result<PgPool> {
        Ok(PgPoolOptions::new().max_connections(2).connect_lazy(&self.postgres.owner_url(name))?)
    }

    /// A database, as one of the services sees it.
    pub fn database_of(&self, user: DatabaseUser) -> Result<PgPool> {
        Ok(PgPoolOptions::new().max_connections(1).connect_lazy(&self.url_of(user, DATABASE))?)
    }

    /// Where ingest listens.
    pub fn ingest_port(&self) -> u16 {
        self.ingest_port
    }

    /// Waits until everything in the log is in a database, and answers its picture.
    pub async fn drained(&self, database: &str) -> Result<Vec<String>> {
        self.drained_to(&self.log_ends().await?, database).await
    }

    /// Waits until a database is as far as `ends` of a log, and answers its picture.
    pub async fn drained_to(&self, ends: &[(i32, i64)], database: &str) -> Result<Vec<String>> {
        let pool = self.database(database)?;
        let mut last = Vec::new();
        while last != ends {
            last = wait::until("a checkpoint moves", DRAIN_STEP_BOUND, async || {
                let checkpoints = snapshot::checkpoints(&pool).await.ok()?;
                (checkpoints != last || checkpoints == ends).then_some(checkpoints)
            })
            .await;
        }
        snapshot::read_models(&pool).await
    }

    /// The last sequence of partition 0.
    pub async fn end_of_partition_0(&self) -> Result<i64> {
        Ok(self.log_ends().await?.first().context("there is no partition 0")?.1)
    }

    /// The last sequence of every partition that has one.
    pub async fn log_ends(&self) -> Result<Vec<(i32, i64)>> {
        log::ends(&self.log().await?).await
    }
}
