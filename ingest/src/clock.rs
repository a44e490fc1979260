//! The only clock. It decides nothing but whether a timestamp lies in the future.

use chrono::{DateTime, Utc};

#[expect(clippy::disallowed_methods, reason = "the one place that asks what time it is")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
