//! What the guard knows of the log, and for how long it is good.

use contract::Partition;
use tokio::time::Instant;

use crate::instruments;
use crate::log::Changes;
use crate::servers::{ANSWER_AGE_MAX, Servers};
use crate::streams::Seen;
use crate::trust::{Lack, Streams};

/// What is known of the log.
pub(crate) struct Known {
    /// The connection over which streams were asked.
    pub(crate) connection: Changes,
    pub(crate) streams: Streams,
    /// When each stream answered last, by the partition's number.
    stream_answers: Vec<Instant>,
    pub(crate) servers: Servers,
    /// When a look found last that promises are kept.
    pub(crate) kept: Option<Instant>,
    /// A promise was broken, and no whole look has found since that all are kept.
    pub(crate) is_broken: bool,
    /// Streams with fewer copies than `STREAM_REPLICAS` says.
    short_of_copies: usize,
}

/// Why the guard looks at the log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// There is another connection, or an envelope got no answer.
    Doubt,
    /// It is time.
    Interval,
}

impl Known {
    pub(crate) fn nothing(partitions: u16) -> Self {
        Self {
            connection: 0,
            streams: Streams::none_asked(partitions),
            stream_answers: vec![Instant::now(); partitions.into()],
            servers: Servers::default(),
            kept: None,
            is_broken: false,
            short_of_copies: 0,
        }
    }

    /// Over another connection all streams are asked anew.
    pub(crate) fn connected(&mut self, connection: Changes) {
        self.connection = connection;
        self.streams = Streams::none_asked(u16::try_from(self.stream_answers.len()).unwrap_or(u16::MAX));
    }

    /// What the log lacks that could not be asked: nothing for a while where nobody doubts it, because a server that is
    /// busy for a moment stores all the same.
    pub(crate) fn may_be_silent(&self, cause: Cause) -> bool {
        cause == Cause::Interval && self.kept.is_some_and(|kept| kept.elapsed() <= ANSWER_AGE_MAX)
    }

    /// A stream keeps its promises: it is trusted if its servers are.
    pub(crate) fn seen(&mut self, partition: Partition, seen: &Seen, max_payload: usize) -> Result<(), Lack> {
        self.stream_answers[usize::from(partition.number())] = Instant::now();
        self.servers.vouch(&partition.stream(), seen.cluster.as_ref())?;
        self.streams.settle(partition, seen.message_bytes_max.unwrap_or(usize::MAX).min(max_payload));
        Ok(())
    }

    /// A stream does not answer. What it stores its `PubAck` tells; but how it is set up may change meanwhile.
    pub(crate) fn silent(&mut self, partition: Partition, lack: Lack) {
        let answered = self.stream_answers[usize::from(partition.number())];
        if answered.elapsed() > ANSWER_AGE_MAX {
            self.streams.withdraw(partition, lack);
        } else {
            self.streams.silent.insert(partition, lack);
        }
    }

    /// Streams with fewer copies than declared lose nothing that one of them would not lose: they are told of.
    pub(crate) fn tell_of_copies(&mut self, short_of_copies: usize, replicas: u8) {
        instruments::short_of_copies(short_of_copies);
        if short_of_copies > 0 && short_of_copies != self.short_of_copies {
            tracing::warn!(
                streams = short_of_copies,
                "Streams have fewer copies than STREAM_REPLICAS={replicas}: `nats stream edit NAME --replicas {replicas}`"
            );
        }
        self.short_of_copies = short_of_copies;
    }
}
