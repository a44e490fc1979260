//! The description of the interface: `/api-docs/openapi.json`, and Swagger UI at `/api-docs`.

use axum::Router;
use serde::{Deserialize, Serialize};
use service::access::Access;
use service::refusal::RefusalBody;
use utoipa::{OpenApi, ToSchema};

/// One fact about a site. Further fields are kept in the log as they are sent; an event is at most 8 KiB, the query of its path and its
/// referrer apart, and at most 32 KiB with them.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "events are read by the contract; this is how they are described")]
pub struct EventDescription {
    /// Whose traffic it is: 1 to 64 of `A-Z a-z 0-9 . _ : -`, starting with a letter or digit.
    #[schema(example = "site-abc-123", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
    site_id: String,
    /// What happened, in the same characters. Reports count `page_view` unless asked for another type.
    #[schema(example = "page_view", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
    event_type: String,
    /// Where on the site. Kept as sent, counted without query and fragment, and without percent-encoding that changes
    /// nothing: `/caf%c3%a9` is `/café`. What is counted has at most 2,048 bytes.
    #[schema(example = "/pricing", pattern = "^/")]
    path: String,
    /// RFC 3339 with any offset, at most one hour in the future.
    #[schema(example = "2025-11-12T19:30:01Z", format = DateTime)]
    timestamp: String,
    /// Who it was, if that is known. At most 256 bytes.
    #[schema(example = "user-xyz-789", max_length = 256)]
    user_id: Option<String>,
    /// The client's idempotency key, unique within its site: visible ASCII.
    #[schema(min_length = 1, max_length = 128)]
    event_id: Option<String>,
    /// The URL of the page that led here. Its host is counted; nothing about it makes an event invalid, as long as
    /// the event has at most 32 KiB with it.
    #[schema(example = "https://google.com/")]
    referrer: Option<String>,
}

/// One event is stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventAccepted {
    /// Always true.
    #[schema(example = true)]
    pub success: bool,
    /// Always `Event queued`.
    #[schema(example = "Event queued")]
    pub message: &'static str,
    /// Where the event lies in the log: partition, stream sequence, line in the envelope.
    #[schema(example = "0-4711-0")]
    pub receipt: String,
}

/// All valid events of a batch are stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchAccepted {
    /// Always true.
    #[schema(example = true)]
    pub success: bool,
    /// How many events are stored.
    #[schema(example = 998)]
    pub accepted: usize,
    /// How many are not, because they are no events.
    #[schema(example = 2)]
    pub rejected: usize,
    /// One for each stored event, in the order they were sent.
    pub receipts: Vec<String>,
    /// One for each that is not stored.
    pub errors: Vec<EventRejected>,
}

/// Why one event of a batch is not stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventRejected {
    /// Its position in the batch, from 0. Blank lines have none.
    #[schema(example = 17)]
    pub index: usize,
    /// One sentence: what is wrong, and the rule.
    #[schema(example = "site_id is required")]
    pub error: String,
    /// What kind of mistake it is, for programs: it stays when sentences change.
    #[schema(example = "missing_field")]
    pub code: &'static str,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tidemark: ingest",
        description = "Accepts events. A 2xx means: on disk, and will be counted exactly once."
    ),
    paths(crate::http::post_event, crate::http::post_events),
    components(schemas(EventDescription, EventAccepted, BatchAccepted, EventRejected, RefusalBody))
)]
struct Description;

/// Swagger UI and the document it shows.
pub(crate) fn router(access: &Access) -> Router {
    service::documentation::router(access.describe(Description::openapi()))
}
