//! Watches the file of keys: a new key is accepted, and a revoked one refused, within a second.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::Keys;
use crate::file_watch::{self, Files};

/// Gauge of keys that are not revoked.
const USABLE: &str = "access_keys";

/// Gauge that is 1 while the file cannot be read, and the keys are those of the last reading.
const STALE: &str = "access_keys_stale";

/// Reads the keys, and watches the file until all receivers are dropped.
///
/// # Errors
///
/// The file cannot be read now. Later failures are only logged and measured, and the last keys stay.
pub(in crate::access) fn follow(path: PathBuf) -> anyhow::Result<watch::Receiver<Arc<Keys>>> {
    let paths = vec![path.clone()];
    let read = Box::new(move || Ok(Keys::from(super::read(&path)?)));
    let keys = file_watch::follow(Files { what: "keys", paths, read, measure })?;
    tracing::info!(keys.usable = keys.borrow().usable(), "Keys are asked for");
    Ok(keys)
}

fn measure(keys: &Keys, is_stale: bool) {
    metrics::describe_gauge!(USABLE, metrics::Unit::Count, "Keys that are not revoked");
    metrics::describe_gauge!(STALE, metrics::Unit::Count, "1 while the file of keys cannot be read");
    metrics::gauge!(USABLE).set(u32::try_from(keys.usable()).unwrap_or(u32::MAX));
    metrics::gauge!(STALE).set(u32::from(is_stale));
}
