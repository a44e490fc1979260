//! The next message for the log, built from waiting events.

use bytes::Bytes;
use chrono::SecondsFormat;
use service::Span;
use tokio::time::Instant;

use super::pending::Pending;
use crate::clock::Moment;

/// The next message for the log.
pub(super) struct Envelope {
    /// The log drops a message whose id it has seen before, so an envelope may be sent again and again.
    pub(super) id: String,
    pub(super) body: Bytes,
    pub(super) events: u32,
    pub(super) waiting: Vec<Pending>,
    /// The latest deadline of the waiting requests.
    pub(super) deadline: Instant,
    /// Moment at which the envelope was built.
    pub(super) built: Moment,
    /// Value of the header for readers: `built` in RFC 3339, UTC, with milliseconds.
    pub(super) sent_at: String,
    /// Span of the publication, if one of the requests is traced.
    pub(super) span: Option<Span>,
}

impl Envelope {
    pub(super) fn of(waiting: Vec<Pending>, events: u32, bytes: usize) -> Self {
        let mut body = Vec::with_capacity(bytes);
        for pending in &waiting {
            body.extend_from_slice(&pending.lines);
        }
        let deadline =
            waiting.iter().map(|pending| pending.deadline).max().expect("an envelope has at least one event");
        let built = Moment::now();
        let sent_at = built.wall.to_rfc3339_opts(SecondsFormat::Millis, true);
        Self { id: nuid::next().to_string(), body: body.into(), events, waiting, deadline, built, sent_at, span: None }
    }
}
