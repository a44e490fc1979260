//! A server that accepts only encrypted connections.

use std::fs::{self, OpenOptions};
use std::io::Write;

use anyhow::{Context, Result};

use super::Postgres;
use crate::secrets;

impl Postgres {
    /// Restarts the server with this certificate and key in PEM, and requires TLS. A later call replaces them.
    ///
    /// # Errors
    ///
    /// The data directory cannot be written, or the server does not start.
    pub async fn encrypt(&mut self, certificate: &str, key: &str) -> Result<()> {
        let data_dir = &self.start.data_dir;
        let data = data_dir.data();
        // Default paths of Postgres.
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = data.join(name);
            // Only a new file gets the mode of a secret.
            let _ = fs::remove_file(&path);
            secrets::write_private(&path, text)?;
            if let Some(user) = data_dir.user() {
                user.own(&path)?;
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
