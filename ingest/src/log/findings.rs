//! Findings of the checks of the log so far, and the time for which each answer counts.

use contract::Partition;
use tokio::time::Instant;

use super::connection_events::ConnectionEpoch;
use super::status::{Problem, Streams};
use super::streams::StreamReport;
use super::sync_check::{ANSWER_AGE_MAX, Servers};
use crate::metrics;

/// State that is kept from one check to the next.
pub(super) struct Findings {
    /// The connection over which streams were asked.
    pub(super) connection: ConnectionEpoch,
    pub(super) streams: Streams,
    /// Last answer of each stream, by the partition's number.
    stream_answers: Vec<Instant>,
    pub(super) servers: Servers,
    /// Begin of the last successful check.
    pub(super) kept: Option<Instant>,
    /// Whether a promise was broken, and no complete check has found since that all are kept.
    pub(super) is_broken: bool,
    /// Streams with fewer copies than `STREAM_REPLICAS` says.
    short_of_copies: usize,
}

/// Cause of a check.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The connection is a new one, or an envelope got no answer.
    Doubt,
    /// The interval between checks is over.
    Interval,
}

impl Findings {
    pub(super) fn nothing(partitions: u16) -> Self {
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

    /// Forgets what streams have answered over an earlier connection.
    pub(super) fn connected(&mut self, connection: ConnectionEpoch) {
        self.connection = connection;
        self.streams = Streams::none_asked(u16::try_from(self.stream_answers.len()).unwrap_or(u16::MAX));
    }

    /// Whether a check without an answer leaves the status as it is: for a while after the last successful one, unless an
    /// envelope gave cause for doubt. A server that is busy for a moment stores events all the same.
    pub(super) fn may_be_silent(&self, cause: Cause) -> bool {
        cause == Cause::Interval && self.kept.is_some_and(|kept| kept.elapsed() <= ANSWER_AGE_MAX)
    }

    /// Records a stream that keeps its promises, and trusts it.
    ///
    /// # Errors
    ///
    /// One of the stream's servers has not been checked, so the stream is not trusted.
    pub(super) fn stream_answered(
        &mut self,
        partition: Partition,
        report: &StreamReport,
        max_payload: usize,
    ) -> Result<(), Problem> {
        self.stream_answers[usize::from(partition.number())] = Instant::now();
        self.servers.vouch(&partition.stream(), report.cluster.as_ref())?;
        self.streams.trust(partition, report.message_bytes_max.unwrap_or(usize::MAX).min(max_payload));
        Ok(())
    }

    /// Records a stream that does not answer. Its `PubAck` would still tell what it stores, but its configuration may
    /// have changed, so it is distrusted after a while.
    pub(super) fn stream_silent(&mut self, partition: Partition, problem: Problem) {
        let answered = self.stream_answers[usize::from(partition.number())];
        if answered.elapsed() > ANSWER_AGE_MAX {
            self.streams.distrust(partition, problem);
        } else {
            self.streams.silent.insert(partition, problem);
        }
    }

    /// Reports streams with fewer copies than declared. They are used: an event in them is as safe as in a stream that
    /// was declared with fewer copies.
    pub(super) fn report_copies(&mut self, short_of_copies: usize, replicas: u8) {
        metrics::short_of_copies(short_of_copies);
        if short_of_copies > 0 && short_of_copies != self.short_of_copies {
            tracing::warn!(
                streams = short_of_copies,
                "Streams have fewer copies than STREAM_REPLICAS={replicas}: `nats stream edit NAME --replicas {replicas}`"
            );
        }
        self.short_of_copies = short_of_copies;
    }
}
