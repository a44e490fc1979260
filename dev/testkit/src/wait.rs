//! Waiting for what must come, within a bound.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// Looks again and again until there is something to see.
pub async fn until<Seen>(what: &str, bound: Duration, look: impl AsyncFn() -> Option<Seen>) -> Seen {
    let deadline = Instant::now() + bound;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what}: not within {bound:?}");
        sleep(LOOK_PAUSE).await;
    }
}
