//! Configuration from the environment: one flat struct a process, a field a variable.

use anyhow::Context;
use serde::de::DeserializeOwned;

/// Reads a process' configuration. An empty variable counts as absent: that is how compose files and shells leave a
/// variable out.
///
/// # Errors
///
/// A variable is missing or cannot be read. Secrets are texts that any value fits, so no message shows one.
pub fn from_env<C: DeserializeOwned>() -> anyhow::Result<C> {
    envy::from_iter(std::env::vars().filter(|(_, value)| !value.is_empty())).context("reading the environment")
}
