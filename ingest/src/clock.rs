//! The only clock. It decides nothing but whether a timestamp lies in the future.

use chrono::{DateTime, Utc};

/// This instant.
#[expect(clippy::disallowed_methods, reason = "the one place that asks what time it is")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
