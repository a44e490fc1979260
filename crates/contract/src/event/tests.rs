use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::*;

const GOOD: &str = r#"{"site_id":"site-abc-123","event_type":"page_view","path":"/pricing","user_id":"user-xyz-789","timestamp":"2025-11-12T19:30:01Z"}"#;

fn said_of(json: &str) -> String {
    Event::parse(json.as_bytes()).expect_err("an invalid event").to_string()
}

/// The good event with one field's value replaced, as it is written.
fn with(field: &str, value: &str) -> String {
    let mut event: BTreeMap<&str, Box<RawValue>> = serde_json::from_str(GOOD).expect("JSON");
    event.insert(field, serde_json::from_str(value).expect("JSON"));
    serde_json::to_string(&event).expect("JSON")
}

#[test]
fn the_documented_example_is_an_event() {
    let event = Event::parse(GOOD.as_bytes()).expect("valid");
    assert_eq!(event.site_id.as_str(), "site-abc-123");
    assert_eq!(event.event_type, EventType::PAGE_VIEW);
    assert_eq!(event.path.without_query(), "/pricing");
    assert_eq!(event.timestamp.to_rfc3339(), "2025-11-12T19:30:01+00:00");
    assert_eq!(event.user_id.expect("a user").as_str(), "user-xyz-789");
    assert_eq!(event.event_id, None);
    assert_eq!(event.referrer, None);
}

#[test]
fn each_missing_field_is_named() {
    for field in ["site_id", "event_type", "path", "timestamp"] {
        assert_eq!(said_of(&with(field, "null")), format!("{field} is required"));
        assert_eq!(said_of(&GOOD.replace(&format!("\"{field}\""), "\"other\"")), format!("{field} is required"));
    }
    assert_eq!(said_of("{}"), "site_id is required");
}

#[test]
fn each_field_that_is_no_text_is_named() {
    for field in ["site_id", "event_type", "path", "timestamp", "user_id", "event_id"] {
        let deep = format!("{}{}", "[".repeat(3_000), "]".repeat(3_000));
        for value in ["1", "-1", "1.5", "1e9999", "-1E+400", "true", "[1,[2]]", "[1e9999]", r#"{"a\ud800":[]}"#, &deep]
        {
            assert_eq!(said_of(&with(field, value)), format!("{field} must be a string"), "{value}");
        }
    }
}

#[test]
fn each_broken_rule_is_said() {
    assert!(said_of(&with("site_id", "\"a.*.>\"")).starts_with("site_id must be 1 to 64 of the characters"));
    assert!(said_of(&with("event_type", "\"\"")).starts_with("event_type must be 1 to 64"));
    assert!(said_of(&with("path", "\"pricing\"")).starts_with("path must start with \"/\""));
    assert!(said_of(&with("path", r#""/\u0000""#)).contains("no NUL"));
    assert!(said_of(&with("timestamp", "\"yesterday\"")).starts_with("timestamp must be an RFC 3339 instant"));
    assert_eq!(
        said_of(&with("user_id", &format!("\"{}\"", "u".repeat(257)))),
        "user_id must be at most 256 bytes long"
    );
    assert_eq!(said_of(&with("event_id", "\"a b\"")), "event_id must be 1 to 128 visible ASCII characters");
    assert_eq!(said_of(&with("event_id", "\"\"")), "event_id must be 1 to 128 visible ASCII characters");
}

#[test]
fn nobody_in_particular_has_three_spellings() {
    let absent = GOOD.replace("\"user_id\":\"user-xyz-789\",", "");
    for json in [absent, with("user_id", "null"), with("user_id", "\"\"")] {
        assert_eq!(Event::parse(json.as_bytes()).expect("valid").user_id, None, "{json}");
    }
}

#[test]
fn nowhere_else_has_three_spellings() {
    for json in [GOOD.to_owned(), with("referrer", "null"), with("referrer", "\"\"")] {
        assert_eq!(Event::parse(json.as_bytes()).expect("valid").referrer, None, "{json}");
    }
}

#[test]
fn a_referrer_is_kept_as_it_was_sent() {
    for (value, text) in [(r#""https://google.com/""#, "https://google.com/"), (r#""no \u0055RL\u0000""#, "no URL\0")] {
        let json = with("referrer", value);
        let event = Event::parse(json.as_bytes()).expect("valid");
        assert_eq!(event.referrer, Some(SentReferrer::Text(text.into())));
    }
}

#[test]
fn no_referrer_makes_an_event_unreadable() {
    let deep = format!("{}{}", "[".repeat(3_000), "]".repeat(3_000));
    let values = ["7", "-1.5", "1e400", "true", "[\"https://google.com/\"]", "{\"a\":{\"b\":[]}}", &deep];
    for value in values {
        // Not with serde_json::Value, which some of these are not.
        let json = GOOD.replace("\"path\"", &format!("\"referrer\":{value},\"path\""));
        let event = Event::parse(json.as_bytes()).unwrap_or_else(|err| panic!("{err}: {json}"));
        assert_eq!(event.referrer, Some(SentReferrer::NotText), "{json}");
    }
    for (value, text) in
        [(r#""\ud800""#, "\u{fffd}"), (r#""https://google.com/\ud83d""#, "https://google.com/\u{fffd}")]
    {
        let json = with("referrer", value);
        let event = Event::parse(json.as_bytes()).unwrap_or_else(|err| panic!("{err}: {json}"));
        assert_eq!(event.referrer, Some(SentReferrer::Repaired(text.into())), "{json}");
    }
    for twice in [r#""https://google.com/""#, "null", "\"\""] {
        let json = GOOD.replace("\"path\"", &format!("\"referrer\":{twice},\"referrer\":{twice},\"path\""));
        let event = Event::parse(json.as_bytes()).unwrap_or_else(|err| panic!("{err}: {json}"));
        assert_eq!(event.referrer, Some(SentReferrer::NotText), "{json}");
    }
}

#[test]
fn unknown_fields_do_not_matter() {
    let json = with("screen", r#"{"width":[1,2,{"deep":null}]}"#);
    assert_eq!(Event::parse(json.as_bytes()), Event::parse(GOOD.as_bytes()));
}

#[test]
fn what_is_no_object_is_refused() {
    for json in ["1", "\"text\"", "null", r#"["s","page_view","/","2025-11-12T19:30:01Z"]"#] {
        assert_eq!(said_of(json), "an event must be a JSON object");
    }
    for json in ["", "{", "not json", "{\"site_id\":}", &format!("{GOOD}{GOOD}"), &format!("{GOOD},")] {
        assert!(said_of(json).starts_with("an event must be valid JSON"), "{json}");
    }
    assert!(said_of(r#"{"site_id":"a","site_id":"b"}"#).contains("duplicate field"));
    assert_eq!(Event::parse(b"\xff{}"), Err(InvalidEvent::NotUtf8));
}

#[test]
fn what_is_counted_is_at_most_8_kib() {
    let filler = EVENT_BYTES_MAX - with("filler", "\"\"").len();
    let largest = with("filler", &format!("\"{}\"", "x".repeat(filler)));
    assert_eq!(largest.len(), EVENT_BYTES_MAX);
    assert!(Event::parse(format!(" {largest}\n").as_bytes()).is_ok(), "white space around it does not count");
    let dropped = format!("\"path\":\"/pricing?{}\",\"referrer\":\"{}\"", "q".repeat(9_000), "r".repeat(9_000));
    let with_dropped = largest.replace("\"path\":\"/pricing\"", &dropped);
    // The name of the referrer is not its value.
    let fitting = with_dropped.replacen("xxxxxxxxxxxx", "", 1);
    let event = Event::parse(fitting.as_bytes()).expect("valid");
    assert_eq!(event.path.without_query(), "/pricing");
    let larger = with("filler", &format!("\"{}\"", "x".repeat(filler + 1)));
    assert_eq!(Event::parse(larger.as_bytes()), Err(InvalidEvent::TooLarge));
    assert_eq!(Event::parse(with_dropped.as_bytes()), Err(InvalidEvent::TooLarge));
}

#[test]
fn nothing_that_is_dropped_makes_an_event_too_large() {
    let long = "x".repeat(9_000);
    let texts = [
        with("referrer", &format!("\"https://google.com/{long}\"")),
        with("referrer", &format!("[\"{long}\"]")),
        with("path", &format!("\"/pricing?{long}\"")),
        with("path", &format!("\"/pricing#{long}\"")),
        with("path", &format!("\"/pricing\\u003f{long}\"")),
        with("path", r#""/pricing?\u0000""#),
    ];
    for json in texts {
        let event = Event::parse(json.as_bytes()).unwrap_or_else(|err| panic!("{err}: {json}"));
        assert_eq!(event.path.without_query(), "/pricing", "{json}");
    }
    let twice = GOOD.replace("\"path\"", &format!("\"referrer\":\"{long}\",\"referrer\":\"{long}\",\"path\""));
    assert_eq!(Event::parse(twice.as_bytes()).expect("valid").referrer, Some(SentReferrer::NotText));
}

#[test]
fn a_line_is_at_most_32_kib() {
    let filler = EVENT_LINE_BYTES_MAX - with("referrer", "\"\"").len();
    let largest = with("referrer", &format!("\"{}\"", "x".repeat(filler)));
    assert_eq!(largest.len(), EVENT_LINE_BYTES_MAX);
    assert!(Event::parse(format!("\u{feff}{largest}\n").as_bytes()).is_ok());
    let larger = with("referrer", &format!("\"{}\"", "x".repeat(filler + 1)));
    assert_eq!(Event::parse(larger.as_bytes()), Err(InvalidEvent::LineTooLarge));
    for (error, bytes) in
        [(InvalidEvent::TooLarge, EVENT_BYTES_MAX), (InvalidEvent::LineTooLarge, EVENT_LINE_BYTES_MAX)]
    {
        assert!(error.to_string().contains(&format!("{bytes} bytes")), "{error}");
    }
}

#[test]
fn escapes_are_read() {
    let event = with("path", r#""/caf\u00e9""#);
    assert_eq!(Event::parse(event.as_bytes()).expect("valid").path.as_str(), "/café");
}

#[test]
fn a_lone_surrogate_is_read_as_the_replacement_character() {
    for (value, text) in [
        (r#""/a\ud83d""#, "/a\u{fffd}"),
        (r#""/\ud83d\n""#, "/\u{fffd}\n"),
        (r#""/\ud83dabc""#, "/\u{fffd}abc"),
        (r#""/\ude00\ud83d""#, "/\u{fffd}\u{fffd}"),
        (r#""/\ud83d\ud83d\ude00""#, "/\u{fffd}\u{1f600}"),
        (r#""/\ud83d\u0041\u00e9""#, "/\u{fffd}Aé"),
        (r#""/é\uD83D한\uDFFF""#, "/é\u{fffd}한\u{fffd}"),
        (r#""/\ud83d\\u0041""#, "/\u{fffd}\\u0041"),
    ] {
        assert_eq!(Event::parse(with("path", value).as_bytes()).expect("valid").path.as_str(), text, "{value}");
    }
    let json = with("user_id", r#""ann\udc00""#);
    let event = Event::parse(json.as_bytes()).expect("valid");
    assert_eq!(event.user_id.expect("a user").as_str(), "ann\u{fffd}");
    assert!(said_of(&with("site_id", r#""a\ud800""#)).starts_with("site_id must be 1 to 64"));
    assert!(said_of(&with("event_id", r#""a\ud800""#)).starts_with("event_id must be"));
    assert!(said_of(&with("timestamp", r#""\ud800""#)).starts_with("timestamp must be"));
    assert!(said_of(&GOOD.replace("/pricing", r"/\ud83")).starts_with("an event must be valid JSON"));
    for name in [r"a\ud83d", r"\ude00\ud83d", r"\ud83d\n"] {
        let json = GOOD.replace("\"path\"", &format!("\"{name}\":\"{name}\",\"path\""));
        assert_eq!(Event::parse(json.as_bytes()), Event::parse(GOOD.as_bytes()), "{name}");
    }
}

#[test]
fn names_of_fields_may_be_written_with_escapes() {
    let json = GOOD.replace("site_id", r"site\u005fid").replace("user_id", r"\u0075ser_id");
    assert_eq!(Event::parse(json.as_bytes()), Event::parse(GOOD.as_bytes()));
}

#[test]
fn control_characters_are_no_json_wherever_they_are() {
    for json in [
        GOOD.replace("/pricing", "/a\nb"),
        GOOD.replace("path", "pa\tth"),
        GOOD.replace("user-", r"\ud800").replace("xyz", "\u{1}"),
    ] {
        assert!(said_of(&json).starts_with("an event must be valid JSON"), "{json}");
    }
}

#[test]
fn byte_order_marks_are_passed_over() {
    for json in [format!("\u{feff}{GOOD}"), format!(" \u{feff}\u{feff}\r\n{GOOD}\n")] {
        assert_eq!(Event::parse(json.as_bytes()), Event::parse(GOOD.as_bytes()));
    }
    assert!(said_of("\u{feff}").starts_with("an event must be valid JSON"));
    assert!(said_of("{\u{feff}}").starts_with("an event must be valid JSON"));
}

#[test]
fn utf_16_is_told_from_broken_json() {
    let units: Vec<u16> = GOOD.encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    for json in [[b"\xff\xfe", little.as_slice()].concat(), [b"\xfe\xff", big.as_slice()].concat(), little, big] {
        assert_eq!(Event::parse(&json), Err(InvalidEvent::NotUtf8));
    }
}
