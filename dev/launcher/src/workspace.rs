//! The project's folder, and its data folder `.tidemark`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The folder of the project, which holds `nats/server.conf`.
#[derive(Clone, Debug)]
pub struct Workspace(PathBuf);

/// Lock on a workspace, which the kernel releases when the process dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Workspace {
    /// Searches upwards from the package that cargo runs, else from the folder where this crate was compiled.
    ///
    /// # Errors
    ///
    /// The project was moved after it was compiled.
    pub fn find() -> Result<Self> {
        let start = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let starts = start.into_iter().chain([PathBuf::from(env!("CARGO_MANIFEST_DIR"))]);
        for start in starts {
            if let Some(root) = start.ancestors().find(|folder| folder.join("nats/server.conf").is_file()) {
                return Ok(Self(root.to_owned()));
            }
        }
        bail!("The project's folder was not found: start Tidemark with `cargo run` inside it.")
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// The folder of data, logs, passwords and downloads.
    pub fn data(&self) -> PathBuf {
        self.0.join(".tidemark")
    }

    /// The folder of the logs.
    pub fn logs(&self) -> PathBuf {
        self.data().join("logs")
    }

    /// Locks the workspace for one local stack.
    ///
    /// # Errors
    ///
    /// Another process has the lock.
    pub fn lock(&self) -> Result<Lock> {
        let path = self.data().join("lock");
        fs::create_dir_all(self.data()).with_context(|| format!("creating {}", self.data().display()))?;
        let open = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.with_context(|| format!("opening {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(&path).unwrap_or_default();
                bail!("Tidemark already runs here (process {}): stop it with Ctrl-C in its terminal first.", pid.trim())
            }
            Err(fs::TryLockError::Error(err)) => return Err(err).context("locking the data folder"),
        }
        file.set_len(0)?;
        write!(file, "{}", std::process::id())?;
        Ok(Lock { _file: file })
    }
}

/// Removes a folder and its content, if it exists.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(err) if err.kind() != std::io::ErrorKind::NotFound => {
            Err(err).with_context(|| format!("removing {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_is_refused_until_the_first_ends() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let workspace = Workspace(folder.path().to_owned());
        let lock = workspace.lock().expect("no other stack runs here");
        let sentence = workspace.lock().expect_err("it is taken").to_string();
        assert!(sentence.contains(&std::process::id().to_string()), "{sentence}");
        drop(lock);
        workspace.lock().expect("it is free again");
    }
}
