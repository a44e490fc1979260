use async_nats::jetstream::stream::Source;

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
    assert_eq!(message_bytes_max(&declared), Some(1_048_576));
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
    assert!(broken(|config| config.discard = DiscardPolicy::Old).contains("nats stream edit EVENTS_0 --discard new"));
    assert!(broken(|config| config.retention = RetentionPolicy::WorkQueue).starts_with("drops events once"));
    assert!(broken(|config| config.storage = StorageType::Memory).starts_with("keeps events in memory"));
    assert!(broken(|config| config.persist_mode = Some(PersistenceMode::Async)).starts_with("acknowledges before"));
    assert!(broken(|config| config.no_ack = true).starts_with("acknowledges nothing"));
    assert!(broken(|config| config.subjects.push("x".into())).contains("exactly the subject events.0"));
    assert!(broken(|config| config.max_messages_per_subject = 1).starts_with("keeps only the last"));
    assert!(broken(|config| config.max_message_size = 32_768).contains("EVENTS_0 --max-msg-size 1048576"));
    assert!(broken(|config| config.max_age = Duration::from_hours(1)).contains("EVENTS_0 --max-age 0s"));
    assert!(broken(|config| config.allow_rollup = true).contains("EVENTS_0 --no-allow-rollup"));
    assert!(broken(|config| config.allow_message_counter = true).starts_with("counts"));
    assert!(broken(|config| config.sources = Some(vec![Source::default()])).starts_with("takes messages of other"));
    assert!(broken(|config| config.mirror = Some(Source::default())).starts_with("takes messages of other"));
    assert!(broken(|config| config.duplicate_window = Duration::from_secs(1)).starts_with("forgets envelopes"));
    assert!(broken(|config| config.num_replicas = 3).contains("nats stream edit EVENTS_0 --compression none"));
    assert!(broken(|config| config.sealed = true).starts_with("is sealed"));
}

#[test]
fn a_stream_that_takes_less_than_the_largest_envelope_is_adapted_to() {
    let partition = Partition::numbered(0).expect("a partition");
    let mut config = declared(partition, ALONE);
    for bytes in [65_536, 33_281] {
        config.max_message_size = bytes;
        assert_eq!(broken_promise(&config, partition), None, "{bytes}");
        assert_eq!(message_bytes_max(&config), usize::try_from(bytes).ok());
    }
    for none in [-1, 0] {
        config.max_message_size = none;
        assert_eq!((broken_promise(&config, partition), message_bytes_max(&config)), (None, None));
    }
}
