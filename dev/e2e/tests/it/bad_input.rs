use std::io::Write;

use anyhow::Result;
use contract::event::EVENT_BYTES_MAX;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{FutureExt, StreamExt};
use serde_json::json;
use serde_json::value::RawValue;
use testkit::clients::http::Answer;
use testkit::clients::load::event;
use testkit::failure::TestResult;
use testkit::observe::log;
use testkit::stack::{DATABASE, Stack};

/// What is no event, and what is one although it is unusual.
mod events;

/// Bodies that are too large, packed or not, and the largest one that is not.
mod sizes;

use events::{bad_events, good_events, of_bytes, with_too_long_referrer};

const MIB: usize = 1 << 20;

/// A batch's bytes, unpacked.
const BATCH_BYTES_MAX: usize = 8 * MIB;

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

#[track_caller]
fn check_refusal(answer: &Answer, status: u16, part: &str, what: &[u8]) {
    let what = String::from_utf8_lossy(&what[..what.len().min(120)]).into_owned();
    assert_eq!(answer.status, status, "{what}: {}", answer.text);
    assert!(answer.error().contains(part), "{what}: {}", answer.error());
    assert_eq!(answer.headers["content-type"], "application/json", "{what}");
}

/// The bad one is told by its index, and its neighbours lie where their receipts say.
async fn check_batch(stack: &Stack, bad: &[u8], part: &str, is_array: bool) -> Result<()> {
    let neighbours = [event("before", "/1"), event("behind", "/2"), event("before", "/3")];
    let [first, second, third] = neighbours.each_ref().map(String::as_bytes);
    let body = if is_array {
        [b"[", first, b",", bad, b",", second, b",\n", third, b"]"].concat()
    } else {
        [first, b"\n", bad, b"\r\n\n", second, b"\n", third].concat()
    };
    let answer = stack.ingest_client.post("/events", body).await?;
    assert_eq!(answer.status, 200, "{}: {}", String::from_utf8_lossy(bad), answer.text);
    let told = answer.json();
    assert_eq!((&told["accepted"], &told["rejected"]), (&json!(3), &json!(1)));
    assert_eq!(told["errors"][0]["index"], 1);
    let error = told["errors"][0]["error"].as_str().expect("a sentence");
    assert!(error.contains(part), "{}: {error}", String::from_utf8_lossy(bad));
    let log = stack.log().await?;
    for (receipt, sent) in told["receipts"].as_array().expect("receipts").iter().zip(&neighbours) {
        assert_eq!(&log::line(&log, receipt.as_str().expect("a receipt")).await?, sent);
    }
    Ok(())
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(text).is_ok()
}

#[tokio::test]
async fn what_is_no_event_is_refused_and_its_neighbours_are_stored() -> TestResult {
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[]).await?;
    let operator = stack.log().await?;
    let mut published = operator.client().subscribe("events.>").await?;

    for (bad, part) in bad_events() {
        check_refusal(&stack.ingest_client.post("/event", bad.clone()).await?, 400, part, &bad);
        check_batch(&stack, &bad, part, false).await?;
        if is_json(&bad) {
            check_batch(&stack, &bad, part, true).await?;
        }
        check_refusal(&stack.ingest_client.post("/events", bad.clone()).await?, 400, "at index 0", &bad);
    }
    for (too_large, sentence) in [
        (of_bytes(EVENT_BYTES_MAX + 1), "an event must be at most 8192 bytes long"),
        (with_too_long_referrer(), "an event with its query and its referrer must be at most 32768 bytes long"),
    ] {
        check_refusal(&stack.ingest_client.post("/event", too_large.clone()).await?, 413, sentence, &too_large);
        check_batch(&stack, &too_large, sentence, true).await?;
    }

    for (body, in_event, in_events) in [
        ("", "an event must be valid JSON", "a batch must have at least one event"),
        (" \r\n\n ", "an event must be valid JSON", "a batch must have at least one event"),
        ("[]", "an event must be a JSON object", "a batch must have at least one event"),
        ("[[]]", "an event must be a JSON object", "at index 0: an event must be a JSON object"),
        ("[{}", "an event must be valid JSON", "must be a JSON array"),
        ("\u{feff}", "an event must be valid JSON", "a batch must have at least one event"),
        ("[\0{\0}\0]\0", "an event must be UTF-8 text", "a batch must be UTF-8 text"),
    ] {
        check_refusal(&stack.ingest_client.post("/event", body).await?, 400, in_event, body.as_bytes());
        check_refusal(&stack.ingest_client.post("/events", body).await?, 400, in_events, body.as_bytes());
    }

    assert_eq!(stack.ingest_client.post("/event", event("site", "/")).await?.status, 200);
    assert_eq!(ingest.exit_status(), None);
    // Nothing a client sent became a name in the log.
    operator.client().flush().await?;
    while let Some(Some(message)) = published.next().now_or_never() {
        let subject = message.subject.as_str();
        assert!(["events.0", "events.1", "events.2", "events.3"].contains(&subject), "{subject}");
    }
    let mut streams: Vec<String> = operator.stream_names().map(|name| name.expect("a name")).collect().await;
    streams.sort();
    assert_eq!(streams, ["EVENTS_0", "EVENTS_1", "EVENTS_2", "EVENTS_3"]);
    Ok(())
}

#[tokio::test]
async fn what_is_unusual_but_an_event_is_kept_as_sent_and_counts() -> TestResult {
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[]).await?;
    let log = stack.log().await?;
    let events = good_events();
    for event in &events {
        let sent = String::from_utf8(event.clone())?;
        let answer = stack.ingest_client.post("/event", event.clone()).await?;
        assert_eq!(answer.status, 200, "{sent}: {}", answer.text);
        assert_eq!(log::line(&log, answer.json()["receipt"].as_str().expect("a receipt")).await?, sent);
    }
    for body in [events.join(&b'\n'), [b"[", events.join(&b',').as_slice(), b"]"].concat()] {
        let answer = stack.ingest_client.post("/events", body).await?.json();
        assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(events.len()), &json!(0)), "{answer}");
        for (receipt, event) in answer["receipts"].as_array().expect("receipts").iter().zip(&events) {
            assert_eq!(log::line(&log, receipt.as_str().expect("a receipt")).await?.as_bytes(), event);
        }
    }
    // White space between tokens is no part of an event, and an envelope has one event a line.
    let pretty = "{\r\n  \"site_id\": \"site\",\n  \"event_type\": \"page_view\",\n\n  \"path\": \"/a\\nb\",\n  \
                  \"timestamp\": \"2025-11-12T19:30:01Z\"\n}\n";
    let answer = stack.ingest_client.post("/event", pretty).await?.json();
    let line = log::line(&log, answer["receipt"].as_str().expect("a receipt")).await?;
    assert_eq!(line, pretty.trim().replace(['\r', '\n'], " "));

    let marked = stored_behind_marks(&stack).await?;

    // What ingest accepts the projector reads, to the last of them.
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    let pool = stack.database(DATABASE)?;
    let counted: i64 = sqlx::query_scalar("select sum(views)::bigint from view_total").fetch_one(&pool).await?;
    let parked: i64 = sqlx::query_scalar("select count(*) from parked_event").fetch_one(&pool).await?;
    // One of them has an event_id, so it counts once although it was sent three times: alone and in two batches.
    let sent = 3 * i64::try_from(events.len())? + 1 + marked;
    assert_eq!((counted, parked), (sent - 2, 0));
    assert_eq!(ingest.exit_status(), None);
    Ok(())
}

/// Byte order marks are no part of what they stand before. How many events were stored.
async fn stored_behind_marks(stack: &Stack) -> Result<i64> {
    let (mark, one, two) = ("\u{feff}", event("marked", "/1"), event("marked", "/2"));
    let log = stack.log().await?;
    let mut stored = 0;
    for (path, body, expected) in [
        ("/event", format!("{mark}{one}"), vec![&one]),
        ("/events", format!("{mark}{one}\r\n{two}\r\n"), vec![&one, &two]),
        ("/events", format!("{mark}{one}\n{mark}{two}\n{mark}{mark}\n{two}"), vec![&one, &two, &two]),
        ("/events", format!("{mark}\r\n[{one},{two}]"), vec![&one, &two]),
    ] {
        let answer = stack.ingest_client.post(path, body.clone()).await?;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text);
        let told = answer.json();
        let receipts = told["receipts"].as_array().cloned().unwrap_or_else(|| vec![told["receipt"].clone()]);
        assert_eq!(receipts.len(), expected.len(), "{body}: {}", answer.text);
        for (receipt, sent) in receipts.iter().zip(expected) {
            assert_eq!(&log::line(&log, receipt.as_str().expect("a receipt")).await?, sent, "{body}");
            stored += 1;
        }
    }
    Ok(stored)
}

#[tokio::test]
async fn encodings_paths_methods_and_dates_that_do_not_exist_are_told() -> TestResult {
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[]).await?;
    let _query = stack.query().await?;
    let (client, good) = (&stack.ingest_client, event("site", "/"));
    let packed = gzipped(good.as_bytes());
    let mut damaged = packed.clone();
    damaged[15] ^= 0xff;
    for path in ["/event", "/events"] {
        for encoding in ["gzip", "x-gzip", "GZip"] {
            let answer = client.post_with(path, ("content-encoding", encoding), packed.clone()).await?;
            assert_eq!(answer.status, 200, "{path} {encoding}: {}", answer.text);
        }
        for broken in [good.clone().into_bytes(), packed[..packed.len() - 9].to_vec(), damaged.clone(), vec![]] {
            let answer = client.post_with(path, ("content-encoding", "gzip"), broken.clone()).await?;
            assert_eq!(answer.status, 400, "{path} {broken:?}: {}", answer.text);
        }
        for encoding in ["br", "zstd", "deflate", "gzip, gzip", "nonsense"] {
            let answer = client.post_with(path, ("content-encoding", encoding), packed.clone()).await?;
            check_refusal(&answer, 415, "Content-Encoding must be gzip or identity", encoding.as_bytes());
        }
        let answer = client.post_with(path, ("content-encoding", "br"), vec![b'x'; BATCH_BYTES_MAX]).await?;
        check_refusal(&answer, 415, "Content-Encoding", b"a large body");
        for method in ["GET", "PUT", "DELETE", "PATCH"] {
            let answer = client.request(method, path).await?;
            check_refusal(&answer, 405, "this path takes another method", method.as_bytes());
            assert_eq!(answer.headers["allow"], "POST", "{method} {path}");
        }
    }
    for (method, path) in [("POST", "/"), ("POST", "/event/"), ("POST", "/events/1"), ("GET", "/stats"), ("PUT", "/x")]
    {
        check_refusal(&client.request(method, path).await?, 404, "nothing is here", path.as_bytes());
    }
    for date in ["2025-02-30", "2025-13-01", "tomorrow"] {
        let answer = stack.query_client.get(&format!("/stats?site_id=site&date={date}")).await?;
        check_refusal(&answer, 400, "date", date.as_bytes());
    }
    assert_eq!(client.post("/event", good).await?.status, 200);
    assert_eq!(ingest.exit_status(), None);
    Ok(())
}
