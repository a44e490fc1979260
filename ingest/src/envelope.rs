//! The next message for the log, put together from events that wait.

use bytes::Bytes;
use chrono::SecondsFormat;
use service::Span;
use tokio::time::Instant;

use crate::clock::Moment;
use crate::pending::Pending;

/// The next message for the log.
pub(crate) struct Envelope {
    /// The log drops what it has seen under this id, so the same bytes may be sent again and again.
    pub(crate) id: String,
    pub(crate) body: Bytes,
    pub(crate) events: u32,
    pub(crate) waiting: Vec<Pending>,
    /// When the last of those who wait gives up.
    pub(crate) deadline: Instant,
    /// When it was built.
    pub(crate) built: Moment,
    /// The same for readers, RFC 3339 in UTC with milliseconds.
    pub(crate) sent_at: String,
    /// Of its way into the log, if one of its requests is traced.
    pub(crate) span: Option<Span>,
}

impl Envelope {
    pub(crate) fn of(waiting: Vec<Pending>, events: u32, bytes: usize) -> Self {
        let mut body = Vec::with_capacity(bytes);
        for pending in &waiting {
            body.extend_from_slice(&pending.lines);
        }
        let deadline = waiting.iter().map(|pending| pending.deadline).max().expect("somebody waits");
        let built = Moment::now();
        let sent_at = built.wall.to_rfc3339_opts(SecondsFormat::Millis, true);
        Self { id: nuid::next().to_string(), body: body.into(), events, waiting, deadline, built, sent_at, span: None }
    }
}
