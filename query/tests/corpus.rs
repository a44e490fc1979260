//! Replays `dev/fuzz/corpus` on the stable toolchain: see `dev/fuzz/README.md`.

#[path = "../../dev/fuzz/checks/corpus.rs"]
mod corpus;
#[path = "../../dev/fuzz/checks/query_string.rs"]
mod query_string;

use proptest::prelude::*;

#[test]
fn query_strings_hold() {
    corpus::replay("query_string", query_string::check);
}

/// Words of the dictionary, and bytes.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let words =
        include_str!("../../dev/fuzz/query_string.dict").lines().map(|line| line.trim_matches('"').as_bytes().to_vec());
    let bytes = prop::collection::vec(any::<u8>(), 0..6);
    prop_oneof![6 => prop::sample::select(words.collect::<Vec<_>>()), 2 => Just(b"&".to_vec()), 1 => bytes]
}

proptest! {
    #[test]
    fn query_strings_hold_whatever_they_are_made_of(pieces in prop::collection::vec(piece(), 0..24)) {
        query_string::check(&pieces.concat());
    }
}
