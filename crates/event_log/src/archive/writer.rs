//! One file, while it is written. It gets its name when it is whole and on disk.

use std::fs::{self, File};
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

/// Bytes that are read at a time.
const READ_BYTES: usize = 64 << 10;

/// A file without a name yet.
pub struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Writer {
    /// Begins a file under a provisional name.
    ///
    /// # Errors
    ///
    /// The file cannot be made.
    pub fn begin(path: PathBuf) -> anyhow::Result<Self> {
        let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self { path, file: BufWriter::new(file), hash: Sha256::new(), bytes: 0 })
    }

    /// Adds text.
    ///
    /// # Errors
    ///
    /// The disk is full.
    pub fn write(&mut self, text: &str) -> anyhow::Result<()> {
        self.hash.update(text.as_bytes());
        self.bytes += text.len() as u64;
        self.file.write_all(text.as_bytes()).with_context(|| format!("writing {}", self.path.display()))
    }

    /// How long it is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Sees to it that it is on disk, and answers what it hashes to.
    ///
    /// # Errors
    ///
    /// The disk did not take it.
    pub fn end(self) -> anyhow::Result<String> {
        let written = self.file.into_inner().map_err(std::io::IntoInnerError::into_error);
        written.and_then(|file| file.sync_all()).with_context(|| format!("writing {}", self.path.display()))?;
        Ok(hex(&self.hash.finalize()))
    }
}

/// What a file hashes to.
pub(super) fn hash(path: &Path) -> anyhow::Result<String> {
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; READ_BYTES]);
    let mut file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    loop {
        match file.read(&mut buffer).with_context(|| format!("reading {}", path.display()))? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

/// Gives a file another name, for good.
pub(super) fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::rename(from, to).with_context(|| format!("renaming {} to {}", from.display(), to.display()))?;
    let folder = to.parent().context("a file lies in a folder")?;
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| format!("syncing {}", folder.display()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes everything");
        text
    })
}
