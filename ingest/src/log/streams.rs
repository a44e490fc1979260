//! Streams of the log: created from `nats/stream.json` if missing, checked against the promises of a 2xx otherwise.

use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{
    ClusterInfo, Compression, Config, DiscardPolicy, Info, PersistenceMode, RetentionPolicy, StorageType,
};
use async_nats::jetstream::{Context, ErrorCode};
use contract::Partition;
use contract::event::EVENT_LINE_BYTES_MAX;

use super::message_size::MESSAGE_BYTES_MIN;
use super::status::{CheckError, ProblemKind};

/// Configuration of partition 0's stream; other partitions differ in name and subject.
const DECLARED: &str = include_str!("../../../nats/stream.json");

/// Minimum time for which a stream remembers the ids of envelopes, so that an envelope may be sent again under its id.
pub(crate) const DUPLICATE_WINDOW_MIN: Duration = Duration::from_mins(2);

/// Settings of a deployment's streams beside `nats/stream.json`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Declaration {
    /// Number of servers that keep a copy.
    pub(super) replicas: u8,
}

/// Report on a stream that keeps its promises.
pub(super) struct StreamReport {
    /// Bytes of a message, headers included, where the stream has a bound.
    pub(super) message_bytes_max: Option<usize>,
    /// Number of servers that are configured to keep a copy.
    pub(super) replicas: usize,
    /// The servers that keep one; `None` where a server is alone.
    pub(super) cluster: Option<ClusterInfo>,
}

/// Creates a partition's stream if it is missing, and checks its configuration.
pub(super) async fn verify(
    log: &Context,
    partition: Partition,
    declaration: Declaration,
) -> Result<StreamReport, CheckError> {
    let name = partition.stream();
    let unknown = |err: anyhow::Error| CheckError::unknown(ProblemKind::StreamSilent, &err);
    let Info { config, cluster, .. } = match log.get_stream(&name).await {
        Ok(stream) => led(stream.cached_info()).map_err(unknown)?.clone(),
        Err(err) => match err.kind() {
            GetStreamErrorKind::JetStream(said) if said.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                create(log, partition, declaration).await.map_err(unknown)?
            }
            _ => return Err(unknown(anyhow!(err).context(format!("looking at stream {name}")))),
        },
    };
    match broken_promise(&config, partition) {
        Some(promise) => Err(CheckError::broken(ProblemKind::StreamBroken, format!("stream {name} {promise}"))),
        None => {
            Ok(StreamReport { message_bytes_max: message_bytes_max(&config), replicas: config.num_replicas, cluster })
        }
    }
}

/// Checks that a stream has a leader; without one any of its servers answers, but none stores.
fn led(stream: &Info) -> anyhow::Result<&Info> {
    let has_leader = stream.cluster.as_ref().is_none_or(|cluster| cluster.leader.is_some());
    ensure!(has_leader, "stream {} has no leader: too many of its servers are away", stream.config.name);
    Ok(stream)
}

async fn create(log: &Context, partition: Partition, declaration: Declaration) -> anyhow::Result<Info> {
    let name = partition.stream();
    let config = declared(partition, declaration);
    let stream = log.create_stream(config).await.with_context(|| format!("creating stream {name}"))?;
    tracing::info!(stream.name = name, "Created stream");
    Ok(stream.cached_info().clone())
}

fn declared(partition: Partition, Declaration { replicas }: Declaration) -> Config {
    let declared: Config = serde_json::from_str(DECLARED).expect("nats/stream.json is a stream's configuration");
    let compression = if replicas > 1 { Some(Compression::None) } else { declared.compression };
    Config {
        name: partition.stream(),
        subjects: vec![partition.subject()],
        num_replicas: replicas.into(),
        compression,
        ..declared
    }
}

/// The first promise that a stream's configuration breaks, and how to mend it.
fn broken_promise(config: &Config, partition: Partition) -> Option<String> {
    let edit = |change: &str| format!("change it with `nats stream edit {} {change}`", partition.stream());
    let anew = "this cannot be changed: copy its messages to a stream made from nats/stream.json";
    let (subject, window) = (partition.subject(), config.duplicate_window);
    let promises = [
        (
            config.discard == DiscardPolicy::New,
            format!("discards old events when it is full; {}", edit("--discard new")),
        ),
        (config.retention == RetentionPolicy::Limits, format!("drops events once they are read; {anew}")),
        (config.storage == StorageType::File, format!("keeps events in memory only; {anew}")),
        (config.persist_mode != Some(PersistenceMode::Async), format!("acknowledges before it writes; {anew}")),
        (!config.no_ack, format!("acknowledges nothing; {}", edit("--ack"))),
        (
            config.subjects == [subject.clone()],
            format!("must take exactly the subject {subject}; {}", edit(&format!("--subjects {subject}"))),
        ),
        (config.subject_transform.is_none(), format!("changes subjects; {anew}")),
        (
            config.max_messages_per_subject <= 0,
            format!("keeps only the last events; {}", edit("--max-msgs-per-subject=-1")),
        ),
        (config.max_age.is_zero(), format!("deletes events by their age; {}", edit("--max-age 0s"))),
        (!config.allow_rollup, format!("lets one message take the place of all; {}", edit("--no-allow-rollup"))),
        (!config.allow_message_counter, format!("counts instead of storing events; {anew}")),
        (is_alone(config), format!("takes messages of other streams; {anew}")),
        (
            message_bytes_max(config).is_none_or(|max| max >= MESSAGE_BYTES_MIN),
            format!(
                "takes no event of {EVENT_LINE_BYTES_MAX} bytes: that is {MESSAGE_BYTES_MIN} with headers; {}",
                edit("--max-msg-size 1048576")
            ),
        ),
        (window >= DUPLICATE_WINDOW_MIN, format!("forgets envelopes after {window:?}; {}", edit("--dupe-window 2m"))),
        (!config.sealed, format!("is sealed; {anew}")),
        (
            copies_are_readable(config),
            format!("has copies of compressed files, which nats-server can spoil; {}", edit("--compression none")),
        ),
    ];
    promises.into_iter().find_map(|(kept, broken)| (!kept).then_some(broken))
}

/// Whether copies stay readable. nats-server 2.15.1 corrupts compressed files that it copies between servers: a server
/// that is killed afterwards can no longer read its own.
fn copies_are_readable(config: &Config) -> bool {
    config.num_replicas <= 1 || matches!(config.compression, None | Some(Compression::None))
}

fn is_alone(config: &Config) -> bool {
    config.mirror.is_none() && config.sources.as_ref().is_none_or(Vec::is_empty)
}

fn message_bytes_max(config: &Config) -> Option<usize> {
    usize::try_from(config.max_message_size).ok().filter(|max| *max > 0)
}

#[cfg(test)]
mod tests;
