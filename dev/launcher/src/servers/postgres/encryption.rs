//! A server that takes encrypted connections only.

use std::fs::{self, OpenOptions};
use std::io::Write;

use anyhow::{Context, Result};

use super::Postgres;
use crate::secrets;

impl Postgres {
    /// Starts it again with this certificate and its key, in PEM, and lets nobody in who does not speak TLS. It can be called
    /// again with others.
    ///
    /// # Errors
    ///
    /// Its folder cannot be written, or it does not start.
    pub async fn encrypt(&mut self, certificate: &str, key: &str) -> Result<()> {
        let home = &self.start.home;
        let data = home.data();
        // Where it looks by default.
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = data.join(name);
            // Only a file that is new gets the rights of a secret.
            let _ = fs::remove_file(&path);
            secrets::write_private(&path, text)?;
            if let Some(account) = home.account() {
                account.own(&path)?;
            }
        }
        let access = data.join("pg_hba.conf");
        let rules = fs::read_to_string(&access).with_context(|| format!("reading {}", access.display()))?;
        fs::write(&access, rules.replace("\nhost ", "\nhostssl ")).context("asking for encryption")?;
        let mut settings = OpenOptions::new().append(true).open(data.join("postgresql.conf"))?;
        settings.write_all(b"\nssl = on\n").context("turning encryption on")?;
        self.restart().await
    }
}
