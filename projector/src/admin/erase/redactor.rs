//! One envelope, amended and deleted. Every step may be the last one of a run that is killed, and may be done again:
//!
//! 1. What is left is published under the envelope's sequence, if what stands there is still what it was made from.
//!    Readers ignore it while the envelope is there.
//! 2. The envelope is deleted, and its bytes are overwritten.
//! 3. What stood there from an erasure before is deleted likewise.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, Stream};
use chrono::{DateTime, SecondsFormat, Utc};
use contract::Partition;
use contract::subjects::{EVENT_COUNT_HEADER, LOGGED_AT_HEADER, SCHEMA_HEADER, SENT_AT_HEADER};
use futures_util::TryStreamExt;

use super::subject::Remainder;
use super::subject::Subject;
use event_log::archive::Record;
use event_log::connect::Log;
use event_log::deletion::{self, Deletion};
use event_log::entry::Entry;
use event_log::redactions;

/// Attempts to publish a redaction, because other runs may change it meanwhile.
const TRIES_MAX: u32 = 16;

/// Erases from one partition.
pub(crate) struct Redactor {
    log: Log,
    partition: Partition,
    deletion: Deletion,
    amendments: Stream,
}

/// What the fold reads of an envelope's headers. It must outlive every erasure: a rebuild decides by it.
#[derive(Debug, Clone, Copy)]
struct Stamp<'a> {
    logged_at: DateTime<Utc>,
    sent_at: Option<DateTime<Utc>>,
    schema: Option<&'a str>,
}

impl Redactor {
    /// Makes the stream of amendments if there is none yet. `publish_deadline` is the longest of any ingest.
    ///
    /// # Errors
    ///
    /// The log is unavailable, the user may not do it, or the stream is of those that keep everything.
    pub(crate) async fn open(log: &Log, partition: Partition, publish_deadline: Duration) -> anyhow::Result<Self> {
        let name = partition.stream();
        let deletion = Deletion::open(log, partition, publish_deadline).await?;
        let config = &deletion.events().cached_info().config;
        ensure!(
            !config.deny_delete,
            "stream {name} forbids that anything is ever deleted from it, as streams of older versions do, and cannot be \
             changed: restore it once from a backup without that, as docs/operations.md says"
        );
        let made = log.get_or_create_stream(declared(partition, config)).await;
        let amendments = made.with_context(|| {
            format!("making {}: erasing needs the log's user `operator`", partition.amendments_stream())
        })?;
        Ok(Self { log: log.clone(), partition, deletion, amendments })
    }

    /// Erases the subject's events from an envelope.
    ///
    /// # Errors
    ///
    /// The log is unavailable; nothing is lost, and it can be done again.
    pub(crate) async fn erase(&self, subject: &Subject, envelope: Entry) -> anyhow::Result<()> {
        let (logged_at, mut found) = (envelope.logged_at, envelope);
        for _ in 0..TRIES_MAX {
            // If another run was faster, there may be nothing left to erase.
            let Some(remainder) = subject.remainder(&found.body) else {
                return self.delete(found.sequence, logged_at, None).await;
            };
            if self.amend(&found, &remainder).await? {
                return self.delete(found.sequence, logged_at, found.amendment).await;
            }
            let now = redactions::read(&self.amendments, self.partition, found.sequence).await?;
            let now = now.context("what stands for an envelope does not go away")?;
            // One of another time is left of a log that had the same sequence before: its place is taken.
            found = if now.logged_at == logged_at { now } else { Entry { amendment: now.amendment, ..found } };
        }
        bail!("others go on changing what stands for sequence {} of partition {}", found.sequence, self.partition)
    }

    /// Deletes amendments that others have taken the place of: a run was killed between the two.
    pub(crate) async fn sweep(&self) -> anyhow::Result<()> {
        let subjects = self.amendments.info_with_subjects(self.partition.amendments_subjects()).await;
        let mut subjects = subjects.context("listing amendments")?;
        while let Some((subject, count)) = subjects.try_next().await.context("listing amendments")? {
            let last =
                if count > 1 { self.amendments.get_last_raw_message_by_subject(&subject).await?.sequence } else { 0 };
            let mut from = 1;
            while from < last {
                let next = self.amendments.raw_message_builder().sequence(from).next_by_subject(&subject);
                let found = next.send().await.context("looking for amendments of old")?.sequence;
                if found < last {
                    deletion::delete(&self.log, &self.amendments, found).await?;
                }
                from = found + 1;
            }
        }
        Ok(())
    }

    /// Puts an archived envelope in the place of one that is gone, unless it stands there already.
    pub(crate) async fn restore(&self, line: Record) -> anyhow::Result<()> {
        let count = line.is_erased.then_some(0);
        let stamp = Stamp { logged_at: line.logged_at, sent_at: line.sent_at, schema: line.schema.as_deref() };
        let message = self.message(stamp, line.body().to_vec(), count);
        if !self.publish(line.sequence, 0, message).await? {
            let stands = redactions::read(&self.amendments, self.partition, line.sequence).await?;
            ensure!(
                stands.is_none_or(|stands| stands.logged_at == line.logged_at),
                "what stands for sequence {} in {} is not of this log: delete that stream first",
                line.sequence,
                self.partition.amendments_stream()
            );
        }
        Ok(())
    }

    /// Publishes what is left; answers whether what stood there is still what it was made from.
    async fn amend(&self, found: &Entry, remainder: &Remainder) -> anyhow::Result<bool> {
        let stamp = Stamp { logged_at: found.logged_at, sent_at: found.sent_at, schema: found.schema.as_deref() };
        let message = self.message(stamp, remainder.body.clone(), Some(remainder.left));
        self.publish(found.sequence, found.amendment.unwrap_or(0), message).await
    }

    /// What stands for an envelope of that stamp.
    fn message(&self, stamp: Stamp<'_>, body: Vec<u8>, count: Option<u64>) -> PublishMessage {
        let logged_at = stamp.logged_at.to_rfc3339_opts(SecondsFormat::Nanos, true);
        let mut message = PublishMessage::build()
            .payload(body.into())
            .expected_stream(self.partition.amendments_stream())
            .header(LOGGED_AT_HEADER, logged_at.as_str());
        if let Some(count) = count {
            message = message.header(EVENT_COUNT_HEADER, count.to_string().as_str());
        }
        if let Some(sent_at) = stamp.sent_at {
            let sent_at = sent_at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            message = message.header(SENT_AT_HEADER, sent_at.as_str());
        }
        if let Some(schema) = stamp.schema {
            message = message.header(SCHEMA_HEADER, schema);
        }
        message
    }

    /// Publishes it, if the last that stands there is the one of this sequence; answers whether it is.
    async fn publish(&self, sequence: u64, last: u64, message: PublishMessage) -> anyhow::Result<bool> {
        let subject = self.partition.amendment_subject(sequence);
        let message = message.expected_last_subject_sequence(last);
        let stored = match self.log.send_publish(subject, message).await {
            Ok(stored) => stored.await,
            Err(err) => Err(err),
        };
        match stored {
            Ok(_) => Ok(true),
            Err(err) if err.kind() == PublishErrorKind::WrongLastSequence => Ok(false),
            Err(err) => Err(err).context("publishing what is left of an envelope"),
        }
    }

    /// Waits until ingest cannot send an envelope again that the log stored at this time.
    pub(crate) async fn wait_until_settled(&self, logged_at: DateTime<Utc>) -> anyhow::Result<()> {
        self.deletion.wait_until_settled(logged_at).await
    }

    async fn delete(&self, sequence: u64, logged_at: DateTime<Utc>, amendment: Option<u64>) -> anyhow::Result<()> {
        self.deletion.delete(sequence, logged_at).await?;
        match amendment {
            Some(amendment) => deletion::delete(&self.log, &self.amendments, amendment).await,
            None => Ok(()),
        }
    }
}

/// A stream of amendments, as durable as the one that they belong to.
fn declared(partition: Partition, events: &Config) -> Config {
    Config {
        name: partition.amendments_stream(),
        subjects: vec![partition.amendments_subjects()],
        description: Some(format!("Tidemark: what is left of envelopes of {} after erasures.", partition.stream())),
        discard: events.discard,
        storage: events.storage,
        compression: events.compression.clone(),
        num_replicas: events.num_replicas,
        allow_direct: true,
        ..Config::default()
    }
}
