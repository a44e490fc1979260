//! Status of the log: whether events may be given to it, and what is wrong where they may not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use contract::Partition;

/// Whether events may be given to the log now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Status {
    /// The log could not be checked; the problem says why. Envelopes wait.
    Unknown(Problem),
    /// Servers and streams keep their promises, except for the streams that are listed.
    Trusted(Streams),
    /// A promise is broken. Envelopes are refused until a person has changed what the problem names.
    Refused(Problem),
}

/// Problem of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) kind: ProblemKind,
    /// For the process' own log: names servers and streams, and what to change.
    pub(super) detail: String,
}

/// Kind of a problem. Its text is the answer of `/readyz`, which is public and therefore names no server or stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProblemKind {
    NotConnected,
    ServerSilent,
    ServerUnwell,
    CannotWrite,
    NotSynced,
    PeerUnknown,
    ClocksDiffer,
    TakesTooLittle,
    StreamSilent,
    StreamBroken,
    NotPermitted,
}

impl Problem {
    pub(super) fn not_connected() -> Self {
        Self { kind: ProblemKind::NotConnected, detail: "the log is not connected".to_owned() }
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotConnected => "the log is not connected",
            Self::ServerSilent => "a server of the log does not answer at its monitoring address",
            Self::ServerUnwell => "the log's server reports that it is not healthy",
            Self::CannotWrite => "the log's server cannot write",
            Self::NotSynced => {
                "the log acknowledges events before they are on disk: its servers need `sync_interval: always`"
            }
            Self::PeerUnknown => "a server that stores events has not confirmed that it syncs before it acknowledges",
            Self::ClocksDiffer => "the clocks of ingest and of the log differ by more than 5 minutes",
            Self::TakesTooLittle => "the log does not accept events of the maximum size",
            Self::StreamSilent => "a stream of the log does not answer",
            Self::StreamBroken => "a stream of the log breaks a promise",
            Self::NotPermitted => "the log refuses what ingest publishes",
        })
    }
}

/// Status of each stream. When one of several servers dies, only the streams that it led have to wait for an election.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Streams {
    /// Streams that get no events: they have not answered over this connection or not for too long, or a server with a
    /// copy has not said whether it syncs.
    pub(super) untrusted: BTreeSet<Partition>,
    /// Streams that did not answer the last question, and why. A stream that answered shortly before stays trusted: it
    /// confirms what it stores with a `PubAck`, and without a leader it sends none.
    pub(super) silent: BTreeMap<Partition, Problem>,
    /// Bytes of a message, headers included, that both stream and server take.
    pub(super) message_bytes_max: BTreeMap<Partition, usize>,
}

impl Streams {
    /// All streams, before any was asked.
    pub(super) fn none_asked(partitions: u16) -> Self {
        let silent = |partition: Partition| {
            let detail = format!("stream {} was not asked yet", partition.stream());
            (partition, Problem { kind: ProblemKind::StreamSilent, detail })
        };
        Self {
            untrusted: Partition::all(partitions).collect(),
            silent: Partition::all(partitions).map(silent).collect(),
            message_bytes_max: BTreeMap::new(),
        }
    }

    /// Trusts a stream with messages of so many bytes.
    pub(super) fn trust(&mut self, partition: Partition, message_bytes_max: usize) {
        self.untrusted.remove(&partition);
        self.silent.remove(&partition);
        self.message_bytes_max.insert(partition, message_bytes_max);
    }

    /// Gives a stream no further events.
    pub(super) fn distrust(&mut self, partition: Partition, problem: Problem) {
        self.untrusted.insert(partition);
        self.silent.insert(partition, problem);
    }

    /// The problem of one of the silent streams.
    pub(super) fn problem(&self) -> Option<&Problem> {
        self.silent.values().next()
    }
}

/// Why a check of the log failed.
#[derive(Debug)]
pub(super) enum CheckError {
    /// A promise is broken until a person changes something.
    Broken(Problem),
    /// A server says that it cannot work.
    Unwell(Problem),
    /// Clocks differ. NTP may mend that, as after a start without a network.
    Clocks(Problem),
    /// A server or stream gave no answer; the next check may succeed.
    Unknown(Problem),
}

impl CheckError {
    pub(super) fn broken(kind: ProblemKind, detail: String) -> Self {
        Self::Broken(Problem { kind, detail })
    }

    pub(super) fn unknown(kind: ProblemKind, err: &anyhow::Error) -> Self {
        Self::Unknown(Problem { kind, detail: format!("{err:#}") })
    }
}
