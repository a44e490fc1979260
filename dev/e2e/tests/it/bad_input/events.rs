use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use contract::event::{EVENT_BYTES_MAX, EVENT_LINE_BYTES_MAX};
use serde_json::{Value, json};
use testkit::clients::load::event;

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
pub(super) fn of_bytes(bytes: usize) -> Vec<u8> {
    let padding = bytes - with_text(r#""padding":"""#).len();
    with_text(&format!(r#""padding":"{}""#, "x".repeat(padding)))
}

/// An event of a user whose id is written so.
fn of_user(written: &str) -> Vec<u8> {
    event("site", "/").replacen(r#""user_id":"u""#, &format!(r#""user_id":"{written}""#), 1).into_bytes()
}

fn with_referrer(bytes: usize) -> Vec<u8> {
    with_text(&format!(r#""referrer":"{}""#, "r".repeat(bytes)))
}

/// An event that is too large for its referrer, by one byte.
pub(super) fn with_too_long_referrer() -> Vec<u8> {
    with_referrer(EVENT_LINE_BYTES_MAX + 1 - with_referrer(0).len())
}

fn from_now(delta: TimeDelta) -> Value {
    let instant = DateTime::<Utc>::from(SystemTime::now()) + delta;
    json!(instant.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// What is no event, and a part of the sentence that says why.
pub(super) fn bad_events() -> Vec<(Vec<u8>, &'static str)> {
    let no_json = "an event must be valid JSON";
    let name = "must be 1 to 64 of the characters";
    let text = |text: &str| text.as_bytes().to_vec();
    let mut bad = vec![
        (text("no JSON"), no_json),
        (text("{"), no_json),
        (text("{}}"), no_json),
        (text("\u{feff}{}"), "site_id is required"),
        (text("{\u{feff}}"), no_json),
        (b"\xff\xfe{\0}\0".to_vec(), "an event must be UTF-8 text"),
        (text("{'site_id': 'a'}"), no_json),
        (b"{\"site_id\":\"a\0\"}".to_vec(), no_json),
        (b"{\"site_id\":\"\xff\xfe\"}".to_vec(), "an event must be UTF-8 text"),
        (text("7"), "an event must be a JSON object"),
        (text("null"), "an event must be a JSON object"),
        (text("\"text\""), "an event must be a JSON object"),
        (with("path", &json!(format!("/{}", "p".repeat(3 * 1_024)))), "path must start with \"/\""),
        (with("path", &json!(format!("/{}", "p".repeat(2_048)))), "at most 2048 bytes"),
        (with("path", &json!(format!("/{}?q", "p".repeat(2_048)))), "at most 2048 bytes"),
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
        (of_user(r"\ud83"), no_json),
        (with_text(r#""event_id":1e9999"#), "event_id must be a string"),
        (with_text(r#""event_id":"\ud83d""#), "event_id must be 1 to 128 visible ASCII"),
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
pub(super) fn good_events() -> Vec<Vec<u8>> {
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
        with_text(r#""unknown":1e9999,"\ud83d":"\ude00\ud83d""#),
        with_text(r#""referrer":"https://example.com/\ud83d""#),
        of_user(r"\ud83d"),
        of_user(r"\ude00\ud83d\n\ud83d\ude00\ud83d"),
        event("site", r"/cut\ud83d").into_bytes(),
        with("path", &json!(format!("/landing?ttclid={}", "q".repeat(9_000)))),
        with("path", &json!(format!("/landing#{}", "f".repeat(2_100)))),
        with_referrer(9_000),
        with_referrer(EVENT_LINE_BYTES_MAX - with_referrer(0).len()),
    ]
}
