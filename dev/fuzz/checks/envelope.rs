//! Messages of the log, as anybody may publish them, and the fold over them.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate};
use contract::envelope::{ENVELOPE_BYTES_MAX, ENVELOPE_EVENTS_MAX};
use contract::{Envelope, SketchKey};
use fold::{Counts, DedupState, DedupWindow, Deltas, Dimension, Fold, Message, WHOLE_ENVELOPE};

/// Every line that is not blank counts, is a repeat or is parked, with its number and as it is; a message that cannot
/// be read is parked whole. Cut into one message a line, it adds up to the same.
pub(crate) fn check(body: &[u8]) {
    let written: Vec<(usize, &[u8])> =
        body.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty()).collect();
    let whole = folded(&[body]);
    let Ok(envelope) = Envelope::open(None, body) else {
        assert!(written.is_empty() || written.len() > ENVELOPE_EVENTS_MAX || body.len() > ENVELOPE_BYTES_MAX);
        assert_eq!((whole.events, whole.parked.len(), whole.parked[0].line), (0, 1, WHOLE_ENVELOPE));
        assert_eq!(whole.parked[0].event, body);
        return;
    };
    let lines: Vec<(usize, &[u8])> = envelope.lines().map(|line| (line.number as usize, line.json)).collect();
    assert_eq!(lines, written);
    let repeats: u64 = whole.repeats.values().sum();
    assert_eq!(whole.events + repeats + whole.parked.len() as u64, lines.len() as u64);
    let sorted = whole.sorted();
    assert_eq!(sorted.daily().map(|(.., counts)| counts.views()).sum::<u64>(), whole.events);
    for (.., counts) in sorted.daily() {
        for dimension in Dimension::ALL {
            assert_eq!(counts.names(dimension).iter().map(|(_, views)| views).sum::<u64>(), counts.views());
        }
    }
    for parked in &whole.parked {
        let (_, json) = lines.iter().find(|(number, _)| i32::try_from(*number) == Ok(parked.line)).expect("a line");
        assert_eq!(parked.event, *json);
        assert!(!parked.reason.contains('\0'), "Postgres has no text with a NUL in it");
    }

    let one_by_one = folded(&lines.iter().map(|(_, json)| *json).collect::<Vec<_>>());
    assert_eq!(sums(&one_by_one), sums(&whole));
    assert_eq!((one_by_one.parked.len(), &one_by_one.repeats), (whole.parked.len(), &whole.repeats));
    assert!(Envelope::open(Some("event.v1"), body).is_ok() && Envelope::open(Some("event.v2"), body).is_err());
}

fn folded(bodies: &[&[u8]]) -> Deltas {
    let fold = Fold::new(SketchKey::for_development());
    let mut recent = DedupWindow::new(3_600.try_into().expect("an hour"), DedupState::default());
    let mut deltas = fold.begin();
    for (sequence, body) in (1..).zip(bodies) {
        let message = Message { sequence, logged_at: DateTime::UNIX_EPOCH, sent_at: None, schema: None, body };
        fold.add(&mut recent, &mut deltas, message);
    }
    deltas
}

/// Everything that is added, in an order that does not depend on how it was read.
fn sums(deltas: &Deltas) -> Vec<String> {
    let line = |(site, kind, day, counts): (&str, &str, NaiveDate, Counts<'_>)| {
        let users: BTreeSet<_> = counts.users().iter().copied().collect();
        let names = Dimension::ALL.map(|dimension| counts.names(dimension));
        format!("{site} {kind} {day} {} {users:?} {names:?}", counts.views())
    };
    deltas.sorted().daily().map(line).collect()
}
