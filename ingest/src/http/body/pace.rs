//! Minimum pace of a body. A client that sends next to nothing loses its memory within seconds; a large body over a slow
//! line still has time.

use std::time::Duration;

use service::ApiError;
use tokio::time::Instant;

/// Maximum time from the end of the headers to the end of the body: 137 KiB/s for 8 MiB.
const BODY_READ_TIMEOUT: Duration = Duration::from_mins(1);

/// Time within which the body ends, or [`WINDOW_BYTES`] of it arrive.
const WINDOW: Duration = Duration::from_secs(5);

/// Minimum bytes of a window: 16 KiB a second.
const WINDOW_BYTES: usize = 5 * (16 << 10);

/// Pace of one body.
pub(super) struct Pace {
    begun: Instant,
    window_begun: Instant,
    window_bytes: usize,
}

impl Pace {
    pub(super) fn begin() -> Self {
        let begun = Instant::now();
        Self { begun, window_begun: begun, window_bytes: 0 }
    }

    /// Moment at which the body is too slow, unless more of it arrives before.
    pub(super) fn deadline(&self) -> Instant {
        (self.begun + BODY_READ_TIMEOUT).min(self.window_begun + WINDOW)
    }

    pub(super) fn received(&mut self, bytes: usize) {
        self.window_bytes += bytes;
        if self.window_bytes >= WINDOW_BYTES {
            (self.window_begun, self.window_bytes) = (Instant::now(), 0);
        }
    }

    pub(super) fn refusal() -> ApiError {
        let error = format!(
            "the body arrives too slowly: send {} KiB within {} seconds, and all of it within {}",
            WINDOW_BYTES >> 10,
            WINDOW.as_secs(),
            BODY_READ_TIMEOUT.as_secs()
        );
        ApiError::too_slow("body_too_slow", error)
    }
}
