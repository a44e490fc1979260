//! What the log takes on disk.
//!
//! The server compresses a block of a stream when it is full. What a short run leaves in blocks that are not would weigh
//! more than all others together, and nothing in a log that is used. So an event is counted with what it takes once its
//! block is full.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use contract::Partition;
use testkit::stack::Stack;

use crate::rig::PARTITIONS;

/// The streams of all partitions at some instant.
pub(crate) struct Log {
    /// Bytes of their messages, as they were sent.
    sent: u64,
    /// Events in blocks that are not full.
    open: u64,
    /// What the other blocks take on disk.
    full: u64,
}

impl Log {
    pub(crate) async fn measure(stack: &Stack) -> Result<Self> {
        let jetstream = stack.log().await?;
        let mut log = Self { sent: 0, open: 0, full: 0 };
        for partition in Partition::all(PARTITIONS) {
            let stream = jetstream.get_stream(partition.stream()).await?;
            log.sent += stream.cached_info().state.bytes;
        }
        log.add_blocks(&stack.nats.store())?;
        Ok(log)
    }

    /// Whether some are full, so that there is something to go by.
    pub(crate) fn has_full_blocks(&self) -> bool {
        self.full > 0
    }

    /// Bytes on disk of each of so many events that were stored since `before`.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(crate) fn bytes_each(&self, before: &Self, events: u64) -> f64 {
        let sent_each = (self.sent - before.sent) as f64 / events as f64;
        match self.sent.saturating_sub(self.open) {
            0 => sent_each,
            packed => sent_each * self.full as f64 / packed as f64,
        }
    }

    /// Adds the blocks of all streams in a folder. A stream writes to the one with the highest number.
    fn add_blocks(&mut self, folder: &Path) -> Result<()> {
        let mut blocks = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                self.add_blocks(&path)?;
            } else if path.extension().is_some_and(|extension| extension == "blk") {
                let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
                blocks.push((number.context("a block has a number")?, fs::metadata(&path)?));
            }
        }
        blocks.sort_by_key(|(number, _): &(u64, _)| *number);
        if let Some((_, open)) = blocks.pop() {
            self.open += open.len();
        }
        self.full += blocks.iter().map(|(_, full)| full.blocks() * 512).sum::<u64>();
        Ok(())
    }
}
