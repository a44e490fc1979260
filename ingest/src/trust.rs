//! Whether events may be given to the log, and what it lacks where they may not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use contract::Partition;

/// Whether events may be given to the log now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Not known yet, and why.
    Waiting(Lack),
    /// Its servers keep their promises, and so do all streams but some.
    Given(Streams),
    /// It breaks one; what to change.
    Refused(Lack),
}

/// What the log lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lack {
    pub(crate) class: Class,
    /// For the log of the process: names servers and streams, and what to change.
    pub(crate) detail: String,
}

/// What kind of lack it is. Its sentence is for `/readyz`, which anybody may ask, so it names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
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

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotConnected => "the log is not connected",
            Self::ServerSilent => "a server of the log does not answer at its monitoring address",
            Self::ServerUnwell => "the log's server is not well",
            Self::CannotWrite => "the log's server cannot write",
            Self::NotSynced => {
                "the log acknowledges events before they are on disk: its servers need `sync_interval: always`"
            }
            Self::PeerUnknown => "a server that stores events has not told whether it syncs before it acknowledges",
            Self::ClocksDiffer => "the clocks of ingest and of the log differ by more than 5 minutes",
            Self::TakesTooLittle => "the log takes no event of the largest size",
            Self::StreamSilent => "a stream of the log does not answer",
            Self::StreamBroken => "a stream of the log breaks a promise",
            Self::NotPermitted => "the log refuses what ingest publishes",
        })
    }
}

/// Which streams may be given events. Of several servers one has died, and nobody leads what it led: the others need not
/// wait for that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Streams {
    /// Those that get nothing: they have not answered since there is this connection, or not for too long, or a server
    /// with a copy has not told whether it syncs.
    pub(crate) untrusted: BTreeSet<Partition>,
    /// Those that did not answer when they were asked last, or were not asked yet, and why. Who has answered lately
    /// stays trusted: what it stores its PubAck tells, and who has lost its leader sends none.
    pub(crate) silent: BTreeMap<Partition, Lack>,
    /// Bytes of a message, headers included, that stream and server take.
    pub(crate) message_bytes_max: BTreeMap<Partition, usize>,
}

impl Streams {
    /// None of these has been asked.
    pub(crate) fn none_asked(partitions: u16) -> Self {
        let silent = |partition: Partition| {
            let detail = format!("stream {} was not asked yet", partition.stream());
            (partition, Lack { class: Class::StreamSilent, detail })
        };
        Self {
            untrusted: Partition::all(partitions).collect(),
            silent: Partition::all(partitions).map(silent).collect(),
            message_bytes_max: BTreeMap::new(),
        }
    }

    /// It keeps its promises, and takes messages of so many bytes.
    pub(crate) fn settle(&mut self, partition: Partition, message_bytes_max: usize) {
        self.untrusted.remove(&partition);
        self.silent.remove(&partition);
        self.message_bytes_max.insert(partition, message_bytes_max);
    }

    /// It gets nothing any more.
    pub(crate) fn withdraw(&mut self, partition: Partition, lack: Lack) {
        self.untrusted.insert(partition);
        self.silent.insert(partition, lack);
    }

    /// One of those that lack something.
    pub(crate) fn lack(&self) -> Option<&Lack> {
        self.silent.values().next()
    }
}

/// Why the log is not trusted.
#[derive(Debug)]
pub(crate) enum Distrust {
    /// It breaks a promise, and a person has to change something.
    Broken(Lack),
    /// A server says that it can do nothing.
    Unwell(Lack),
    /// A clock is wrong. That may come right by itself, as after a start without network.
    Clocks(Lack),
    /// It could not be asked. Worth another try.
    Unknown(Lack),
}

impl Distrust {
    pub(crate) fn broken(class: Class, detail: String) -> Self {
        Self::Broken(Lack { class, detail })
    }

    /// With the whole chain of what went wrong.
    pub(crate) fn unknown(class: Class, err: &anyhow::Error) -> Self {
        Self::Unknown(Lack { class, detail: format!("{err:#}") })
    }
}
