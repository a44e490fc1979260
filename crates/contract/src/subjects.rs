//! Names in the log: streams, subjects, headers. Nothing that a client sends becomes a part of one.

use std::fmt;

use crate::field::SiteId;

/// Header with the schema of an envelope's body. Absent means [`SCHEMA_V1`].
pub const SCHEMA_HEADER: &str = "Schema";

/// Header with the number of events in an envelope, for people and tools; readers count the lines.
pub const EVENT_COUNT_HEADER: &str = "Event-Count";

/// Header of a redaction: time at which the log stored the original envelope, RFC 3339 with nanoseconds.
pub const LOGGED_AT_HEADER: &str = "Logged-At";

/// Header with the time of sending by ingest's clock, RFC 3339 in UTC with milliseconds. Log time trusts the log's clock only
/// if this time agrees. Absent from envelopes of older versions, and of other publishers.
pub const SENT_AT_HEADER: &str = "Sent-At";

/// Header with the position of an envelope in the trace of one of its requests (W3C Trace Context). Absent unless a request
/// is traced; without influence on counting.
pub const TRACE_HEADER: &str = "traceparent";

/// Prefix of the schema of an envelope whose headers cannot be parsed; the escaped headers follow.
pub const UNREADABLE_HEADERS: &str = "unreadable headers: ";

/// Schema with one event of version 1 on each line.
pub const SCHEMA_V1: &str = "event.v1";

const STREAM_PREFIX: &str = "EVENTS_";
const SUBJECT_PREFIX: &str = "events.";
const AMENDMENTS_PREFIX: &str = "AMENDED_";
const AMENDED_PREFIX: &str = "amended.";

/// An independent part of the log with its own stream and checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(u16);

impl Partition {
    /// Maximum partitions of a deployment: their numbers have at most three digits.
    pub const COUNT_MAX: u16 = 1_000;

    /// The partition of a site among `count` partitions, of which there is at least one. The hash is FNV-1a, as in `partition()`
    /// of NATS.
    pub fn of(site_id: &SiteId<'_>, count: u16) -> Self {
        assert!(count > 0, "a log has at least one partition");
        let hash = fnv1a32(site_id.as_str().as_bytes());
        Self(u16::try_from(hash % u32::from(count)).expect("a remainder is smaller than its divisor"))
    }

    /// All of `count` partitions.
    pub fn all(count: u16) -> impl Iterator<Item = Self> {
        (0..count).map(Self)
    }

    /// The partition of a stream; `None` if the name is not that of a partition's stream.
    pub fn of_stream(name: &str) -> Option<Self> {
        let digits = name.strip_prefix(STREAM_PREFIX)?;
        let partition = Self(digits.parse().ok().filter(|number| *number < Self::COUNT_MAX)?);
        // `EVENTS_007` and `EVENTS_+7` are not the stream of partition 7.
        (partition.stream() == name).then_some(partition)
    }

    /// Number of the partition, from 0.
    pub fn number(self) -> u16 {
        self.0
    }

    /// The partition of a number, if it is below the maximum.
    pub fn numbered(number: u16) -> Option<Self> {
        (number < Self::COUNT_MAX).then_some(Self(number))
    }

    /// Name of the partition's stream, `EVENTS_0`.
    pub fn stream(self) -> String {
        format!("{STREAM_PREFIX}{}", self.0)
    }

    /// Subject of the partition's stream, `events.0`.
    pub fn subject(self) -> String {
        format!("{SUBJECT_PREFIX}{}", self.0)
    }

    /// Name of the stream of redactions, `AMENDED_0`: what is left of envelopes from which events were erased.
    pub fn amendments_stream(self) -> String {
        format!("{AMENDMENTS_PREFIX}{}", self.0)
    }

    /// Subjects of all redactions, `amended.0.*`.
    pub fn amendments_subjects(self) -> String {
        format!("{AMENDED_PREFIX}{}.*", self.0)
    }

    /// Subject of the redaction of one envelope, `amended.0.4711`. The last message of the subject counts.
    pub fn amendment_subject(self, sequence: u64) -> String {
        format!("{AMENDED_PREFIX}{}.{sequence}", self.0)
    }

    /// Sequence of the envelope that a redaction with this subject replaces.
    pub fn amended_sequence(self, subject: &str) -> Option<u64> {
        let (partition, sequence) = subject.strip_prefix(AMENDED_PREFIX)?.split_once('.')?;
        let sequence = sequence.parse().ok()?;
        // `amended.0.+7` is not the subject of a redaction.
        (partition == self.to_string() && subject == self.amendment_subject(sequence)).then_some(sequence)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// FNV-1a with 32 bits; the `fnv` crate has the variant with 64, whose low half is another hash.
fn fnv1a32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a_of_32_bits() {
        // From the reference vectors of the hash's authors.
        for (text, hash) in [("", 0x811c_9dc5), ("a", 0xe40c_292c), ("foobar", 0xbf9c_f968)] {
            assert_eq!(fnv1a32(text.as_bytes()), hash);
        }
    }

    #[test]
    fn a_site_stays_where_it_is() {
        let partition = |site| Partition::of(&SiteId::try_from(site).expect("a site"), 4).number();
        assert_eq!(["site-abc-123", "semicomplete.com", "a", "b", "c"].map(partition), [2, 3, 0, 1, 2]);
    }

    #[test]
    fn streams_name_their_partition_and_nothing_else_does() {
        for partition in Partition::all(12) {
            assert_eq!(Partition::of_stream(&partition.stream()), Some(partition));
        }
        for name in ["EVENTS_", "EVENTS_x", "EVENTS_007", "EVENTS_+7", "EVENTS_1000", "EVENTS_70000", "events_1", "X"] {
            assert_eq!(Partition::of_stream(name), None, "{name}");
        }
    }

    #[test]
    fn amendments_name_what_they_stand_for_and_nothing_else_does() {
        let partition = Partition::numbered(7).expect("a partition");
        assert_eq!(partition.amended_sequence(&partition.amendment_subject(4_711)), Some(4_711));
        for subject in ["amended.7", "amended.7.", "amended.70.1", "amended.7.+1", "amended.7.1.1", "events.7"] {
            assert_eq!(partition.amended_sequence(subject), None, "{subject}");
        }
        assert_eq!(Partition::of_stream(&partition.amendments_stream()), None);
    }
}
