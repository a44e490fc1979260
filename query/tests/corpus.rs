//! Replays `fuzz/corpus` on the stable toolchain: see `fuzz/README.md`.

#[path = "../../fuzz/checks/corpus.rs"]
mod corpus;
#[path = "../../fuzz/checks/query_string.rs"]
mod query_string;

#[test]
fn query_strings_hold() {
    corpus::replay("query_string", query_string::check);
}
