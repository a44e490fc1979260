//! What the connection to the log tells: that it is there or not, and what the server refuses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Event, ServerError};
use contract::Partition;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::log::Changes;

/// Streams that refused what was published, and when they did so last: until they take something again.
pub(crate) type Complaints = Mutex<BTreeMap<Partition, Instant>>;

/// A complaint counts for so long. Behind a load balancer an ingest that is not ready gets no event, and so would never
/// find out that it may publish again.
const COMPLAINT_AGE_MAX: Duration = Duration::from_secs(30);

/// Whether a complaint counts.
pub(crate) fn is_fresh(complaint: Option<&Instant>) -> bool {
    complaint.is_some_and(|complained| complained.elapsed() <= COMPLAINT_AGE_MAX)
}

/// Hears what the client library tells of the connection.
pub(crate) struct Listener {
    pub(crate) changed: watch::Sender<Changes>,
    /// The last of it. While the server is away, the same is told ten times a second: once is enough for the log.
    pub(crate) reported: Mutex<String>,
    pub(crate) complaints: Arc<Complaints>,
}

impl Listener {
    pub(crate) fn note(&self, event: &Event) {
        let is_new = self.is_new(&event.to_string());
        match event {
            Event::Connected => {
                tracing::info!("Connected to the log");
                self.changed.send_modify(|changes| *changes += if *changes % 2 == 0 { 1 } else { 2 });
            }
            Event::Disconnected | Event::Closed => {
                tracing::warn!("Disconnected from the log");
                self.changed.send_modify(|changes| *changes += *changes % 2);
            }
            Event::ServerError(ServerError::Other(error)) if self.is_complaint(error) => {
                tracing::error!(
                    error,
                    "The log's user may not publish: give it the permissions of ingest in nats/server.conf"
                );
            }
            Event::ServerError(ServerError::Other(error)) if forbidden_partition(error).is_some() => {}
            other if is_new => tracing::warn!(event = %other, "The log's connection reports"),
            _ => {}
        }
    }

    /// Whether the server tells, for the first time in a while, that a partition's subject may not be published to. It
    /// answers the envelope itself with nothing.
    fn is_complaint(&self, error: &str) -> bool {
        let Some(partition) = forbidden_partition(error) else { return false };
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        !is_fresh(complaints.insert(partition, Instant::now()).as_ref())
    }

    fn is_new(&self, report: &str) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *reported != report;
        report.clone_into(&mut reported);
        is_new
    }
}

/// The partition whose subject the log's user may not publish to, as the server says it:
/// `Permissions Violation for Publish to "events.0"`.
fn forbidden_partition(error: &str) -> Option<Partition> {
    let error = error.to_lowercase();
    let (_, subject) = error.split_once("permissions violation for publish to \"")?;
    let (subject, _) = subject.split_once('"')?;
    subject.strip_prefix("events.")?.parse().ok().and_then(Partition::numbered)
}
