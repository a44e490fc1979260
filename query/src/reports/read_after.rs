//! The wait for an event to arrive in the read models: read your writes, for a client that has just sent an event.
//!
//! One waiting request polls the checkpoints for all, with a connection that is on loan only for the statement. `LISTEN`, as
//! `live.rs` uses it, would notice a commit up to 20 ms earlier. But a request that waits alone, which is the usual case, would
//! first have to connect for it, and that takes as long.
//!
//! A receipt that no event can have is refused instead of waited for: see `log_ends`.

mod log_ends;

use contract::Receipt;
use log_ends::{LogEnds, ObservedEnd};
use service::access::{Client, NoPlace, Place, Places};
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant, sleep, timeout_at};

use crate::config::Config;
use crate::db::pool::ConnectionPool;
use crate::db::pooled::PooledConnection;
use crate::db::retry;
use crate::metrics;
use crate::reports::error::{ReportError, count};
use crate::reports::log_position::LogPosition;

/// The interval of polls of the checkpoints: 50 short statements a second while a request waits. A report is late by at most two
/// intervals: one until its next poll, and one because the result may be as old.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Requests that may wait at once. Waiting costs Postgres nothing more, but one commit can end all waits: 256 reports take 8
/// connections a tenth of a second.
const WAITING_MAX: usize = 256;

/// The waits of all requests, which share their polls.
pub(crate) struct ReadAfter {
    places: Places,
    last: Mutex<Option<Poll>>,
}

/// The checkpoints and the ends of the log at one moment.
struct Poll {
    at: Instant,
    position: LogPosition,
    log_ends: LogEnds,
}

impl ReadAfter {
    pub(crate) fn new(config: &Config) -> Self {
        Self { places: config.places(WAITING_MAX), last: Mutex::new(None) }
    }

    /// Waits until the active generation contains the event.
    ///
    /// # Errors
    ///
    /// [`ReportError::NotContained`] if it does not contain the event at `until`, [`ReportError::NoSuchEvent`] if it never will,
    /// and [`ReportError::TooManyWaiting`] if no further request, or none of the client, may wait. Other errors say that the
    /// checkpoints cannot be read.
    pub(crate) async fn wait(
        &self,
        db: &ConnectionPool,
        receipt: Receipt,
        client: &Client,
        until: Instant,
    ) -> Result<(), ReportError> {
        let asked = Instant::now();
        let first_poll = timeout_at(until, self.contain(db, receipt, asked)).await;
        if first_poll.unwrap_or(Err(ReportError::NoConnection))? {
            return Ok(());
        }
        let _place = self.place(client)?;
        let begun = Instant::now();
        let arrived = timeout_at(until, self.poll_until_contained(db, receipt, asked)).await;
        let arrived = arrived.unwrap_or(Err(ReportError::NotContained(receipt)));
        let outcome = if arrived.is_ok() { "arrived" } else { "missed" };
        metrics::waited(outcome, begun.elapsed());
        arrived
    }

    fn place(&self, client: &Client) -> Result<Place, ReportError> {
        self.places.take(client).map_err(|err| match err {
            NoPlace::AllTaken => ReportError::TooManyWaiting,
            NoPlace::ClientHasMost => ReportError::TooManyWaitingOfClient,
        })
    }

    async fn poll_until_contained(
        &self,
        db: &ConnectionPool,
        receipt: Receipt,
        asked: Instant,
    ) -> Result<(), ReportError> {
        loop {
            sleep(POLL_INTERVAL).await;
            if self.contain(db, receipt, asked).await? {
                return Ok(());
            }
        }
    }

    /// Whether the event was contained at the last poll, now or a moment ago. A receipt is refused if it was given before `asked`
    /// and the log has no such event.
    async fn contain(&self, db: &ConnectionPool, receipt: Receipt, asked: Instant) -> Result<bool, ReportError> {
        let now = Instant::now();
        // The lock is held during the poll on purpose: requests that come meanwhile wait for its result instead of polling, too.
        // A request that is cancelled during the poll leaves it to the next.
        let mut last = self.last.lock().await;
        // If Postgres takes longer than the interval, all requests that have come meanwhile share the next poll.
        let poll = match last.take().filter(|poll| poll.at >= now || poll.at.elapsed() < POLL_INTERVAL) {
            Some(poll) => poll,
            None => retry::retry_once(ReportError::conflict, || poll(db)).await?,
        };
        let poll = last.insert(poll);
        if poll.position.contains(receipt) {
            return Ok(true);
        }
        let since_asked = poll.at.saturating_duration_since(asked);
        if poll.log_ends.rule_out(receipt, since_asked) { Err(ReportError::NoSuchEvent(receipt)) } else { Ok(false) }
    }
}

/// Reads the checkpoints and the ends of the log. The timeout is that of the request.
async fn poll(db: &ConnectionPool) -> Result<Poll, ReportError> {
    let at = Instant::now();
    let mut lease = PooledConnection::take_for_all(db).await?;
    let rows = sqlx::query_file!("src/reports/sql/read_after.sql").fetch_all(&mut *lease).await?;
    lease.end();
    if !rows.iter().all(|row| row.has_generation) {
        return Err(ReportError::NoGeneration);
    }
    let (mut contained, mut log_ends) = (Vec::new(), LogEnds::default());
    for row in rows {
        let Some(partition_id) = row.partition_id else { continue };
        let partition_id = count(partition_id.into())?;
        let sequence = row.sequence.map(count).transpose()?;
        contained.extend(sequence.map(|sequence| (partition_id, sequence)));
        let observed = row.end_sequence.zip(row.end_age_ms).map(|(end, age_ms)| {
            let age = Duration::from_millis(count(age_ms)?);
            Ok::<_, ReportError>(ObservedEnd { sequence: count(end)?, age })
        });
        log_ends.add(partition_id, sequence, observed.transpose()?);
    }
    Ok(Poll { at, position: contained.into_iter().collect(), log_ends })
}
