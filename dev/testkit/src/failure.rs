//! Failures of tests: the folder of a test that fails stays, with all logs and data, and its path is printed.

use std::cell::Cell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Error, Result};
use tempfile::TempDir;

thread_local! {
    /// Whether the test of this thread is returning an error.
    static IS_FAILING: Cell<bool> = const { Cell::new(false) };
}

/// Return type of tests that have a [`TestFolder`].
pub type TestResult<T = ()> = Result<T, TestFailure>;

/// Error that a test returns. The test's `?` makes it before the test's folder is dropped, which therefore knows of it.
pub struct TestFailure(Error);

impl<E: Into<Error>> From<E> for TestFailure {
    fn from(err: E) -> Self {
        IS_FAILING.set(true);
        Self(err.into())
    }
}

impl fmt::Debug for TestFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Temporary folder, removed when this is dropped unless the test of this thread panics or returns an error.
pub struct TestFolder(TempDir);

impl TestFolder {
    /// Makes an empty folder, the name of which begins with the prefix.
    pub fn new(prefix: &str) -> Result<Self> {
        // The thread may have run another test before.
        IS_FAILING.set(false);
        tempfile::Builder::new().prefix(prefix).tempdir().context("making a folder").map(Self)
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Keeps the folder in any case, and returns its path.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.0.disable_cleanup(true);
        self.path().to_owned()
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        if thread::panicking() || IS_FAILING.get() {
            eprintln!("logs and data of the failed test are in {}", self.keep().display());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic;

    use super::*;

    /// Runs a test in a thread of its own, and returns the path of its folder.
    fn folder_of(test: fn(&Path) -> TestResult) -> PathBuf {
        let (sender, receiver) = std::sync::mpsc::channel();
        let run = move || {
            let folder = TestFolder::new("tidemark-failure-")?;
            sender.send(folder.path().to_owned())?;
            test(folder.path())
        };
        let _ = thread::spawn(run).join();
        receiver.recv().expect("the path comes first")
    }

    #[test]
    fn only_the_folder_of_a_test_that_passes_is_removed() {
        assert!(!folder_of(|_| Ok(())).exists());
        let kept: [fn(&Path) -> TestResult; 2] =
            [|folder| Ok(std::fs::read(folder).map(drop)?), |_| panic::resume_unwind(Box::new("a failure"))];
        for test in kept {
            let folder = folder_of(test);
            assert!(folder.exists());
            std::fs::remove_dir(folder).expect("it is empty");
        }
    }
}
