//! Configuration from the environment: one flat struct for each process, one variable for each field.

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::logging::LogFormat;

/// Configuration of a process, as the macro [`config`](crate::config!) declares it.
pub trait Configuration: Serialize + DeserializeOwned {
    /// Fields, each with the lines of its documentation.
    const FIELDS: &'static [(&'static str, &'static [&'static str])];

    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// Values that contradict each other or cannot work; the message names the variable.
    fn check(&self) -> anyhow::Result<()>;

    /// Format of log lines.
    fn log_format(&self) -> LogFormat;
}

/// Declares the configuration of a process: a struct with a default for each field, which has a method `check`.
///
/// The first paragraph of a field's documentation is its text in `--help`, where the default is named as in
/// `Address of HTTP. Default: 127.0.0.1:3000.` A field without a value has the default of its type.
#[macro_export]
macro_rules! config {
    ($(#[$about:meta])* pub struct $Config:ident {
        $($(#[doc = $doc:literal])+ $(#[serde($($serde:tt)+)])? pub $field:ident: $kind:ty $(= $default:expr)?,)+
    }) => {
        $(#[$about])*
        #[derive(Clone, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $Config {
            $($(#[doc = $doc])+ $(#[serde($($serde)+)])? pub $field: $kind,)+
        }

        impl Default for $Config {
            fn default() -> Self {
                Self { $($field: $crate::config!(@ $($default)?),)+ }
            }
        }

        impl $crate::config::Configuration for $Config {
            const FIELDS: &'static [(&'static str, &'static [&'static str])] =
                &[$((stringify!($field), &[$($doc),+])),+];

            fn check(&self) -> anyhow::Result<()> {
                $Config::check(self)
            }

            fn log_format(&self) -> $crate::logging::LogFormat {
                self.log_format
            }
        }
    };
    (@ $default:expr) => { $default };
    (@) => { Default::default() };
}

/// Placeholder for a secret that is set.
const HIDDEN: &str = "(set, not shown)";

/// Reads the configuration of a process. An empty variable counts as absent, because compose files and shells leave a
/// variable out in that way.
///
/// # Errors
///
/// A variable is missing or cannot be parsed. The message never shows a secret, because every value is a valid secret.
pub fn from_env<C: DeserializeOwned>() -> anyhow::Result<C> {
    envy::from_iter(std::env::vars().filter(|(_, value)| !value.is_empty())).context("reading the environment")
}

/// Prints a configuration as lines of `NAME=value`, defaults included. An absent value is empty.
///
/// # Panics
///
/// The configuration is not a flat struct.
pub fn shown(config: &impl Serialize) -> String {
    let config = serde_json::to_value(config).expect("a flat struct of numbers and texts");
    let fields = config.as_object().expect("a flat struct");
    let lines = fields.iter().map(|(name, value)| format!("{}={}", name.to_uppercase(), text(value)));
    lines.map(|line| line + "\n").collect()
}

/// Serializes a secret as a placeholder, for `serialize_with`.
///
/// # Errors
///
/// The serializer fails.
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
    use crate::address::Address;

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
