//! The keys as they are in the file now. It is looked at every second, so a key that was added is good, and one that was
//! revoked is refused, within that time, without a restart.
//!
//! Looking costs one `stat`, and it sees what notices of the kernel do not tell of: files behind links, in network
//! folders, and in volumes of containers.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::keys::{self, Keys, KeysError};

/// Between two looks.
pub(super) const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// Keys that can be used.
const USABLE: &str = "access_keys";

/// Whether the file cannot be read: 1, and the keys are those that were last read from it.
const STALE: &str = "access_keys_stale";

/// What a file is known by. Another content in place has another time, a file that was moved here another number.
#[derive(PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}

/// Reads the keys, and follows the file until nobody asks for keys any more.
///
/// # Errors
///
/// The file cannot be read now. Later that is only logged and measured: those who had keys keep them.
pub(super) fn follow(path: PathBuf) -> Result<watch::Receiver<Arc<Keys>>, KeysError> {
    // Before it is read: what changes in between is read again.
    let stamp = Stamp::of(&path);
    let keys = read(&path)?;
    tracing::info!(keys.usable = keys.usable(), "Keys are asked for");
    let (sender, receiver) = watch::channel(keys);
    tokio::spawn(look_again(path, stamp, sender));
    Ok(receiver)
}

async fn look_again(path: PathBuf, mut stamp: Option<Stamp>, keys: watch::Sender<Arc<Keys>>) {
    let mut complaint = String::new();
    loop {
        measure(keys.borrow().usable(), !complaint.is_empty());
        tokio::select! {
            () = keys.closed() => return,
            () = tokio::time::sleep(LOOK_PAUSE) => {}
        }
        let seen = Stamp::of(&path);
        if seen == stamp && complaint.is_empty() {
            continue;
        }
        match read(&path) {
            Ok(read) => {
                tracing::info!(keys.usable = read.usable(), "Read keys that were changed");
                keys.send_replace(read);
                complaint.clear();
            }
            Err(err) => {
                let said = format!("{:#}", anyhow::Error::from(err));
                if said != complaint {
                    tracing::error!(error = said, file = %path.display(), "Cannot read keys that were changed; those of before stay good");
                    complaint = said;
                }
            }
        }
        stamp = seen;
    }
}

fn read(path: &Path) -> Result<Arc<Keys>, KeysError> {
    Ok(Arc::new(Keys::from(keys::read(path)?)))
}

/// With each look, because the recorder may be installed after the first.
fn measure(usable: usize, is_stale: bool) {
    metrics::describe_gauge!(USABLE, metrics::Unit::Count, "Keys that are not revoked");
    metrics::describe_gauge!(STALE, metrics::Unit::Count, "1 while the file of keys cannot be read");
    metrics::gauge!(USABLE).set(u32::try_from(usable).unwrap_or(u32::MAX));
    metrics::gauge!(STALE).set(u32::from(is_stale));
}
