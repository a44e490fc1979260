//! Bodies of requests that are refused. A connection that is closed while the client still sends is reset, and the client
//! never reads why: so what it sends is read on for a while, and thrown away.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use tokio::time::timeout;

/// For no longer than this.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(10);

/// Throws away what still comes of a body, up to so many bytes.
pub async fn discard(body: &mut Body, bytes_max: usize) {
    let discarding = async {
        let mut discarded = 0;
        while let Some(Ok(frame)) = body.frame().await {
            discarded += frame.data_ref().map_or(0, Bytes::len);
            if discarded > bytes_max {
                return;
            }
            // One frame, then everybody else: thousands of refused bodies must not keep a request waiting that has room.
            tokio::task::yield_now().await;
        }
    };
    let _ = timeout(DISCARD_TIMEOUT, discarding).await;
}
