//! Changes to the file of keys, by one command at a time, and seen by those who read it as a whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::{Instant, sleep};

use super::keys::{self, FILE_BYTES_MAX, Key};

/// Another command holds the lock for as long as one write takes.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two looks whether it is free.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Only the owner reads it: who may do what is nobody else's business.
const MODE: u32 = 0o600;

/// Changes the keys of a file, which is made if it is missing. What `change` refuses leaves it as it was.
///
/// # Errors
///
/// The file cannot be read or written, is damaged, or `change` refuses.
pub(super) async fn edit<T>(path: &Path, change: impl FnOnce(&mut Vec<Key>) -> anyhow::Result<T>) -> anyhow::Result<T> {
    // A link stays a link: what it leads to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = folder_of(&path);
    // The folder, because the file itself is another one after each change.
    let _lock = lock(&folder).await?;
    let mut keys = match keys::read(&path) {
        Err(keys::KeysError::Unreadable(err)) if err.kind() == io::ErrorKind::NotFound => Vec::new(),
        keys => keys.with_context(|| format!("reading {}", path.display()))?,
    };
    let outcome = change(&mut keys)?;
    let text = keys::write(&keys);
    anyhow::ensure!(text.len() as u64 <= FILE_BYTES_MAX, "the file would be larger than {FILE_BYTES_MAX} bytes");
    replace(&path, &folder, &text).with_context(|| format!("writing {}", path.display()))?;
    Ok(outcome)
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

/// The lock ends with the file that is returned, or with the process.
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

/// Writes a new file beside the old one, and gives it its name when all of it is on disk.
fn replace(path: &Path, folder: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_owned();
    name.push(".new");
    let new = folder.join(name);
    // Left behind by a command that was killed: whoever has the lock is alone.
    if let Err(err) = fs::remove_file(&new)
        && err.kind() != io::ErrorKind::NotFound
    {
        return Err(err);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&new)?;
    if let Ok(old) = fs::metadata(path) {
        // Changed by root, it is still to be read by the service's user.
        let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
    }
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(folder)?.sync_all()
}
