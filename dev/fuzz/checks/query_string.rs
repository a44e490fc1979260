//! Query strings, as clients and links have them.

use axum::http::Uri;
use chrono::NaiveDate;
use query::Target;
use service::http::query_string::{NotEncoded, pairs, written};

/// A request that is accepted is read again, as the same, from the form that it is written in; all else is a client's error
/// with a code. Pairs that can be decoded are read again from what is written of them. Only what can be in an address is
/// looked at: anything else never reaches a reader.
pub(crate) fn check(text: &[u8]) {
    let Ok(address) = Uri::try_from([b"/?", text].concat().as_slice()) else { return };
    let query = address.query().unwrap_or_default();
    let today = NaiveDate::from_ymd_opt(2025, 11, 12).expect("a day");
    for target in Target::ALL {
        match target.canonical(query, today) {
            Ok(form) => assert_eq!(target.canonical(&form, today).as_ref(), Ok(&form), "{target:?} of {query:?}"),
            Err(refusal) => {
                assert_eq!(refusal.status().as_u16(), 400, "{target:?} of {query:?}");
                assert!(!refusal.code().is_empty());
            }
        }
    }
    if let Ok(sent) = decoded(query) {
        let again = written(sent.iter().map(|(name, value)| (name.as_str(), value.clone())));
        // An empty pair cannot be written so that it is not passed over.
        let sent: Vec<_> = sent.into_iter().filter(|(name, value)| !(name.is_empty() && value.is_empty())).collect();
        let read = decoded(&again).expect("what is written is encoded");
        let read: Vec<_> = read.into_iter().filter(|(name, value)| !(name.is_empty() && value.is_empty())).collect();
        assert_eq!(read, sent, "{query:?}");
    }
}

fn decoded(query: &str) -> Result<Vec<(String, String)>, NotEncoded> {
    pairs(query).map(|pair| Ok((pair.name()?.into_owned(), pair.value()?.into_owned()))).collect()
}
