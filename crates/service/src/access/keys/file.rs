//! Edits the file of keys: one command at a time, and atomically for readers.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::{Instant, sleep};

use super::{FILE_BYTES_MAX, Key, KeysError};

/// Maximum wait for another command, which holds the lock for one write.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// Interval between attempts to take the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Mode of the file: only its owner may read it.
const MODE: u32 = 0o600;

/// Changes the keys in a file, which is created if it is missing.
///
/// # Errors
///
/// The file cannot be read or written, is damaged, or `change` fails; then the file is unchanged.
pub(in crate::access) async fn edit<T>(
    path: &Path,
    change: impl FnOnce(&mut Vec<Key>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    // A link stays a link: its target is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = folder_of(&path);
    // Locks the folder, because each change replaces the file.
    let _lock = lock(&folder).await?;
    let mut keys = match super::read(&path) {
        Err(KeysError::Unreadable(err)) if err.kind() == io::ErrorKind::NotFound => Vec::new(),
        keys => keys.with_context(|| format!("reading {}", path.display()))?,
    };
    let outcome = change(&mut keys)?;
    let text = super::write(&keys);
    anyhow::ensure!(text.len() as u64 <= FILE_BYTES_MAX, "the file would be larger than {FILE_BYTES_MAX} bytes");
    replace(&path, &folder, &text).with_context(|| format!("writing {}", path.display()))?;
    Ok(outcome)
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

/// Locks a folder until the returned file is dropped, or the process ends.
async fn lock(folder: &Path) -> anyhow::Result<File> {
    let file = File::open(folder).with_context(|| format!("opening the folder {}", folder.display()))?;
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) if Instant::now() < deadline => sleep(LOCK_PAUSE).await,
            Err(fs::TryLockError::WouldBlock) => bail!("another command holds the folder {}", folder.display()),
            Err(fs::TryLockError::Error(err)) => {
                return Err(err).with_context(|| format!("locking the folder {}", folder.display()));
            }
        }
    }
}

/// Writes a new file beside the old one, and renames it once it is on disk.
fn replace(path: &Path, folder: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_owned();
    name.push(".new");
    let new = folder.join(name);
    // A command that was killed may have left it behind; the lock excludes a running one.
    if let Err(err) = fs::remove_file(&new)
        && err.kind() != io::ErrorKind::NotFound
    {
        return Err(err);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&new)?;
    if let Ok(old) = fs::metadata(path) {
        // A file that root has changed must stay readable for the service's user.
        let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
    }
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(folder)?.sync_all()
}
