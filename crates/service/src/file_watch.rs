//! Watches files, and reads them again within a second after a change.
//!
//! The watcher polls: one `stat` for each file also notices changes behind links, in network folders and in volumes of
//! containers, which notifications of the kernel miss.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;

/// Interval between two polls.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Identity of a file's content: a file that is written in place has another time, one that is replaced another inode.
#[derive(PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &PathBuf) -> Option<Self> {
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

/// Files to watch.
pub(crate) struct Files<T> {
    /// Name of the content in the plural, for messages.
    pub(crate) what: &'static str,
    /// Paths of the files, which are read together when any of them changes.
    pub(crate) paths: Vec<PathBuf>,
    /// Reads the files.
    pub(crate) read: Box<dyn Fn() -> anyhow::Result<T> + Send>,
    /// Receives the content at each poll, and whether it is stale because the files cannot be read.
    pub(crate) measure: fn(&T, bool),
}

/// Reads files, and watches them until all receivers are dropped.
///
/// # Errors
///
/// The files cannot be read now. Later failures are only logged and measured, and the last content stays.
pub(crate) fn follow<T: Send + Sync + 'static>(files: Files<T>) -> anyhow::Result<watch::Receiver<Arc<T>>> {
    // Before the files are read, so that a change in between is noticed.
    let stamps = files.stamps();
    let (sender, receiver) = watch::channel(Arc::new((files.read)()?));
    tokio::spawn(files.poll(stamps, sender));
    Ok(receiver)
}

impl<T: Send + 'static> Files<T> {
    fn stamps(&self) -> Vec<Option<Stamp>> {
        self.paths.iter().map(Stamp::of).collect()
    }

    async fn poll(mut self, mut stamps: Vec<Option<Stamp>>, found: watch::Sender<Arc<T>>) {
        let mut last_error = String::new();
        loop {
            // At each poll, because the recorder may be installed after the first.
            (self.measure)(&found.borrow(), !last_error.is_empty());
            tokio::select! {
                () = found.closed() => return,
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
            let anyway = !last_error.is_empty();
            // In a thread of its own, because a network folder may hang.
            let looked = spawn_blocking(move || self.look(&stamps, anyway)).await;
            // The runtime is shutting down.
            let Ok((files, seen, read)) = looked else { return };
            self = files;
            stamps = seen;
            match read {
                None => {}
                Some(Ok(read)) => {
                    tracing::info!("Read {} that were changed", self.what);
                    found.send_replace(Arc::new(read));
                    last_error.clear();
                }
                Some(Err(err)) => {
                    let error = format!("{err:#}");
                    if error != last_error {
                        tracing::error!(
                            error,
                            files = ?self.paths,
                            "Cannot read {} that were changed; those of before stay good",
                            self.what
                        );
                        last_error = error;
                    }
                }
            }
        }
    }

    /// Reads the files if they have changed, or `anyway`.
    fn look(self, known: &[Option<Stamp>], anyway: bool) -> (Self, Vec<Option<Stamp>>, Option<anyhow::Result<T>>) {
        let seen = self.stamps();
        let read = (anyway || seen != known).then(|| (self.read)());
        (self, seen, read)
    }
}

/// Reads at most `bytes_max + 1` bytes of a file.
///
/// # Errors
///
/// The file cannot be read.
pub(crate) fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    // The additional byte shows that the file is too large.
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut text)?;
    Ok(text)
}
