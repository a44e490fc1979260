//! Passwords and keys: random, generated once, stored in a file that only its owner can read, never printed.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rand::Rng;
use rand::distr::{Alphanumeric, SampleString};

/// Characters of a password: 31 random letters and digits have 184 bits.
const PASSWORD_CHARS: usize = 32;

/// The secrets of one data folder: lines of `NAME=value`.
pub(crate) struct Secrets {
    path: PathBuf,
    values: BTreeMap<String, String>,
}

impl Secrets {
    /// Reads the secrets of an earlier run, if there are any.
    pub(crate) fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(err) => return Err(err).with_context(|| format!("reading {}", path.display())),
        };
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let values = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Self { path, values })
    }

    /// A password, generated at the first call. It consists of letters and digits, which need no quoting in URLs and shells,
    /// and begins with a letter, because nats-server parses a leading digit as a number.
    pub(crate) fn password(&mut self, name: &str) -> Result<String> {
        self.get_or_generate(name, || {
            let rest = Alphanumeric.sample_string(&mut rand::rng(), PASSWORD_CHARS - 1);
            format!("t{rest}")
        })
    }

    /// A key of 128 bits as 32 hexadecimal digits, generated at the first call.
    pub(crate) fn key(&mut self, name: &str) -> Result<String> {
        self.get_or_generate(name, || format!("{:032x}", rand::rng().random::<u128>()))
    }

    fn get_or_generate(&mut self, name: &str, make: impl FnOnce() -> String) -> Result<String> {
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        let value = make();
        self.values.insert(name.to_owned(), value.clone());
        let lines = self.values.iter().map(|(name, value)| format!("{name}={value}\n"));
        write_private(&self.path, &lines.collect::<String>())?;
        Ok(value)
    }
}

/// Writes a file of mode 0600 atomically.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    let draft = path.with_added_extension("draft");
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        // A draft of an interrupted run would keep its own mode.
        let _ = fs::remove_file(&draft);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_are_made_once_and_readable_by_their_owner_only() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("secrets");
        let mut secrets = Secrets::open(&path).expect("a new file");
        let password = secrets.password("A").expect("a password");
        let key = secrets.key("B").expect("a key");
        assert!(password.starts_with(|first: char| first.is_ascii_alphabetic()));
        assert!(key.len() == 32 && key.chars().all(|digit| digit.is_ascii_hexdigit()));

        let mut again = Secrets::open(&path).expect("the same file");
        assert_eq!(again.password("A").expect("the same"), password);
        assert_eq!(again.key("B").expect("the same"), key);
        let mode = fs::metadata(&path).expect("it exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
