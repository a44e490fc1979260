use std::time::{Duration, Instant};

use bytes::Bytes;
use contract::envelope::ENVELOPE_EVENTS_MAX;
use futures_util::future::try_join_all;
use serde_json::json;
use testkit::clients::load::event;
use testkit::failure::TestResult;
use testkit::observe::kernel::memory_peak_bytes;
use testkit::observe::log;
use testkit::stack::Stack;

use super::{BATCH_BYTES_MAX, MIB, check_refusal, gzipped};

/// The least that ingest may be given: four of the largest bodies.
const BODIES_BYTES_MAX: usize = 4 * BATCH_BYTES_MAX;

/// The process itself in this build, and the bodies, each of which may be there as it came and as lines for the log,
/// in buffers of up to twice their size.
const MEMORY_MAX: u64 = (64 * MIB + 4 * BODIES_BYTES_MAX) as u64;

/// A refusal takes no longer, in an unoptimized build on a machine that does other things too.
const QUICKLY: Duration = Duration::from_secs(5);

/// Gzip members may follow each other, so a bomb is quickly made: one GiB of zeros in one MiB.
fn bomb(bytes: usize) -> Vec<u8> {
    const MEMBER_BYTES: usize = 4 * MIB;
    gzipped(&vec![0; MEMBER_BYTES]).repeat(bytes / MEMBER_BYTES)
}

#[tokio::test]
async fn what_is_too_large_is_refused_quickly_and_takes_no_memory() -> TestResult {
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[("BODIES_BYTES_MAX", &BODIES_BYTES_MAX.to_string())]).await?;
    let client = &stack.ingest_client;
    let gib = bomb(1_024 * MIB);
    assert!(gib.len() < BATCH_BYTES_MAX, "it gets as far as unpacking");
    let at_most = "the body must be at most";
    for (path, encoding, body) in [
        ("/event", "identity", vec![b'x'; 9 * MIB]),
        ("/events", "identity", vec![b'x'; 9 * MIB]),
        ("/events", "identity", event("site", "/").into_bytes().repeat(9 * MIB / 100)),
        ("/event", "gzip", gib.clone()),
        ("/event", "gzip", bomb(4 * MIB)),
        ("/events", "gzip", gib.clone()),
        ("/events", "gzip", gzipped(&vec![b' '; BATCH_BYTES_MAX + 1])),
    ] {
        let begun = Instant::now();
        let answer = client.post_with(path, ("content-encoding", encoding), body).await?;
        check_refusal(&answer, 413, at_most, format!("{path} {encoding}").as_bytes());
        assert!(begun.elapsed() < QUICKLY, "{path} {encoding}: {:?}", begun.elapsed());
    }
    for body in [
        "{}\n".repeat(10_001),
        format!("[{}{{}}]", "{},".repeat(10_000)),
        // As many elements as bytes allow: what points to them must not be many times the body.
        "7\n".repeat(BATCH_BYTES_MAX / 2),
        format!("[{}7]", "7,".repeat(BATCH_BYTES_MAX / 2 - 2)),
    ] {
        let answer = client.post("/events", body).await?;
        check_refusal(&answer, 413, "a batch must have at most 10000 events", b"10,001 events");
    }
    // Nothing but brackets, as deep as they go.
    let answer = client.post("/events", vec![b'['; BATCH_BYTES_MAX]).await?;
    check_refusal(&answer, 400, "must be a JSON array", b"brackets");

    // All at once they share one bound, and a client without room is told so, however much is still to be sent.
    let blank = Bytes::from(vec![b' '; BATCH_BYTES_MAX]);
    let large = try_join_all((0..32).map(|_| client.post("/events", blank.clone()))).await?;
    let refused = large.iter().filter(|answer| answer.status == 503).count();
    assert!(refused > 0 && large.iter().all(|answer| matches!(answer.status, 400 | 503)), "{large:?}");
    let bombs = (0..32).map(|_| client.post_with("/events", ("content-encoding", "gzip"), gib.clone()));
    let statuses: Vec<u16> = try_join_all(bombs).await?.iter().map(|answer| answer.status).collect();
    assert!(statuses.iter().all(|status| matches!(status, 413 | 503)), "{statuses:?}");
    let peak = memory_peak_bytes(ingest.pid());
    println!("{} MiB at the peak", peak / MIB as u64);
    assert!(peak < MEMORY_MAX, "{peak} bytes at the peak");

    let most: Vec<String> = (0..10_000).map(|number| event("site", &format!("/{number}"))).collect();
    let answer = client.post_with("/events", ("content-encoding", "gzip"), gzipped(most.join("\n").as_bytes())).await?;
    assert_eq!((answer.status, &answer.json()["accepted"]), (200, &json!(10_000)));
    let receipts = answer.json()["receipts"].as_array().expect("receipts").clone();
    let log = stack.log().await?;
    for index in [0, ENVELOPE_EVENTS_MAX - 1, ENVELOPE_EVENTS_MAX, 9_999] {
        assert_eq!(log::line(&log, receipts[index].as_str().expect("a receipt")).await?, most[index]);
    }
    assert_eq!(ingest.exit_status(), None);
    Ok(())
}
