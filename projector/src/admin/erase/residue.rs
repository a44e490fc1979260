//! Whether anything is left of what was erased: in the log and what stands for parts of it, in read models, and among
//! parked events. Of a user, read models have nothing but sketches, and what is remembered of event ids are digests: that
//! these are of the log as it is now says a verification.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Context as _;
use contract::Partition;
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgPool};

use super::subject::Subject;
use crate::read_models::tables;
use crate::worker::context::Context;
use event_log::connect::Log;
use event_log::redactions;
use event_log::scan;

/// Where the log ended in each partition when it was erased from: what lies behind came since.
pub(crate) type Ends = BTreeMap<Partition, u64>;

/// Remains that a search has found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// Events in the log, and parts of redactions that are not read.
    pub(crate) logged: u64,
    /// Parked events.
    pub(crate) parked: u64,
    /// Rows of read models.
    pub(crate) rows: u64,
    /// Events that came since, which are no remains.
    pub(crate) since: u64,
}

impl Found {
    /// Whether nothing is left. Rows may be of what came since.
    pub(crate) fn is_nothing(self) -> bool {
        self.logged == 0 && self.parked == 0 && (self.rows == 0 || self.since > 0)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { logged, parked, rows, since } = self;
        write!(f, "{logged} events in the log, {parked} parked, {rows} rows of read models")?;
        if *since > 0 { write!(f, "; {since} events came since, and stay") } else { Ok(()) }
    }
}

/// Searches everywhere. `passed` is called with the number of envelopes that were read, and of all.
pub(crate) async fn search(
    context: &Context,
    subject: &Subject,
    ends: &Ends,
    passed: &mut impl FnMut(u64, u64),
) -> anyhow::Result<Found> {
    let Context { pool, jetstream, .. } = context;
    let rows = rows(pool, subject).await?;
    let mut found = Found { rows, ..search_log(jetstream, subject, ends, passed).await? };
    search_parked(pool, subject, ends, &mut found).await?;
    Ok(found)
}

async fn search_log(
    log: &Log,
    subject: &Subject,
    ends: &Ends,
    passed: &mut impl FnMut(u64, u64),
) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let mut scans = scan::all(log).await?;
    let (mut done, steps) = (0, scans.iter().map(scan::LogScan::until).sum());
    for scan in &mut scans {
        let partition = scan.partition();
        let (unread, superseded) = unread(log, partition).await?;
        let end = ends.get(&partition).copied().unwrap_or(0);
        found.logged += superseded;
        while let Some(logged) = scan.next().await? {
            let theirs = subject.remainder(&logged.body).map_or(0, |remainder| remainder.erased);
            *(if logged.sequence <= end { &mut found.logged } else { &mut found.since }) += theirs;
            if logged.amendment.is_none() && unread.contains(&logged.sequence) {
                found.logged += in_amendment(log, partition, logged.sequence, subject).await?;
            }
            passed(done + scan.at(), steps);
        }
        done += scan.until();
    }
    Ok(found)
}

/// Sequences that something stands for, and how much has been taken the place of and is still there.
async fn unread(log: &Log, partition: Partition) -> anyhow::Result<(BTreeSet<u64>, u64)> {
    let (mut sequences, mut superseded) = (BTreeSet::new(), 0);
    if let Some(stream) = redactions::find(log, partition).await? {
        let mut subjects = stream.info_with_subjects(partition.amendments_subjects()).await?;
        while let Some((subject, count)) = subjects.try_next().await? {
            sequences.extend(partition.amended_sequence(&subject));
            superseded += count.saturating_sub(1) as u64;
        }
    }
    Ok((sequences, superseded))
}

async fn in_amendment(log: &Log, partition: Partition, sequence: u64, subject: &Subject) -> anyhow::Result<u64> {
    let stream = redactions::find(log, partition).await?.context("the stream of amendments is gone")?;
    let amended = redactions::read(&stream, partition, sequence).await?;
    Ok(amended.and_then(|amended| subject.remainder(&amended.body)).map_or(0, |remainder| remainder.erased))
}

/// Counts rows of all generations. Read models name sites, not users.
async fn rows(pool: &PgPool, subject: &Subject) -> sqlx::Result<u64> {
    if subject.kind() != "site" {
        return Ok(0);
    }
    let tables = tables::all().filter(|model| model.has_key("site_id") && !model.is_list());
    let tables = tables.map(|model| model.table.as_str()).chain(["month_summary"]);
    let counts: Vec<_> = tables.map(|table| format!("(select count(*) from {table} where site_id = $1)")).collect();
    let rows = sqlx::query_scalar::<_, i64>(AssertSqlSafe(format!("select {}", counts.join(" + "))));
    Ok(rows.bind(subject.site_id()).fetch_one(pool).await?.unsigned_abs())
}

/// Searches parked events of all generations.
async fn search_parked(pool: &PgPool, subject: &Subject, ends: &Ends, found: &mut Found) -> sqlx::Result<()> {
    let mut parked =
        sqlx::query!("select partition_id, stream_sequence, superseded_by, event from parked_event").fetch(pool);
    while let Some(row) = parked.try_next().await? {
        let Some(remainder) = subject.remainder(&row.event) else { continue };
        let partition = u16::try_from(row.partition_id).ok().and_then(Partition::numbered);
        let end = partition.and_then(|partition| ends.get(&partition)).copied().unwrap_or(0);
        // One whose sequence the log has given again is of old.
        let is_new = row.superseded_by == 0 && u64::try_from(row.stream_sequence).is_ok_and(|sequence| sequence > end);
        *(if is_new { &mut found.since } else { &mut found.parked }) += remainder.erased;
    }
    Ok(())
}
