//! Copies of a server that runs, as `pg_basebackup` makes them: a backup, or a standby that follows it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::home::{self, Home};
use super::{Durability, OWNER, Postgres, PostgresOptions};
use crate::process::{self, Launch};
use crate::progress;

impl Postgres {
    /// Copies the server, all its databases and roles, into a new folder while it runs. [`Postgres::start`] with that
    /// folder is the server restored.
    ///
    /// # Errors
    ///
    /// The server is away, or the folder cannot be made.
    pub async fn back_up(&self, dir: &Path) -> Result<()> {
        self.copy(dir, &[]).await
    }

    /// Starts a server that follows this one, with its data in a new folder `dir`. It can only be read.
    ///
    /// # Errors
    ///
    /// As [`Postgres::back_up`], or it does not start.
    pub async fn start_standby(&self, dir: &Path) -> Result<Self> {
        // Leads the copy to this server, with the password that the copy is made with.
        self.copy(dir, &["--write-recovery-conf"]).await?;
        Self::start_with(PostgresOptions { durability: self.start.durability, ..PostgresOptions::new(dir) }).await
    }

    async fn copy(&self, dir: &Path, how: &[&str]) -> Result<()> {
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let home = Home::settle(dir)?;
        fs::copy(Home::password_path(self.start.home.dir()), Home::password_path(dir))
            .context("copying the password")?;
        let draft = home.draft()?;
        let mut command = home::command(&self.start.programs.program("pg_basebackup"));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", OWNER, "--no-password"]);
        command.arg("-D").arg(draft.join("data")).args(["--checkpoint=fast", "--wal-method=stream"]).args(how);
        if self.start.durability == Durability::None {
            command.arg("--no-sync");
        }
        command.env("PGPASSWORD", &self.start.password).env_remove("PGSERVICE");
        let launch = Launch::new("pg_basebackup", command).log(dir.join("pg_basebackup.log")).account(home.account());
        progress::step("Copying the database", process::run(launch)).await?;
        home.take_in(&draft)
    }
}
