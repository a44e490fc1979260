//! Requests with events like those of real sites, made before they are needed.

use std::sync::Arc;

use testkit::inputs::history::BUSY;

use crate::http;
use crate::load::Request;

/// Different requests; then they come again. Without an `event_id` none is a repeat.
const DIFFERENT: usize = 10_000;

/// One event a request, of now.
pub(crate) fn single() -> Request {
    let mut visits = BUSY.visits(11).live();
    let requests: Vec<_> = (0..DIFFERENT).map(|_| http::post("/event", visits.event().as_bytes())).collect();
    turning(requests)
}

/// So many a request, one a line.
pub(crate) fn batches(events: usize) -> Request {
    let mut visits = BUSY.visits(12);
    let batch = |_| {
        let lines: Vec<_> = (0..events).map(|_| visits.event()).collect();
        http::post("/events", lines.join("\n").as_bytes())
    };
    turning((0..DIFFERENT / events).map(batch).collect())
}

/// Bytes of an event's JSON on the average.
pub(crate) fn json_bytes() -> f64 {
    let mut visits = BUSY.visits(11);
    let bytes: usize = (0..DIFFERENT).map(|_| visits.event().len()).sum();
    f64::from(u32::try_from(bytes).expect("a few megabytes")) / f64::from(u32::try_from(DIFFERENT).expect("thousands"))
}

/// Each connection begins elsewhere.
fn turning(requests: Vec<Vec<u8>>) -> Request {
    Arc::new(move |connection, number| {
        let number = usize::try_from(number).unwrap_or(0);
        requests[(connection * 7_919 + number) % requests.len()].clone()
    })
}
