//! Keys that clients need, as an operator makes them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Answered, Stack};

/// A file of keys of one service.
pub struct KeysFile<'a> {
    stack: &'a Stack,
    service: &'static str,
    path: PathBuf,
}

impl Stack {
    /// A file for the keys of `ingest` or `query`; there is none yet.
    pub fn keys_of(&self, service: &'static str) -> KeysFile<'_> {
        KeysFile { stack: self, service, path: self.dir.path().join(format!("keys-{service}")) }
    }
}

impl KeysFile<'_> {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of the file, as the value of a variable.
    ///
    /// # Panics
    ///
    /// Folders for temporary files have names that are no text.
    pub fn name(&self) -> &str {
        self.path.to_str().expect("a path of ASCII")
    }

    /// Makes a key.
    pub async fn add(&self, arguments: &[&str]) -> Result<String> {
        let answered = self.run(&[["add"].as_slice(), arguments].concat()).await?;
        anyhow::ensure!(answered.is_success, "keys add {arguments:?}: {}", answered.complaint);
        Ok(answered.text.trim_end().to_owned())
    }

    /// Takes a key back.
    pub async fn revoke(&self, key: &str) -> Result<()> {
        let answered = self.run(&["revoke", key.split('_').nth(1).context("a key has three parts")?]).await?;
        anyhow::ensure!(answered.is_success, "keys revoke: {}", answered.complaint);
        Ok(())
    }

    /// Runs a command, whatever comes of it.
    pub async fn run(&self, arguments: &[&str]) -> Result<Answered> {
        let command = self.stack.command(self.service, &[]);
        let mut command = tokio::process::Command::from(command);
        command.arg("keys").args(arguments).arg("--file").arg(&self.path);
        let output = command.kill_on_drop(true).output().await?;
        Ok(Answered {
            is_success: output.status.success(),
            text: String::from_utf8(output.stdout)?,
            complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}
