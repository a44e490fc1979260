//! Waiting for an event to arrive in the read models: a client that has just sent one wants reports that contain it.
//!
//! The checkpoints are looked at again and again, by one for all who wait, with a connection that is on loan only while
//! Postgres is asked. `LISTEN`, as `live.rs` uses it, would hear of a commit up to 20 ms earlier. But a request that waits
//! alone, which is the usual one, would first have to connect for it, and that takes as long.
//!
//! A receipt that no event can have is refused instead of waited for: see [`log_ends`].

/// The ends of the log, which rule out receipts that no event can have.
mod log_ends;

use contract::Receipt;
use log_ends::LogEnds;
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

/// Between two looks at the checkpoints: 50 short statements a second as long as anybody waits. A report comes at most
/// two of these after what it waits for: one until its turn, one because it may be told of a look that is as old.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Requests that may wait at once. They cost Postgres nothing more, but one commit can let all of them go: 256 reports
/// are a tenth of a second's work for 8 connections.
const WAITING_MAX: usize = 256;

/// Where events are waited for.
pub(crate) struct ReadAfter {
    places: Places,
    last: Mutex<Option<Look>>,
}

/// What the checkpoints were, and where the log ended.
struct Look {
    at: Instant,
    as_of: LogPosition,
    log_ends: LogEnds,
}

impl ReadAfter {
    pub(crate) fn new(config: &Config) -> Self {
        Self { places: config.places(WAITING_MAX), last: Mutex::new(None) }
    }

    /// Returns when the active generation contains the event.
    ///
    /// # Errors
    ///
    /// [`ReportError::NotContained`] if it still does not at `until`, [`ReportError::NoSuchEvent`] if it never will, and
    /// [`ReportError::TooManyWaiting`] if it does not now and no other request, or none of the client, may wait. Others
    /// say that it cannot be told.
    pub(crate) async fn wait(
        &self,
        db: &ConnectionPool,
        receipt: Receipt,
        client: &Client,
        until: Instant,
    ) -> Result<(), ReportError> {
        let asked = Instant::now();
        let first_look = timeout_at(until, self.contain(db, receipt, asked)).await;
        if first_look.unwrap_or(Err(ReportError::NoConnection))? {
            return Ok(());
        }
        let _place = self.place(client)?;
        let begun = Instant::now();
        let arrived = timeout_at(until, self.look_until_contained(db, receipt, asked)).await;
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

    async fn look_until_contained(
        &self,
        db: &ConnectionPool,
        receipt: Receipt,
        asked: Instant,
    ) -> Result<(), ReportError> {
        loop {
            sleep(LOOK_INTERVAL).await;
            if self.contain(db, receipt, asked).await? {
                return Ok(());
            }
        }
    }

    /// Whether the checkpoints were beyond the event at the last look, just now or a moment ago. A receipt that was
    /// given before `asked` and of which the log knows nothing is none.
    async fn contain(&self, db: &ConnectionPool, receipt: Receipt, asked: Instant) -> Result<bool, ReportError> {
        let now = Instant::now();
        // Held while Postgres is asked, on purpose: whoever comes meanwhile waits for that answer instead of asking the
        // same. Who holds it and leaves lets the next one ask.
        let mut last = self.last.lock().await;
        // Where Postgres takes longer than the interval, all who have come meanwhile share the look after this one.
        let look = match last.take().filter(|look| look.at >= now || look.at.elapsed() < LOOK_INTERVAL) {
            Some(look) => look,
            None => retry::retry_once(ReportError::conflict, || look(db)).await?,
        };
        let look = last.insert(look);
        if look.as_of.contains(receipt) {
            return Ok(true);
        }
        let since_asked = look.at.saturating_duration_since(asked);
        if look.log_ends.rule_out(receipt, since_asked) { Err(ReportError::NoSuchEvent(receipt)) } else { Ok(false) }
    }
}

/// Its callers wait no longer than their requests do: a deadline of its own would only be another answer at that moment.
async fn look(db: &ConnectionPool) -> Result<Look, ReportError> {
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
        let observed = row.end_sequence.zip(row.end_age_ms);
        let observed =
            observed.map(|(end, age_ms)| Ok::<_, ReportError>((count(end)?, Duration::from_millis(count(age_ms)?))));
        log_ends.add(partition_id, sequence, observed.transpose()?);
    }
    Ok(Look { at, as_of: contained.into_iter().collect(), log_ends })
}
