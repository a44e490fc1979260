//! Copies of a running server with `pg_basebackup`: a backup, or a standby that follows it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::data_dir::{self, DataDir};
use super::{Durability, OWNER, Postgres, PostgresOptions};
use crate::process::{self, Launch};
use crate::progress;

impl Postgres {
    /// Copies all databases and roles of the running server into a new folder. [`Postgres::start`] with that folder restores
    /// the server.
    ///
    /// # Errors
    ///
    /// The server does not run, or the folder cannot be created.
    pub async fn back_up(&self, dir: &Path) -> Result<()> {
        self.copy(dir, &[]).await
    }

    /// Starts a read-only server that follows this one, with its data in a new folder `dir`.
    ///
    /// # Errors
    ///
    /// As [`Postgres::back_up`], or the new server does not start.
    pub async fn start_standby(&self, dir: &Path) -> Result<Self> {
        // Makes the copy connect to this server, with the same password.
        self.copy(dir, &["--write-recovery-conf"]).await?;
        Self::start_with(PostgresOptions { durability: self.start.durability, ..PostgresOptions::new(dir) }).await
    }

    async fn copy(&self, dir: &Path, how: &[&str]) -> Result<()> {
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let data_dir = DataDir::open(dir)?;
        fs::copy(DataDir::password_path(self.start.data_dir.dir()), DataDir::password_path(dir))
            .context("copying the password")?;
        let draft = data_dir.draft()?;
        let mut command = data_dir::command(&self.start.programs.program("pg_basebackup"));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", OWNER, "--no-password"]);
        command.arg("-D").arg(draft.join("data")).args(["--checkpoint=fast", "--wal-method=stream"]).args(how);
        if self.start.durability == Durability::None {
            command.arg("--no-sync");
        }
        command.env("PGPASSWORD", &self.start.password).env_remove("PGSERVICE");
        let launch = Launch::new("pg_basebackup", command).log(dir.join("pg_basebackup.log")).user(data_dir.user());
        progress::step("Copying the database", process::run(launch)).await?;
        data_dir.publish(&draft)
    }
}
