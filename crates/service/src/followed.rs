//! What is in files now. They are looked at every second, so a change of them counts within that time, without a restart.
//!
//! Looking costs one `stat` a file, and it sees what notices of the kernel do not tell of: files behind links, in network
//! folders, and in volumes of containers.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;

/// Between two looks.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// What files are known by. Another content in place has another time, a file that was moved here another number.
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

/// Files, and what becomes of them.
pub(crate) struct Files<T> {
    /// What is in them, in the plural, for messages.
    pub(crate) what: &'static str,
    /// Where they are. They are read together when any of them changes.
    pub(crate) paths: Vec<PathBuf>,
    /// Reads them.
    pub(crate) read: Box<dyn Fn() -> anyhow::Result<T> + Send>,
    /// Told with each look what there is, and whether that is from before because they cannot be read.
    pub(crate) measure: fn(&T, bool),
}

/// Reads files, and follows them until nobody asks for what is in them any more.
///
/// # Errors
///
/// They cannot be read now. Later that is only logged and measured: what was in them before stays good.
pub(crate) fn follow<T: Send + Sync + 'static>(files: Files<T>) -> anyhow::Result<watch::Receiver<Arc<T>>> {
    // Before they are read: what changes in between is read again.
    let stamps = files.stamps();
    let (sender, receiver) = watch::channel(Arc::new((files.read)()?));
    tokio::spawn(files.look_again(stamps, sender));
    Ok(receiver)
}

impl<T: Send + 'static> Files<T> {
    fn stamps(&self) -> Vec<Option<Stamp>> {
        self.paths.iter().map(Stamp::of).collect()
    }

    async fn look_again(mut self, mut stamps: Vec<Option<Stamp>>, found: watch::Sender<Arc<T>>) {
        let mut complaint = String::new();
        loop {
            // With each look, because the recorder may be installed after the first.
            (self.measure)(&found.borrow(), !complaint.is_empty());
            tokio::select! {
                () = found.closed() => return,
                () = tokio::time::sleep(LOOK_PAUSE) => {}
            }
            let anyway = !complaint.is_empty();
            // Where a network folder hangs, nobody else waits for it.
            let looked = spawn_blocking(move || self.look(&stamps, anyway)).await;
            // The process ends.
            let Ok((files, seen, read)) = looked else { return };
            self = files;
            stamps = seen;
            match read {
                None => {}
                Some(Ok(read)) => {
                    tracing::info!("Read {} that were changed", self.what);
                    found.send_replace(Arc::new(read));
                    complaint.clear();
                }
                Some(Err(err)) => {
                    let said = format!("{err:#}");
                    if said != complaint {
                        tracing::error!(
                            error = said,
                            files = ?self.paths,
                            "Cannot read {} that were changed; those of before stay good",
                            self.what
                        );
                        complaint = said;
                    }
                }
            }
        }
    }

    /// Reads them if they are others than these, or `anyway`.
    fn look(self, known: &[Option<Stamp>], anyway: bool) -> (Self, Vec<Option<Stamp>>, Option<anyhow::Result<T>>) {
        let seen = self.stamps();
        let read = (anyway || seen != known).then(|| (self.read)());
        (self, seen, read)
    }
}

/// Reads a file that has no more than `bytes_max` bytes; of a larger one, one byte more.
///
/// # Errors
///
/// There is none, or it may not be read.
pub(crate) fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    // One byte more shows that it is too large, however large it is.
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut text)?;
    Ok(text)
}
