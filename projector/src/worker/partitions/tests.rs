use super::*;
use fold::DedupState;

pub(crate) fn partition(number: u16) -> Partition {
    Partition::numbered(number).expect("a partition")
}

fn beginning() -> Checkpoint {
    let (stream_created, dedup) = (DateTime::UNIX_EPOCH, DedupState::default());
    Checkpoint { sequence: 0, epoch: 1, stream_created, logged_at: None, counted_until: None, dedup }
}

/// Taken at the beginning, of a log that ends there.
pub(crate) fn taken(partitions: &Partitions, number: u16, end: u64) {
    partitions.taken(partition(number), beginning());
    partitions.set(partition(number), PartitionState::Following);
    partitions
        .seen(&[StreamEnd { partition: partition(number), sequence: end, bytes: 0, bytes_max: None }], Instant::now());
}

#[test]
fn partitions_keep_up_if_none_is_far_behind() {
    let partitions = Partitions::of(GenerationId(1));
    assert!(partitions.keep_up(10));
    taken(&partitions, 0, 10);
    taken(&partitions, 2, 0);
    assert!(partitions.keep_up(10));
    taken(&partitions, 1, 11);
    assert!(!partitions.keep_up(10));
    // A halted partition waits for an operator, and a partition in standby belongs to another projector.
    partitions.set(partition(1), PartitionState::Halted("a gap".to_owned()));
    assert!(partitions.keep_up(10));
    assert_eq!(partitions.followed(), [partition(0), partition(2)]);
    partitions.set(partition(2), PartitionState::Standby);
    assert_eq!(partitions.followed(), [partition(0)]);
}

#[test]
fn nobody_knows_whether_a_partition_keeps_up_before_the_log_was_looked_at() {
    let partitions = Partitions::of(GenerationId(1));
    taken(&partitions, 0, 0);
    partitions.taken(partition(1), beginning());
    partitions.set(partition(1), PartitionState::Following);
    assert!(!partitions.keep_up(10));
}
