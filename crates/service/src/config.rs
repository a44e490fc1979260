//! Configuration from the environment: one flat struct a process, a field a variable.

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::address::Address;

/// A variable, for `--help`.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it sets, in which unit, and its default.
    pub meaning: &'static str,
}

/// Shown for a secret that is set.
const HIDDEN: &str = "(set, not shown)";

/// Reads a process' configuration. An empty variable counts as absent: that is how compose files and shells leave a
/// variable out.
///
/// # Errors
///
/// A variable is missing or cannot be read. Secrets are texts that any value fits, so no message shows one.
pub fn from_env<C: DeserializeOwned>() -> anyhow::Result<C> {
    envy::from_iter(std::env::vars().filter(|(_, value)| !value.is_empty())).context("reading the environment")
}

/// A configuration as lines of `NAME=value`, defaults included. What is absent has no value.
///
/// # Panics
///
/// It is no flat struct.
pub fn shown(config: &impl Serialize) -> String {
    let config = serde_json::to_value(config).expect("a flat struct of numbers and texts");
    let fields = config.as_object().expect("a flat struct");
    let lines = fields.iter().map(|(name, value)| format!("{}={}", name.to_uppercase(), text(value)));
    lines.map(|line| line + "\n").collect()
}

/// The servers of the log that a variable names, separated by commas.
///
/// # Errors
///
/// There are credentials in it: the log's client would leave them out without a word.
pub fn log_servers(urls: &Address) -> anyhow::Result<Vec<&str>> {
    let urls = urls.with_credentials();
    anyhow::ensure!(
        !urls.contains('@'),
        "NATS_URL must have no user and no password in it: put them into NATS_USER and NATS_PASSWORD"
    );
    Ok(urls.split(',').map(str::trim).collect())
}

/// For `serialize_with` of a secret.
///
/// # Errors
///
/// Never of its own.
pub fn secret<T, S: Serializer>(secret: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| HIDDEN).serialize(serializer)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Config {
        listen: std::net::SocketAddr,
        servers: Vec<String>,
        wait_ms: Option<u32>,
        #[serde(serialize_with = "secret")]
        password: Option<String>,
        #[serde(serialize_with = "secret")]
        key: Option<String>,
        database_url: Address,
    }

    #[test]
    fn a_configuration_is_shown_without_its_secrets() {
        let config = Config {
            listen: ([127, 0, 0, 1], 3000).into(),
            servers: vec!["a".to_owned(), "b".to_owned()],
            wait_ms: None,
            password: Some("s3cret".to_owned()),
            key: None,
            database_url: "postgres://user:s3cret@host:5432/database?password=s3cret".into(),
        };
        let shown = shown(&config);
        let lines: Vec<_> = shown.lines().collect();
        for line in [
            "LISTEN=127.0.0.1:3000",
            "SERVERS=a,b",
            "WAIT_MS=",
            "PASSWORD=(set, not shown)",
            "KEY=",
            "DATABASE_URL=postgres://hidden@host:5432/database",
        ] {
            assert!(lines.contains(&line), "{line} in {shown}");
        }
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
