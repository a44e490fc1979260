//! Headers of a message of the log, as anyone with ingest's password may write them.

use chrono::{DateTime, SecondsFormat};
use contract::SketchKey;
use contract::subjects::{SCHEMA_V1, UNREADABLE_HEADERS};
use event_log::headers::{Headers, SCHEMA_BYTES_MAX, storable};
use fold::{DedupState, DedupWindow, Fold, Message, WHOLE_ENVELOPE};

const EVENT: &[u8] = br#"{"site_id":"a","event_type":"b","path":"/","timestamp":"2025-11-12T19:30:01Z"}"#;

/// What is made of headers can be stored, shown and published again, and reads back as the same. An envelope counts if
/// they name no schema or the known one, and is parked whole, as it is, if they name another or cannot be read.
pub(crate) fn check(bytes: &[u8]) {
    let Headers { schema, sent_at, .. } = Headers::read(bytes);
    if let Some(sent_at) = sent_at {
        let again = format!("NATS/1.0\r\nSent-At: {}\r\n\r\n", sent_at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        assert_eq!(Headers::read(again.as_bytes()).sent_at, Some(sent_at));
    }
    let Some(schema) = schema else {
        assert!(bytes.is_empty() || bytes.starts_with(b"NATS/1.0"));
        return check_fold(None, true);
    };
    assert!(schema.len() <= SCHEMA_BYTES_MAX && !schema.contains(char::is_control), "{schema:?}");
    assert_eq!(storable(&schema), schema, "it is such a text already");
    // As what stands for an erased or restored envelope is published.
    let again = format!("NATS/1.0\r\nSchema: {schema}\r\n\r\n");
    assert_eq!(Headers::read(again.as_bytes()).schema.as_ref(), Some(&schema));
    if std::str::from_utf8(bytes).is_err() {
        assert!(schema.starts_with(UNREADABLE_HEADERS));
    }
    check_fold(Some(&schema), schema == SCHEMA_V1);
}

fn check_fold(schema: Option<&str>, counts: bool) {
    let fold = Fold::new(SketchKey::for_development());
    let mut recent = DedupWindow::new(3_600.try_into().expect("an hour"), DedupState::default());
    let mut deltas = fold.begin();
    let message = Message { sequence: 1, logged_at: DateTime::UNIX_EPOCH, sent_at: None, schema, body: EVENT };
    fold.add(&mut recent, &mut deltas, message);
    if counts {
        assert_eq!((deltas.events, deltas.parked.len()), (1, 0));
        return;
    }
    assert_eq!((deltas.events, deltas.parked.len(), deltas.parked[0].line), (0, 1, WHOLE_ENVELOPE));
    let parked = &deltas.parked[0];
    assert_eq!((parked.event.as_slice(), parked.schema.as_deref()), (EVENT, schema));
    assert!(!parked.reason.contains(char::is_control), "{:?}", parked.reason);
}
