//! The log's part of an erasure: all of its envelopes are read, and those that something is to be erased from amended and
//! deleted.

use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::sleep;

use super::Options;
use super::audit;
use super::redactor::Redactor;
use super::residue::Ends;
use super::subject::Subject;
use crate::admin::progress::CommandProgress;
use crate::worker::context::Context;
use event_log::entry::Entry;
use event_log::scan::{self, LogScan};

/// Envelopes that are erased from between two notes of how much that was: at most 64 × 256 KiB, 16 MiB, twice.
const BATCH: usize = 64;

/// Envelopes that are erased at once. The log's server rewrites a file of up to 8 MiB for each, one after the other.
const AT_ONCE: usize = 4;

/// Tries to go on after a fault: the log may restart meanwhile.
const TRIES_MAX: u32 = 20;

/// Between two of them.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Number of events and envelopes to erase.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) events: u64,
    pub(super) envelopes: u64,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events in {} envelopes", self.events, self.envelopes)
    }
}

/// Result of an erasure.
pub(super) struct Erased {
    pub(super) found: Found,
    /// Last sequence that was read in each partition.
    pub(super) ends: Ends,
}

/// Counts what would be erased, and changes nothing.
pub(super) async fn count(context: &Context, subject: &Subject) -> anyhow::Result<Found> {
    let mut scans = scan::all(&context.jetstream).await?;
    let (mut done, steps) = (0, scans.iter().map(LogScan::until).sum());
    let (mut found, mut progress) = (Found::default(), CommandProgress::of("Reading", steps, "envelopes"));
    for scan in &mut scans {
        while let Some(logged) = scan.next().await? {
            if let Some(remainder) = subject.remainder(&logged.body) {
                found.events += remainder.erased;
                found.envelopes += 1;
            }
            progress.set(done + scan.at(), steps);
        }
        done += scan.until();
    }
    progress.end();
    Ok(found)
}

/// Erases from all partitions, up to where each ends now.
pub(super) async fn erase(context: &Context, subject: &Subject, options: &Options) -> anyhow::Result<Erased> {
    let mut scans = scan::all(&context.jetstream).await?;
    let deadline = Duration::from_millis(options.publish_deadline_ms);
    let mut erasers = Vec::new();
    for scan in &scans {
        erasers.push(Redactor::open(&context.jetstream, scan.partition(), deadline).await?);
    }
    let steps = scans.iter().map(LogScan::until).sum();
    let mut erasing = Erasing {
        context,
        subject,
        id: audit::begin(&context.pool, &context.key, subject).await?,
        found: Found::default(),
        progress: CommandProgress::of("Erasing", steps, "envelopes"),
    };
    let mut done = 0;
    for (scan, redactor) in scans.iter_mut().zip(&erasers) {
        erasing.erase(scan, redactor, (done, steps)).await?;
        done += scan.until();
    }
    erasing.progress.end();
    audit::logged_off(&context.pool, erasing.id).await?;
    let ends = scans.iter().map(|scan| (scan.partition(), scan.until())).collect();
    Ok(Erased { found: erasing.found, ends })
}

/// An erasure on its way through the log.
struct Erasing<'a> {
    context: &'a Context,
    subject: &'a Subject,
    /// Number of the erasure's record.
    id: i64,
    found: Found,
    progress: CommandProgress,
}

impl Erasing<'_> {
    async fn erase(
        &mut self,
        scan: &mut LogScan,
        redactor: &Redactor,
        (done, steps): (u64, u64),
    ) -> anyhow::Result<()> {
        loop {
            let mut batch = Vec::new();
            while batch.len() < BATCH
                && let Some(logged) = scan.next().await?
            {
                batch.extend(self.subject.remainder(&logged.body).map(|remainder| (logged, remainder.erased)));
                self.progress.set(done + scan.at(), steps);
            }
            if batch.is_empty() {
                break;
            }
            self.erase_batch(redactor, batch).await?;
        }
        // Where a run was killed before, there is something without an envelope to remind of it.
        redactor.sweep().await.with_context(|| format!("clearing up partition {}", scan.partition()))
    }

    async fn erase_batch(&mut self, redactor: &Redactor, batch: Vec<(Entry, u64)>) -> anyhow::Result<()> {
        if let Some(youngest) = batch.iter().map(|(logged, _)| logged.logged_at).max() {
            redactor.wait_until_settled(youngest).await?;
        }
        let events = batch.iter().map(|(_, erased)| erased).sum();
        let envelopes = batch.len() as u64;
        audit::add(&self.context.pool, self.id, events, envelopes).await?;
        self.found.events += events;
        self.found.envelopes += envelopes;
        let erase = batch.into_iter().map(|(logged, _)| patiently(redactor, self.subject, logged));
        stream::iter(erase).buffer_unordered(AT_ONCE).try_collect::<()>().await
    }
}

/// Erases from one envelope, again and again while the log is unavailable.
async fn patiently(redactor: &Redactor, subject: &Subject, logged: Entry) -> anyhow::Result<()> {
    let mut tries = 0;
    loop {
        match redactor.erase(subject, logged.clone()).await {
            Ok(()) => return Ok(()),
            Err(err) if tries == TRIES_MAX => return Err(err),
            Err(_) => tries += 1,
        }
        sleep(RETRY_PAUSE).await;
    }
}
