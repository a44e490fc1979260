//! The keys as they are in the file now: one that was added is good, and one that was revoked is refused, within a second.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::keys::{self, Keys};
use crate::followed::{self, Files};

/// Keys that can be used.
const USABLE: &str = "access_keys";

/// Whether the file cannot be read: 1, and the keys are those that were last read from it.
const STALE: &str = "access_keys_stale";

/// Reads the keys, and follows the file until nobody asks for keys any more.
///
/// # Errors
///
/// The file cannot be read now. Later that is only logged and measured: those who had keys keep them.
pub(super) fn follow(path: PathBuf) -> anyhow::Result<watch::Receiver<Arc<Keys>>> {
    let paths = vec![path.clone()];
    let read = Box::new(move || Ok(Keys::from(keys::read(&path)?)));
    let keys = followed::follow(Files { what: "keys", paths, read, measure })?;
    tracing::info!(keys.usable = keys.borrow().usable(), "Keys are asked for");
    Ok(keys)
}

fn measure(keys: &Keys, is_stale: bool) {
    metrics::describe_gauge!(USABLE, metrics::Unit::Count, "Keys that are not revoked");
    metrics::describe_gauge!(STALE, metrics::Unit::Count, "1 while the file of keys cannot be read");
    metrics::gauge!(USABLE).set(u32::try_from(keys.usable()).unwrap_or(u32::MAX));
    metrics::gauge!(STALE).set(u32::from(is_stale));
}
