//! The log, looked at from outside.

use anyhow::{Context, Result};
use async_nats::jetstream;
use async_nats::jetstream::stream::Config;
use contract::{Partition, Receipt};

/// No test has more partitions.
const PARTITIONS_MAX: u16 = 64;

/// A partition's stream as `nats/stream.json` declares it.
pub fn declared(partition: u16) -> Config {
    let partition = Partition::numbered(partition).expect("a partition");
    let declared: Config = serde_json::from_str(include_str!("../../../../nats/stream.json")).expect("a configuration");
    Config { name: partition.stream(), subjects: vec![partition.subject()], ..declared }
}

/// The last sequence of every partition that has one.
pub async fn ends(log: &jetstream::Context) -> Result<Vec<(i32, i64)>> {
    let mut ends = Vec::new();
    for partition in Partition::all(PARTITIONS_MAX) {
        let Ok(stream) = log.get_stream(partition.stream()).await else { continue };
        let last = i64::try_from(stream.cached_info().state.last_sequence)?;
        ends.push((i32::from(partition.number()), last));
    }
    Ok(ends)
}

/// The line that a receipt names, as it lies in the log.
pub async fn line(log: &jetstream::Context, receipt: &str) -> Result<String> {
    let receipt: Receipt = receipt.parse().with_context(|| format!("reading {receipt}"))?;
    let stream = log.get_stream(receipt.partition.stream()).await.context("looking at the stream")?;
    let envelope = stream.get_raw_message(receipt.sequence).await.context("reading the envelope")?;
    let text = String::from_utf8(envelope.payload.to_vec()).context("reading the envelope's text")?;
    text.split('\n').nth(receipt.line as usize).map(str::to_owned).context("there is no such line")
}
