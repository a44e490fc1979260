//! Requests and answers as JSON.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One fact about a site. Further fields are kept in the log as they are sent. An event has at most 8 KiB without the query
/// of its path and its referrer, and at most 32 KiB with them.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "events are read by the contract; this is how they are described")]
pub(super) struct EventDescription {
    /// Site whose traffic it is: 1 to 64 of `A-Z a-z 0-9 . _ : -`, starting with a letter or digit.
    #[schema(example = "site-abc-123", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
    site_id: String,
    /// Kind of the event, in the characters of `site_id`. Reports count `page_view` unless asked for another type.
    #[schema(example = "page_view", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
    event_type: String,
    /// Path on the site. Stored as sent; counted without query and fragment, and without percent-encoding that changes
    /// nothing: `/caf%c3%a9` is `/café`. The counted path has at most 2,048 bytes.
    #[schema(example = "/pricing", pattern = "^/")]
    path: String,
    /// Time of the event: RFC 3339 with any offset, at most one hour in the future.
    #[schema(example = "2025-11-12T19:30:01Z", format = DateTime)]
    timestamp: String,
    /// Visitor, if known. At most 256 bytes.
    #[schema(example = "user-xyz-789", max_length = 256)]
    user_id: Option<String>,
    /// Idempotency key of the client, unique within its site: visible ASCII.
    #[schema(min_length = 1, max_length = 128)]
    event_id: Option<String>,
    /// URL of the page that led here. Its host is counted. No referrer makes an event invalid, unless the event is larger
    /// than 32 KiB with it.
    #[schema(example = "https://google.com/")]
    referrer: Option<String>,
}

/// Answer to an event that is stored.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventAccepted {
    /// Always true.
    #[schema(example = true)]
    pub(super) success: bool,
    /// Always `Event queued`.
    #[schema(example = "Event queued")]
    pub(super) message: &'static str,
    /// Position of the event in the log: partition, stream sequence, line in the envelope.
    #[schema(example = "0-4711-0")]
    pub(super) receipt: String,
}

/// Answer to a batch whose valid events are all stored.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchAccepted {
    /// Always true.
    #[schema(example = true)]
    pub(super) success: bool,
    /// Number of events that are stored.
    #[schema(example = 998)]
    pub(super) accepted: usize,
    /// Number of invalid events, which are not stored.
    #[schema(example = 2)]
    pub(super) rejected: usize,
    /// One receipt for each stored event, in the order in which they were sent.
    pub(super) receipts: Vec<String>,
    /// One error for each event that is not stored.
    pub(super) errors: Vec<EventRejected>,
}

/// Error of one event of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventRejected {
    /// Position of the event in the batch, from 0. Blank lines do not count.
    #[schema(example = 17)]
    pub(super) index: usize,
    /// One sentence that names what is wrong, and the rule.
    #[schema(example = "site_id is required")]
    pub(super) error: String,
    /// Kind of the error, for programs. The code is stable; sentences may change.
    #[schema(example = "missing_field")]
    pub(super) code: &'static str,
}
