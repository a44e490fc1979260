use contract::envelope::ENVELOPE_BYTES_MAX;

use super::*;

fn event(site: &str, filler: usize) -> String {
    let filler = "x".repeat(filler);
    format!(
        r#"{{"site_id":"{site}","event_type":"v","path":"/","timestamp":"2025-01-01T00:00:00Z","filler":"{filler}"}}"#
    )
}

fn parse(body: &str) -> Result<Batch, InvalidBatch> {
    let now = "2025-11-12T19:30:00Z".parse().expect("an instant");
    Batch::parse(body.as_bytes(), &Rules::open(now, 4))
}

#[test]
fn arrays_and_lines_say_the_same() {
    let events = [event("a", 0), event("b", 0), event("a", 3)];
    let lines = parse(&events.join("\n")).expect("a batch");
    assert_eq!(parse(&format!(" [{}]\n", events.join(" ,\n"))), Ok(lines));
    assert_eq!(parse(&format!("\r\n{}\r\n\n", events.join("\r\n\n"))).expect("a batch").accepted, 3);
}

#[test]
fn one_bad_event_never_loses_its_neighbours() {
    let good = event("a", 0);
    for bad in ["{", "7", "{}", "\u{1}", "\"", "[]", "nonsense } ]"] {
        let batch = parse(&[&good, bad, &good].join("\n")).expect("a batch");
        assert_eq!((batch.accepted, batch.rejected.len(), batch.rejected[0].index), (2, 1, 1), "{bad}");
    }
    let batch = parse(&format!("[{good}, 7, {{}}, {good}]")).expect("a batch");
    assert_eq!(batch.rejected.iter().map(|event| event.index).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn parts_are_of_one_partition_and_fit_an_envelope() {
    let sites = ["a", "b", "c", "d", "e"];
    let body: Vec<_> = (0..4_000).map(|i| event(sites[i % 5], i % 700)).collect();
    let batch = parse(&body.join("\n")).expect("a batch");
    let mut positions: Vec<_> = batch.parts.iter().flat_map(|part| part.positions.clone()).collect();
    positions.sort_unstable();
    assert_eq!(positions, (0..4_000).collect::<Vec<_>>(), "each event is in one part");
    for part in &batch.parts {
        assert!(part.submission.lines.len() <= ENVELOPE_BYTES_MAX);
        assert!(part.positions.len() <= ENVELOPE_EVENTS_MAX);
        assert_eq!(part.positions.len(), part.submission.events as usize);
        let opened = contract::Envelope::open(None, &part.submission.lines).expect("an envelope");
        for (line, position) in opened.lines().zip(&part.positions) {
            assert_eq!(line.json, body[*position].as_bytes());
            let site_id = line.event.expect("an event").site_id;
            assert_eq!(Partition::of(&site_id, 4), part.submission.partition);
        }
    }
}

#[test]
fn byte_order_marks_are_passed_over() {
    let events = [event("a", 0), event("b", 0), event("a", 3)];
    let expected = parse(&events.join("\n"));
    assert_eq!(parse(&format!("\u{feff}{}", events.join("\n"))), expected);
    assert_eq!(
        parse(&format!("\u{feff}{}\r\n\u{feff}\n \u{feff}\u{feff}{}\n{}\n\u{feff}", events[0], events[1], events[2])),
        expected
    );
    assert_eq!(parse(&format!("\u{feff}\r\n[{}]", events.join(","))), expected);
    assert_eq!(parse("\u{feff}"), Err(InvalidBatch::Empty));
    assert!(matches!(parse(&format!("[\u{feff}{}]", events[0])), Err(InvalidBatch::NotAnArray(_))));
}

#[test]
fn a_batch_in_another_encoding_is_told_so() {
    let now = "2025-11-12T19:30:00Z".parse().expect("an instant");
    let rules = Rules::open(now, 4);
    for batch in [event("a", 0), format!("{}\n{}", event("a", 0), event("a", 1)), format!("[{}]", event("a", 0))] {
        let units: Vec<u16> = batch.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for body in [[b"\xff\xfe", little.as_slice()].concat(), [b"\xfe\xff", big.as_slice()].concat(), little, big] {
            let error = Batch::parse(&body, &rules).expect_err("refused").to_string();
            assert!(error.ends_with("must be UTF-8 text"), "{error}");
        }
    }
    assert_eq!(Batch::parse(b"[\"\xe4\"]", &rules), Err(InvalidBatch::NotUtf8));
}

#[test]
fn a_batch_without_an_event_is_refused() {
    assert_eq!(parse(""), Err(InvalidBatch::Empty));
    assert_eq!(parse("[]"), Err(InvalidBatch::Empty));
    assert_eq!(
        parse("{}\n7").expect_err("refused").to_string(),
        "a batch must have at least one valid event; at index 0: site_id is required"
    );
    assert!(matches!(parse("[{}, "), Err(InvalidBatch::NotAnArray(_))));
    assert_eq!(parse(&vec!["{}"; 10_001].join("\n")), Err(InvalidBatch::TooMany));
}

#[test]
fn white_space_around_a_line_takes_no_room_in_an_envelope() {
    let wide = " ".repeat(ENVELOPE_BYTES_MAX);
    let batch = parse(&format!("{}\n{wide}{}\r\n{}{wide}", event("a", 0), event("a", 1), event("a", 2)));
    let batch = batch.expect("a batch");
    let parts: Vec<_> = batch.parts.iter().map(|part| part.positions.as_slice()).collect();
    assert_eq!(parts, [[0, 1, 2]], "one part, and none without an event");
}

#[test]
fn far_too_many_elements_are_too_many() {
    assert_eq!(parse(&"0\n".repeat(100_000)), Err(InvalidBatch::TooMany));
    assert_eq!(parse(&format!("[0{}]", ",0".repeat(100_000))), Err(InvalidBatch::TooMany));
    assert!(matches!(parse(&format!("[0{}", ",0".repeat(100_000))), Err(InvalidBatch::NotAnArray(_))));
}

#[test]
fn parts_fit_a_log_that_takes_less() {
    let now = "2025-11-12T19:30:00Z".parse().expect("an instant");
    let rules = Rules { envelope_bytes_max: 8_193, ..Rules::open(now, 4) };
    let body: Vec<_> = (0..300).map(|number| event("a", number)).collect();
    let batch = Batch::parse(body.join("\n").as_bytes(), &rules).expect("a batch");
    assert_eq!(batch.accepted, 300);
    assert!(batch.parts.len() > 2 && batch.parts.iter().all(|part| part.submission.lines.len() <= 8_193));
}

#[test]
fn nothing_is_refused_for_good_while_clocks_are_unsure() {
    let now = "2025-01-01T00:00:00Z".parse().expect("an instant");
    let rules = Rules { is_clock_sure: false, ..Rules::open(now, 4) };
    let early = event("a", 0).replace("2025-01-01", "2024-12-31");
    let late = event("a", 0).replace("2025-01-01", "2025-01-02");
    let parse = |lines: &[&str]| Batch::parse(lines.join("\n").as_bytes(), &rules);
    assert_eq!(parse(&[&early]).expect("a batch").accepted, 1);
    let unsure = Err(InvalidBatch::NothingValid { index: 1, error: Rejected::Unsure });
    assert_eq!(parse(&[&early, &late]), unsure);
    assert_eq!(parse(&["{}", &late]), unsure);
}
