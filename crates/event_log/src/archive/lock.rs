//! One command at a time works on an archive: two would write the same draft, and an erasure would not know of what the
//! other one writes.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use anyhow::{Context as _, bail};

const NAME: &str = "lock";

/// An archive that no other command works on. The file stays; what counts is that a process holds it.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes it, for as long as this is kept. Makes the folder of the archive if there is none yet.
    ///
    /// # Errors
    ///
    /// Another command works on the archive, or its folder cannot be written to.
    pub fn take(archive: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(archive).with_context(|| format!("creating {}", archive.display()))?;
        let path = archive.join(NAME);
        let file = File::options().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("opening {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "another command of `projector` works on the archive in {}: run this one when it has ended",
                archive.display()
            ),
            Err(TryLockError::Error(err)) => Err(err).with_context(|| format!("locking {}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_taken_by_one_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = folder.path().join("archive");
        let taken = Lock::take(&archive).expect("it is free");
        let refused = Lock::take(&archive).expect_err("it is taken");
        assert!(refused.to_string().contains("works on the archive"), "{refused}");
        drop(taken);
        Lock::take(&archive).expect("it was given back");
    }
}
