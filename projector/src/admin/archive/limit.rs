//! How far a partition is archived and trimmed: to its end, to a time, or until few enough bytes are left.

use anyhow::Context as _;
use contract::Partition;

use super::Options;
use crate::admin::progress::CommandProgress;
use crate::worker::context::Context;
use event_log::scan::LogScan;

/// The last sequence that is to be archived; 0 where none is.
pub(super) async fn last(context: &Context, partition: Partition, options: &Options) -> anyhow::Result<u64> {
    let stream = context.jetstream.get_stream(partition.stream()).await.context("looking at the stream")?;
    let state = &stream.cached_info().state;
    if options.before.is_none() && options.keep_bytes.is_none() {
        return Ok(state.last_sequence);
    }
    let spare = options.keep_bytes.map_or(u64::MAX, |keep| state.bytes.saturating_sub(keep));
    let is_old = |entry: &event_log::entry::Entry| options.before.is_none_or(|before| entry.logged_at < before);
    let mut scan = LogScan::through(&context.jetstream, partition).await?;
    let mut progress = CommandProgress::of("Looking how far", scan.until(), "envelopes");
    let (mut last, mut bytes) = (0, 0);
    while bytes < spare
        && let Some(entry) = scan.next().await?
        && is_old(&entry)
    {
        last = entry.sequence;
        bytes += entry.stored_bytes;
        progress.set(scan.at(), scan.until());
    }
    progress.end();
    Box::pin(scan.check_absent()).await?;
    Ok(last)
}
