//! Finds the streams of the log, and where they end.

use async_nats::jetstream;
use contract::Partition;
use futures_util::TryStreamExt;

/// The end of one stream at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamEnd {
    pub partition: Partition,
    /// Sequence of the last message.
    pub sequence: u64,
    /// Bytes that the stream stores.
    pub bytes: u64,
    /// Bytes that the stream may store, if it has a bound.
    pub bytes_max: Option<u64>,
}

impl StreamEnd {
    /// Asks the log for the end of every partition's stream, sorted by partition.
    pub async fn of_all(log: &jetstream::Context) -> anyhow::Result<Vec<Self>> {
        let mut ends = vec![];
        for partition in partitions(log).await? {
            let stream = log.get_stream(partition.stream()).await?;
            let info = stream.cached_info();
            ends.push(Self {
                partition,
                sequence: info.state.last_sequence,
                bytes: info.state.bytes,
                bytes_max: u64::try_from(info.config.max_bytes).ok().filter(|max| *max > 0),
            });
        }
        Ok(ends)
    }
}

/// Lists the partitions that have a stream, sorted.
pub async fn partitions(log: &jetstream::Context) -> anyhow::Result<Vec<Partition>> {
    let names: Vec<String> = log.stream_names().try_collect().await?;
    let mut partitions: Vec<_> = names.iter().filter_map(|name| Partition::of_stream(name)).collect();
    partitions.sort();
    Ok(partitions)
}
