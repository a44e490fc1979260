//! A file of keys, written by the commands that operators use.

use std::path::PathBuf;

use query::Config;
use tempfile::TempDir;

use crate::server::Database;
use crate::service::{Answer, Service, config};

/// A file of keys in a folder of its own.
pub(crate) struct KeysFile {
    pub(crate) path: PathBuf,
    _folder: TempDir,
}

impl KeysFile {
    /// A file without keys.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { path: folder.path().join("keys"), _folder: folder }
    }

    /// Makes a key.
    pub(crate) async fn add(&self, arguments: &[&str]) -> String {
        self.run(&[["add"].as_slice(), arguments].concat()).await.trim_end().to_owned()
    }

    /// Takes it back.
    pub(crate) async fn revoke(&self, key: &str) {
        self.run(&["revoke", id(key)]).await;
    }

    async fn run(&self, arguments: &[&str]) -> String {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_query"));
        command.arg("keys").args(arguments).arg("--file").arg(&self.path).kill_on_drop(true);
        let output = command.output().await.expect("the command starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// A service that asks for these keys.
    pub(crate) async fn service(&self, database: &Database) -> Service {
        self.service_with(database, |_| {}).await
    }

    /// Starts a service with this file and a further configuration.
    pub(crate) async fn service_with(&self, database: &Database, set: impl FnOnce(&mut Config)) -> Service {
        let mut config = Config { query_keys_file: Some(self.path.clone()), ..config(database.service_url()) };
        set(&mut config);
        Service::start_on(database, config).await
    }
}

/// The part of a key that is no secret.
pub(crate) fn id(key: &str) -> &str {
    key.split('_').nth(1).expect("a key has three parts")
}

impl Service {
    /// A request with a key.
    pub(crate) async fn get_with(&self, key: &str, path: &str) -> Answer {
        self.send(reqwest::Method::GET, path, &[("authorization", &format!("Bearer {key}"))]).await
    }
}
