//! Events of the connection to the log: whether it is open, and which publications the server refuses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Event, ServerError};
use contract::Partition;
use tokio::sync::watch;
use tokio::time::Instant;

use super::account_limit::AccountLimit;

/// Number of changes of the connection; odd while it is open.
pub(super) type ConnectionEpoch = u64;

/// Streams that have refused an envelope, and when they did so last. A stream is removed once it stores something.
pub(super) type Refusals = Mutex<BTreeMap<Partition, Instant>>;

/// Time for which a refusal counts. A load balancer sends nothing to an ingest that is not ready, so without this bound
/// ingest would never find out that it may publish again.
const REFUSAL_AGE_MAX: Duration = Duration::from_secs(30);

/// Whether a refusal still counts.
pub(super) fn is_fresh(refusal: Option<&Instant>) -> bool {
    refusal.is_some_and(|refused| refused.elapsed() <= REFUSAL_AGE_MAX)
}

/// Receives the events of the client library.
pub(super) struct ConnectionEvents {
    pub(super) epoch: watch::Sender<ConnectionEpoch>,
    /// The last event that was logged: while the server is unavailable, the library repeats it ten times a second.
    pub(super) last_report: Mutex<String>,
    pub(super) refusals: Arc<Refusals>,
    pub(super) account_limit: Arc<AccountLimit>,
}

impl ConnectionEvents {
    pub(super) fn record(&self, event: &Event) {
        let is_new = self.is_new(&event.to_string());
        match event {
            Event::Connected => {
                tracing::info!("Connected to the log");
                self.epoch.send_modify(|epoch| *epoch += if *epoch % 2 == 0 { 1 } else { 2 });
            }
            Event::Disconnected | Event::Closed => {
                tracing::warn!("Disconnected from the log");
                self.epoch.send_modify(|epoch| *epoch += *epoch % 2);
            }
            Event::ServerError(ServerError::Other(error)) if self.is_new_refusal(error) => {
                tracing::error!(
                    error,
                    "The log's user may not publish: give it the permissions of ingest in nats/server.conf"
                );
            }
            Event::ServerError(ServerError::Other(error)) if forbidden_partition(error).is_some() => {}
            Event::ServerError(ServerError::Other(error)) if is_too_large(error) => {
                self.account_limit.violated();
                tracing::warn!(
                    message_bytes_max = self.account_limit.bytes(),
                    "The account of ingest takes smaller messages than its server; ingest sends half until it restarts"
                );
            }
            other if is_new => tracing::warn!(event = %other, "The log's connection reports"),
            _ => {}
        }
    }

    /// Records a violation of permissions, and says whether it is the first one in a while. The server sends no other
    /// answer to the envelope.
    fn is_new_refusal(&self, error: &str) -> bool {
        let Some(partition) = forbidden_partition(error) else { return false };
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        !is_fresh(refusals.insert(partition, Instant::now()).as_ref())
    }

    fn is_new(&self, report: &str) -> bool {
        let mut last = self.last_report.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *last != report;
        report.clone_into(&mut last);
        is_new
    }
}

/// Whether the server closes the connection because a message is larger than the account may send.
fn is_too_large(error: &str) -> bool {
    error.to_lowercase().contains("maximum payload violation")
}

/// The partition whose subject the log's user may not publish to, from the server's message
/// `Permissions Violation for Publish to "events.0"`.
fn forbidden_partition(error: &str) -> Option<Partition> {
    let error = error.to_lowercase();
    let (_, subject) = error.split_once("permissions violation for publish to \"")?;
    let (subject, _) = subject.split_once('"')?;
    subject.strip_prefix("events.")?.parse().ok().and_then(Partition::numbered)
}
