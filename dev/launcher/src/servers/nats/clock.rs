//! Wall clock of a nats-server in tests, which can be moved while the server runs.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// File with the offset of a movable clock. The server maps the file, so it is changed in place.
#[derive(Debug)]
pub struct MovableClock {
    file: PathBuf,
}

impl MovableClock {
    /// A clock without an offset, in a file of this folder.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let file = folder.join("clock-offset");
        fs::write(&file, 0_i64.to_ne_bytes()).with_context(|| format!("writing {}", file.display()))?;
        Ok(Self { file })
    }

    /// Sets the offset in seconds; negative ones are behind the machine's clock.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn set(&self, ahead_seconds: i64) -> Result<()> {
        let file = OpenOptions::new().write(true).open(&self.file).context("opening a server's clock")?;
        file.write_all_at(&ahead_seconds.to_ne_bytes(), 0).context("moving a server's clock")
    }

    /// Environment variable that names the file to the server.
    pub fn variable(&self) -> (&'static str, String) {
        ("CLOCK_OFFSET_FILE", self.file.display().to_string())
    }
}
