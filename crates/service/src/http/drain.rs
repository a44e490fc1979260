//! Drains bodies of requests that are refused. A connection that is closed while the client still sends is reset, and the
//! client never sees the answer; so the body is read for a while, and discarded.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use tokio::time::timeout;

/// Maximum time for which a body is drained.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads and discards the rest of a body, up to `bytes_max`.
pub async fn drain(body: &mut Body, bytes_max: usize) {
    let draining = async {
        let mut drained = 0;
        while let Some(Ok(frame)) = body.frame().await {
            drained += frame.data_ref().map_or(0, Bytes::len);
            if drained > bytes_max {
                return;
            }
            // Yields after each frame: thousands of refused bodies must not delay a request that has room.
            tokio::task::yield_now().await;
        }
    };
    let _ = timeout(DRAIN_TIMEOUT, draining).await;
}
