//! Configuration from the environment: one flat struct a process, a field a variable.

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::Value;
use url::Url;

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
pub fn log_servers(urls: &str) -> anyhow::Result<Vec<&str>> {
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

/// For `serialize_with` of a URL that may have a password in it, or of several, separated by commas.
///
/// # Errors
///
/// Never of its own.
pub fn without_password<S: Serializer>(urls: &str, serializer: S) -> Result<S::Ok, S::Error> {
    urls.split(',').map(shown_url).collect::<Vec<_>>().join(",").serialize(serializer)
}

/// The same of a list of URLs.
///
/// # Errors
///
/// Never of its own.
pub fn without_passwords<S: Serializer>(urls: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    without_password(&urls.join(","), serializer)
}

fn shown_url(url: &str) -> String {
    if !url.contains(['@', '?']) {
        return url.to_owned();
    }
    match Url::parse(url) {
        Ok(mut url) => {
            // A query can say the same, and more.
            url.set_query(None);
            if url.password().is_some() && url.set_password(Some("hidden")).is_err() {
                return HIDDEN.to_owned();
            }
            url.into()
        }
        Err(_) => HIDDEN.to_owned(),
    }
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
        #[serde(serialize_with = "without_password")]
        database_url: String,
    }

    #[test]
    fn a_configuration_is_shown_without_its_secrets() {
        let config = Config {
            listen: ([127, 0, 0, 1], 3000).into(),
            servers: vec!["a".to_owned(), "b".to_owned()],
            wait_ms: None,
            password: Some("s3cret".to_owned()),
            key: None,
            database_url: "postgres://user:s3cret@host:5432/database?password=s3cret".to_owned(),
        };
        let shown = shown(&config);
        let lines: Vec<_> = shown.lines().collect();
        for line in [
            "LISTEN=127.0.0.1:3000",
            "SERVERS=a,b",
            "WAIT_MS=",
            "PASSWORD=(set, not shown)",
            "KEY=",
            "DATABASE_URL=postgres://user:hidden@host:5432/database",
        ] {
            assert!(lines.contains(&line), "{line} in {shown}");
        }
        assert!(!shown.contains("s3cret"), "{shown}");
        assert_eq!(shown_url("postgres//user:s3cret@nowhere"), HIDDEN);
        assert_eq!(shown_url("127.0.0.1:4222"), "127.0.0.1:4222");
    }
}
