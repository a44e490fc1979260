//! Streams: made from `nats/stream.json` if missing, refused if they break a promise.

use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{
    Compression, Config, DiscardPolicy, Info, PersistenceMode, RetentionPolicy, StorageType,
};
use async_nats::jetstream::{Context, ErrorCode};
use contract::Partition;
use contract::envelope::ENVELOPE_BYTES_MAX;

use crate::log::Distrust;

/// How a stream is declared; name and subject are those of partition 0.
const DECLARED: &str = include_str!("../../nats/stream.json");

/// An envelope is sent again under the same id for at most the publish deadline of one minute.
const DUPLICATE_WINDOW_MIN: Duration = Duration::from_mins(2);

/// What a deployment declares of its streams beside `nats/stream.json`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Declaration {
    /// Servers that keep a copy.
    pub(crate) replicas: u8,
}

/// Makes a partition's stream if it is missing, and looks at it.
pub(crate) async fn verify(log: &Context, partition: Partition, declaration: Declaration) -> Result<(), Distrust> {
    let name = partition.stream();
    let config = match log.get_stream(&name).await {
        Ok(stream) => led(stream.cached_info()).map_err(Distrust::Unknown)?.config.clone(),
        Err(err) => match err.kind() {
            GetStreamErrorKind::JetStream(said) if said.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                create(log, partition, declaration).await.map_err(Distrust::Unknown)?
            }
            _ => return Err(Distrust::Unknown(anyhow!(err).context(format!("looking at stream {name}")))),
        },
    };
    match broken_promise(&config, partition) {
        Some(promise) => Err(Distrust::Broken(format!("stream {name} {promise}"))),
        None => Ok(()),
    }
}

/// A stream that can store: any of its servers answers for one whose leader is gone, once they have noticed.
fn led(stream: &Info) -> anyhow::Result<&Info> {
    let has_leader = stream.cluster.as_ref().is_none_or(|cluster| cluster.leader.is_some());
    ensure!(has_leader, "stream {} has no leader: too many of its servers are away", stream.config.name);
    Ok(stream)
}

async fn create(log: &Context, partition: Partition, declaration: Declaration) -> anyhow::Result<Config> {
    let name = partition.stream();
    let config = declared(partition, declaration);
    let stream = log.create_stream(config).await.with_context(|| format!("creating stream {name}"))?;
    tracing::info!(stream.name = name, "Created stream");
    Ok(stream.cached_info().config.clone())
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

/// What a stream does that a 2xx promises not to happen, and how to change it.
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
        (
            takes_envelopes(config),
            format!("takes no envelope of {ENVELOPE_BYTES_MAX} bytes; {}", edit("--max-msg-size 1048576")),
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

/// nats-server 2.15.1 spoils compressed files that it copies between servers: one that was killed afterwards cannot
/// read its own any more.
fn copies_are_readable(config: &Config) -> bool {
    config.num_replicas <= 1 || matches!(config.compression, None | Some(Compression::None))
}

fn takes_envelopes(config: &Config) -> bool {
    // Headers count too; they are far below a KiB.
    let needed = ENVELOPE_BYTES_MAX + 1_024;
    usize::try_from(config.max_message_size).map_or(true, |max| max == 0 || max >= needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: Declaration = Declaration { replicas: 1 };

    #[test]
    fn what_is_declared_keeps_every_promise() {
        let partition = Partition::numbered(3).expect("a partition");
        let declared = declared(partition, ALONE);
        assert_eq!(
            (declared.name.as_str(), declared.subjects.as_slice()),
            ("EVENTS_3", ["events.3".to_owned()].as_slice())
        );
        assert_eq!(broken_promise(&declared, partition), None);
        assert!(declared.max_age.is_zero() && !declared.allow_rollup);
    }

    #[test]
    fn what_is_copied_is_not_compressed() {
        let partition = Partition::numbered(0).expect("a partition");
        let copied = declared(partition, Declaration { replicas: 3 });
        assert_eq!((copied.num_replicas, copied.compression.clone()), (3, Some(Compression::None)));
        assert_eq!(broken_promise(&copied, partition), None);
        assert_eq!(declared(partition, ALONE).compression, Some(Compression::S2));
    }

    #[test]
    fn each_broken_promise_is_named() {
        let partition = Partition::numbered(0).expect("a partition");
        let broken = |change: fn(&mut Config)| {
            let mut config = declared(partition, ALONE);
            change(&mut config);
            broken_promise(&config, partition).expect("a broken promise")
        };
        assert!(
            broken(|config| config.discard = DiscardPolicy::Old).contains("nats stream edit EVENTS_0 --discard new")
        );
        assert!(broken(|config| config.retention = RetentionPolicy::WorkQueue).starts_with("drops events once"));
        assert!(broken(|config| config.storage = StorageType::Memory).starts_with("keeps events in memory"));
        assert!(broken(|config| config.persist_mode = Some(PersistenceMode::Async)).starts_with("acknowledges before"));
        assert!(broken(|config| config.no_ack = true).starts_with("acknowledges nothing"));
        assert!(broken(|config| config.subjects.push("x".into())).contains("exactly the subject events.0"));
        assert!(broken(|config| config.max_messages_per_subject = 1).starts_with("keeps only the last"));
        assert!(broken(|config| config.max_message_size = 1_000).starts_with("takes no envelope"));
        assert!(broken(|config| config.duplicate_window = Duration::from_secs(1)).starts_with("forgets envelopes"));
        assert!(broken(|config| config.num_replicas = 3).contains("nats stream edit EVENTS_0 --compression none"));
        assert!(broken(|config| config.sealed = true).starts_with("is sealed"));
    }
}
