//! Many events in one request: an array, or one event a line.

use chrono::DateTime;
use contract::envelope::{ENVELOPE_BYTES_MAX, ENVELOPE_EVENTS_MAX, push_line};
use contract::{Envelope, Partition};
use ingest::batch::{BATCH_EVENTS_MAX, Batch, InvalidBatch};
use ingest::submission::Rules;
use serde_json::value::RawValue;

const PARTITIONS: u16 = 4;

/// Every element is accepted or rejected, once. What is accepted lies in parts of one partition each, that an envelope
/// can hold, as it was sent and in the order in which it was sent.
pub(crate) fn check(body: &[u8]) {
    let now = DateTime::from_timestamp(1_762_975_801, 0).expect("an instant");
    let Some(sent) = elements(body) else {
        let refused = Batch::parse(body, &Rules::open(now, PARTITIONS));
        assert!(matches!(refused, Err(InvalidBatch::NotAnArray(_) | InvalidBatch::NotUtf8)));
        return;
    };
    match Batch::parse(body, &Rules::open(now, PARTITIONS)) {
        Ok(batch) => check_batch(&batch, &sent),
        Err(InvalidBatch::Empty) => assert!(sent.is_empty()),
        Err(InvalidBatch::NothingValid { index, .. }) => assert!(index == 0 && !sent.is_empty()),
        Err(InvalidBatch::TooMany) => assert!(sent.len() > BATCH_EVENTS_MAX),
        Err(InvalidBatch::NothingAllowed) => panic!("every site is allowed"),
        Err(reason @ (InvalidBatch::NotAnArray(_) | InvalidBatch::NotUtf8)) => panic!("it is an array: {reason}"),
    }
}

fn check_batch(batch: &Batch, sent: &[&[u8]]) {
    assert_eq!(batch.accepted + batch.rejected.len(), sent.len());
    assert!(batch.rejected.is_sorted_by_key(|event| event.index));
    let is_rejected = |index: &usize| batch.rejected.binary_search_by_key(index, |event| event.index).is_ok();
    let accepted: Vec<&[u8]> = (0..sent.len()).filter(|index| !is_rejected(index)).map(|index| sent[index]).collect();
    assert_eq!(accepted.len(), batch.accepted);

    let mut positions: Vec<_> = batch.parts.iter().flat_map(|part| part.positions.iter().copied()).collect();
    positions.sort_unstable();
    assert!(positions.into_iter().eq(0..batch.accepted), "each accepted event is in one part, once");
    for part in &batch.parts {
        let lines = &part.submission.lines;
        assert!(lines.len() <= ENVELOPE_BYTES_MAX && part.positions.len() <= ENVELOPE_EVENTS_MAX);
        assert_eq!(part.positions.len(), part.submission.events as usize);
        assert!(part.positions.is_sorted());
        let envelope = Envelope::open(None, lines).expect("a part can be an envelope");
        let read: Vec<_> = envelope.lines().collect();
        assert_eq!(read.len(), part.positions.len());
        for (line, position) in read.iter().zip(&part.positions) {
            let mut expected = Vec::new();
            push_line(&mut expected, accepted[*position]);
            assert_eq!([line.json, b"\n"].concat(), expected);
            let event = line.event.as_ref().expect("an accepted event");
            assert_eq!(Partition::of(&event.site_id, PARTITIONS), part.submission.partition);
        }
    }
}

/// The elements, found in another way than ingest does; none if it is an array that does not parse.
fn elements(body: &[u8]) -> Option<Vec<&[u8]>> {
    let body = without_marks(body);
    if body.starts_with(b"[") {
        let elements: Vec<&RawValue> = serde_json::from_slice(body).ok()?;
        return Some(elements.into_iter().map(|element| element.get().as_bytes()).collect());
    }
    let (mut lines, mut rest) = (Vec::new(), body);
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let (line, behind) = rest.split_at(end);
        let line = without_marks(line);
        lines.extend((!line.is_empty()).then_some(line));
        rest = behind.get(1..).unwrap_or_default();
    }
    Some(lines)
}

/// Text behind all white space and byte order marks that it begins with.
fn without_marks(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    text.strip_prefix("\u{feff}".as_bytes()).map_or(text, without_marks)
}
