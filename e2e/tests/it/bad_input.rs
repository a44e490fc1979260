use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use contract::envelope::ENVELOPE_EVENTS_MAX;
use contract::event::EVENT_BYTES_MAX;
use e2e::client::Answer;
use e2e::kernel::memory_peak_bytes;
use e2e::load::event;
use e2e::log;
use e2e::stack::{DATABASE, Stack};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::try_join_all;
use futures_util::{FutureExt, StreamExt};
use serde_json::value::RawValue;
use serde_json::{Value, json};

const MIB: usize = 1 << 20;

/// A batch's bytes, unpacked.
const BATCH_BYTES_MAX: usize = 8 * MIB;

/// The least that ingest may be given: four of the largest bodies.
const BODIES_BYTES_MAX: usize = 4 * BATCH_BYTES_MAX;

/// The process itself in this build, and the bodies, each of which may be there as it came and as lines for the log,
/// in buffers of up to twice their size.
const MEMORY_MAX: u64 = (64 * MIB + 4 * BODIES_BYTES_MAX) as u64;

/// A refusal takes no longer, in an unoptimized build on a machine that does other things too.
const QUICKLY: Duration = Duration::from_secs(5);

/// An event as clients send them, with one field changed: `null` takes it away.
fn with(field: &str, value: &Value) -> Vec<u8> {
    let mut event: Value = serde_json::from_str(&event("site", "/")).expect("an event");
    let fields = event.as_object_mut().expect("an object");
    fields.insert(field.to_owned(), value.clone());
    fields.retain(|_, value| !value.is_null());
    event.to_string().into_bytes()
}

/// An event with something more in it, as text, because `json!` would tidy it up.
fn with_text(text: &str) -> Vec<u8> {
    event("site", "/").replacen('{', &format!("{{{text},"), 1).into_bytes()
}

/// An event of exactly so many bytes.
fn of_bytes(bytes: usize) -> Vec<u8> {
    let padding = bytes - with_text(r#""padding":"""#).len();
    with_text(&format!(r#""padding":"{}""#, "x".repeat(padding)))
}

fn from_now(delta: TimeDelta) -> Value {
    let instant = DateTime::<Utc>::from(SystemTime::now()) + delta;
    json!(instant.to_rfc3339_opts(SecondsFormat::Secs, true))
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

/// What is no event, and a part of the sentence that says why.
fn bad_events() -> Vec<(Vec<u8>, &'static str)> {
    let no_json = "an event must be valid JSON";
    let name = "must be 1 to 64 of the characters";
    let text = |text: &str| text.as_bytes().to_vec();
    let mut bad = vec![
        (text("no JSON"), no_json),
        (text("{"), no_json),
        (text("{}}"), no_json),
        (text("\u{feff}{}"), no_json),
        (text("{'site_id': 'a'}"), no_json),
        (b"{\"site_id\":\"a\0\"}".to_vec(), no_json),
        (b"{\"site_id\":\"\xff\xfe\"}".to_vec(), "an event must be UTF-8 text"),
        (text("7"), "an event must be a JSON object"),
        (text("null"), "an event must be a JSON object"),
        (text("\"text\""), "an event must be a JSON object"),
        (with("path", &json!(format!("/{}", "p".repeat(3 * 1_024)))), "path must start with \"/\""),
        (with("path", &json!(format!("/{}", "p".repeat(2_048)))), "at most 2048 bytes"),
        (with("path", &json!("pricing")), "path must start with \"/\""),
        (with("path", &json!("/\0")), "contain no NUL"),
        (with("site_id", &json!("a.*.>")), name),
        (with("site_id", &json!("a b")), name),
        (with("site_id", &json!("")), name),
        (with("site_id", &json!("s".repeat(65))), name),
        (with("event_type", &json!("page view")), name),
        (with("user_id", &json!("u".repeat(257))), "user_id must be at most 256 bytes"),
        (with("event_id", &json!("an id")), "event_id must be 1 to 128 visible ASCII"),
        (with("event_id", &json!("")), "event_id must be 1 to 128 visible ASCII"),
        (with("timestamp", &json!("yesterday")), "timestamp must be an RFC 3339 instant"),
        (with("timestamp", &json!("2025-02-30T00:00:00Z")), "timestamp must be an RFC 3339 instant"),
        (with("timestamp", &json!("2025-11-12 19:30")), "timestamp must be an RFC 3339 instant"),
        (with("timestamp", &from_now(TimeDelta::days(365))), "more than one hour in the future"),
        (with("timestamp", &from_now(TimeDelta::minutes(61))), "more than one hour in the future"),
        (with_text(r#""site_id":"twice""#), "duplicate field"),
        (with_text(&format!(r#""deep":{}"#, "[".repeat(8_000))), no_json),
        (with_text(&format!("\"event_id\":{0}{1}", "[".repeat(3_000), "]".repeat(3_000))), "event_id must be a string"),
    ];
    for (field, required, no_text) in [
        ("site_id", "site_id is required", "site_id must be a string"),
        ("event_type", "event_type is required", "event_type must be a string"),
        ("path", "path is required", "path must be a string"),
        ("timestamp", "timestamp is required", "timestamp must be a string"),
        ("user_id", "", "user_id must be a string"),
        ("event_id", "", "event_id must be a string"),
    ] {
        if !required.is_empty() {
            bad.push((with(field, &Value::Null), required));
        }
        bad.extend([json!(7), json!(true), json!(["a"]), json!({"a": 1})].map(|value| (with(field, &value), no_text)));
    }
    bad
}

/// What is unusual, and an event all the same.
fn good_events() -> Vec<Vec<u8>> {
    vec![
        with_text(r#""unknown":{"nested": [1.50, 1e3,"\u00e4"]},  "unknown":null"#),
        with_text(&format!("\"deep\":{0}{1}", "[".repeat(4_000), "]".repeat(4_000))),
        with("path", &json!(format!("/{}", "p".repeat(2_047)))),
        with("path", &json!("/ä?q=%zz#\u{1f600}")),
        with("user_id", &json!("u".repeat(256))),
        with("user_id", &json!("")),
        with_text("\"event_id\":null"),
        with("event_id", &json!("i".repeat(128))),
        with("site_id", &json!("s".repeat(64))),
        with("timestamp", &from_now(TimeDelta::minutes(59))),
        with("timestamp", &json!("0001-01-01T00:00:00+23:59")),
        with("timestamp", &json!("2025-11-12t19:30:01.123456789z")),
        of_bytes(EVENT_BYTES_MAX),
    ]
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
async fn what_is_no_event_is_refused_and_its_neighbours_are_stored() -> Result<()> {
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
    let too_large = of_bytes(EVENT_BYTES_MAX + 1);
    let sentence = "an event must be at most 8192 bytes long";
    check_refusal(&stack.ingest_client.post("/event", too_large.clone()).await?, 413, sentence, &too_large);
    check_batch(&stack, &too_large, sentence, true).await?;

    for (body, in_event, in_events) in [
        ("", "an event must be valid JSON", "a batch must have at least one event"),
        (" \r\n\n ", "an event must be valid JSON", "a batch must have at least one event"),
        ("[]", "an event must be a JSON object", "a batch must have at least one event"),
        ("[[]]", "an event must be a JSON object", "at index 0: an event must be a JSON object"),
        ("[{}", "an event must be valid JSON", "must be a JSON array"),
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
async fn what_is_unusual_but_an_event_is_kept_as_sent_and_counts() -> Result<()> {
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

    // What ingest accepts the projector reads, to the last of them.
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    let pool = stack.database(DATABASE)?;
    let counted: i64 = sqlx::query_scalar("select sum(views)::bigint from view_total").fetch_one(&pool).await?;
    let parked: i64 = sqlx::query_scalar("select count(*) from parked_event").fetch_one(&pool).await?;
    // One of them has an event_id, so it counts once although it was sent three times: alone and in two batches.
    let sent = 3 * i64::try_from(events.len())? + 1;
    assert_eq!((counted, parked), (sent - 2, 0));
    assert_eq!(ingest.exit_status(), None);
    Ok(())
}

/// Gzip members may follow each other, so a bomb is quickly made: one GiB of zeros in one MiB.
fn bomb(bytes: usize) -> Vec<u8> {
    const MEMBER_BYTES: usize = 4 * MIB;
    gzipped(&vec![0; MEMBER_BYTES]).repeat(bytes / MEMBER_BYTES)
}

#[tokio::test]
async fn what_is_too_large_is_refused_quickly_and_takes_no_memory() -> Result<()> {
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

    // All at once they share one bound, and whoever has no room is told so, however much is still to be sent.
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

#[tokio::test]
async fn encodings_paths_methods_and_dates_that_do_not_exist_are_told() -> Result<()> {
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
