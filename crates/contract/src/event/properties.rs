//! Properties of reading events that hold for any JSON, and for what is none.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;

use super::*;

/// Pieces of JSON, and what serde reads in one way where it is looked at and in another where it is passed over.
const PIECES: [&str; 30] = [
    "\"https://google.com/\"",
    "\"\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\u0000\"",
    "\"\\x\"",
    "\"\\u12\"",
    "\"ä\"",
    "null",
    "true",
    "7",
    "-0",
    "01",
    "1e400",
    "1e",
    "-",
    "99999999999999999999999999999999",
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    "\"a\"",
    "\"referrer\":",
    "\"site_id\":",
    " ",
    "\t",
    "\u{7f}",
    "\u{1}",
];

/// A value, or what should be one.
fn value() -> impl Strategy<Value = String> {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    prop_oneof![
        4 => select(PIECES.to_vec()).prop_map(str::to_owned),
        4 => prop::collection::vec(select(PIECES.to_vec()), 0..8).prop_map(|pieces| pieces.concat()),
        1 => (0..4_200usize).prop_map(nested),
        1 => Just("{\"a\":".repeat(150) + "1" + &"}".repeat(150)),
    ]
}

/// Members of an event in any order, some of them wrong.
fn members() -> impl Strategy<Value = Vec<String>> {
    let known = vec![
        r#""site_id":"site-abc-123""#.to_owned(),
        r#""event_type":"page_view""#.to_owned(),
        r#""path":"/pricing""#.to_owned(),
        r#""timestamp":"2025-11-12T19:30:01Z""#.to_owned(),
    ];
    let named = prop_oneof![6 => Just("referrer"), 1 => Just("user_id"), 1 => Just("event_id"), 1 => Just("other")];
    let more = prop::collection::vec((named, value()).prop_map(|(name, value)| format!("\"{name}\":{value}")), 0..4);
    more.prop_map(move |more| [known.clone(), more].concat()).prop_shuffle()
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, cases: 2_000, ..Config::default() })]

    /// Under an unknown name, any value was always passed over. Both names have eight letters, so that errors
    /// stand at the same place.
    #[test]
    fn a_referrer_is_as_harmless_as_a_field_that_nobody_knows(members in members()) {
        let json = format!("{{{}}}", members.join(","));
        let unknown = json.replace("referrer", "whatever");
        let expected = Event::parse(unknown.as_bytes());
        // What is unknown is kept for later, so it counts for the size of an event; a referrer does not.
        prop_assume!(expected != Err(InvalidEvent::TooLarge));
        let read = Event::parse(json.as_bytes()).map(|event| Event { referrer: None, ..event });
        prop_assert_eq!(read, expected);
    }
}
