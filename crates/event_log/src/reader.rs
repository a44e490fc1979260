//! Reads the envelopes of a partition, in order and without a gap.
//!
//! The consumer in the log is disposable: it acknowledges nothing, lives in memory, and is made anew behind the last
//! envelope whenever something is wrong. It has a name so that `nats consumer report` shows how far behind it is.

mod deliveries;

use std::time::Duration;

use async_nats::jetstream;
use contract::Partition;
use tokio::time::timeout;

use super::connect::Log;
use super::entry::Entry;
use super::error::LogError;
use super::position::Position;
use super::redactions::Redactions;
use super::stream::{self, Stream, as_stored};
use super::{headers, lookup};
use deliveries::Deliveries;

/// Without a message for so long it is asked whether there is one. A message that was on its way when the connection
/// broke is delivered for the server, and is not sent again.
const SILENCE: Duration = Duration::from_secs(1);

/// A reader that is not read for longer loses its consumer and must be opened again.
pub const REST_MAX: Duration = Duration::from_secs(1);

/// Envelopes that are asked for one at a time behind one that cannot be delivered: others like it may be near, and each
/// that is delivered breaks a connection.
const SINGLY: u64 = 256;

/// Reads the envelopes of one partition behind a position.
pub struct LogReader {
    log: Log,
    partition: Partition,
    /// Prefix of the names of its consumers.
    consumer: String,
    /// Subscription; none while envelopes are asked for one at a time.
    deliveries: Option<Deliveries>,
    /// Envelopes up to this sequence are asked for one at a time.
    singly_until: u64,
    stream: jetstream::stream::Stream,
    /// Redactions of the partition.
    amendments: Redactions,
    /// An envelope that came before the expected one.
    held: Option<Entry>,
    /// Up to this sequence only redactions exist, so nothing is delivered.
    silent_until: u64,
    /// End of the stream at the last check without a delivery.
    seen_missing: u64,
    /// Position at which the reader was opened.
    position: Position,
    expected: u64,
}

impl LogReader {
    /// Checks that a stream continues a position, and begins to read behind it. `consumer` is what the names of the
    /// log's consumers begin with.
    ///
    /// # Errors
    ///
    /// The history is another or incomplete, or the log is unavailable.
    pub async fn open(stream: &Stream, consumer: String, position: Position) -> Result<Self, LogError> {
        let (mut amendments, expected) = (stream.amendments(), position.sequence + 1);
        let first = stream.first_behind(position, &mut amendments).await?;
        let last = stream.last_sequence();
        let is_silent = first.is_none() && last >= expected;
        let mut reader = Self {
            log: stream.log.clone(),
            partition: stream.partition,
            consumer,
            deliveries: None,
            singly_until: 0,
            stream: stream.handle.clone(),
            silent_until: if is_silent { amendments.run_end(expected, last) } else { 0 },
            amendments,
            held: None,
            seen_missing: 0,
            position,
            expected,
        };
        let begin = first.as_ref().map_or(expected.max(last + 1), |first| first.sequence + 1);
        if let Some(first) = first {
            reader.hold(first);
        }
        if reader.singly_until == 0 {
            reader.subscribe(begin).await?;
        }
        Ok(reader)
    }

    /// Reads the next envelope; waits while there is none. Cancel safe: a future that is dropped while it waits loses
    /// nothing.
    pub async fn next_entry(&mut self) -> Result<Entry, LogError> {
        let entry = self.expected_entry().await?;
        self.expected = entry.sequence + 1;
        Ok(entry)
    }

    /// Sequence of the next envelope.
    pub fn next_sequence(&self) -> u64 {
        self.expected
    }

    /// Number of envelopes that are known to follow one that has just been read.
    pub fn pending_behind(&self, entry: &Entry) -> u64 {
        entry.pending + u64::from(self.held.is_some() || self.silent_until >= self.expected)
    }

    /// Waits for the envelope of the expected sequence, from the stream or from the record that replaces it.
    async fn expected_entry(&mut self) -> Result<Entry, LogError> {
        loop {
            if let Some(held) = self.held.take_if(|held| held.sequence == self.expected) {
                return Ok(held);
            }
            if let Some(held) = &self.held {
                let found = held.sequence;
                return match Box::pin(self.amendments.get(self.expected, found - 1)).await? {
                    Some(amended) => Ok(amended),
                    None => Err(Box::pin(self.lost_or_gone(found)).await),
                };
            }
            if self.silent_until >= self.expected {
                let amended = Box::pin(self.amendments.get(self.expected, self.silent_until)).await?;
                return amended.ok_or(LogError::Silent { expected: self.expected, last: self.silent_until });
            }
            if self.expected <= self.singly_until {
                Box::pin(self.ask()).await?;
                continue;
            }
            let Some(deliveries) = &mut self.deliveries else {
                self.subscribe(self.expected).await?;
                continue;
            };
            match timeout(SILENCE, deliveries.next()).await {
                Ok(message) => self.take(&message?)?,
                Err(_) => Box::pin(self.look()).await?,
            }
        }
    }

    /// Opens a consumer that delivers envelopes from a sequence on.
    async fn subscribe(&mut self, from: u64) -> Result<(), LogError> {
        // Boxed, as all that is asked of the log: what the client library needs for it is large, and every reader would
        // carry it along.
        self.deliveries = Some(Box::pin(Deliveries::open(&self.log, self.partition, &self.consumer, from)).await?);
        Ok(())
    }

    /// Takes the next envelope that the log has, without a consumer. Where there is none yet, one is waited for again.
    async fn ask(&mut self) -> Result<(), LogError> {
        let events = self.partition.stream();
        match lookup::first_from(&self.log, &events, self.expected).await? {
            Some(stored) => self.hold(stored),
            None => self.singly_until = 0,
        }
        Ok(())
    }

    fn hold(&mut self, stored: lookup::StoredMessage) {
        if !headers::is_deliverable(&stored.headers) {
            self.singly_until = stored.sequence + SINGLY;
        }
        self.held = Some(Entry::stored(stored, self.stream.cached_info().state.last_sequence));
    }

    /// Holds a delivered message, unless it was counted before.
    fn take(&mut self, message: &jetstream::Message) -> Result<(), LogError> {
        let logged = Entry::of(message)?;
        self.seen_missing = 0;
        if logged.sequence < self.expected {
            // The last one, or a consumer that the client made anew begins too early.
            self.check_counted(&logged)?;
        } else {
            self.held = Some(logged);
        }
        Ok(())
    }

    /// Asks the log whether it has envelopes that are not delivered.
    async fn look(&mut self) -> Result<(), LogError> {
        // A log that does not answer is noticed by its missing heartbeat.
        let Ok(info) = self.stream.get_info().await else { return Ok(()) };
        let last = info.state.last_sequence;
        if last >= self.expected && self.amendments.have(self.expected).await? {
            self.silent_until = self.amendments.run_end(self.expected, last);
        } else if self.seen_missing >= self.expected {
            return Err(LogError::Silent { expected: self.expected, last });
        }
        // What was missing before this look was not on its way just now.
        self.seen_missing = last;
        Ok(())
    }

    /// Why `found` came and not what was expected. That it did not come does not say that it is gone: the log does.
    async fn lost_or_gone(&mut self, found: u64) -> LogError {
        let expected = self.expected;
        let first = match lookup::first_from(&self.log, &self.partition.stream(), expected).await {
            Ok(first) => first.map(|first| first.sequence),
            Err(err) => return err,
        };
        match stream::gap(&mut self.amendments, expected, first, found - 1).await {
            Ok(Some(gap)) => gap.into(),
            Ok(None) => LogError::Lost { expected, found },
            Err(err) => err,
        }
    }

    /// Where another envelope comes under the position's sequence, the log is asked what that means: by opening it again.
    fn check_counted(&self, logged: &Entry) -> Result<(), LogError> {
        let is_other = self.position.check_at(as_stored(logged.logged_at)).is_err();
        if logged.sequence == self.position.sequence && is_other {
            return Err(LogError::Lost { expected: self.expected, found: logged.sequence });
        }
        Ok(())
    }
}
