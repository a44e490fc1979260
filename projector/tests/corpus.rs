//! Replays `fuzz/corpus` on the stable toolchain: see `fuzz/README.md`.

#[path = "../../fuzz/checks/corpus.rs"]
mod corpus;
#[path = "../../fuzz/checks/envelope.rs"]
mod envelope;
#[path = "../../fuzz/checks/headers.rs"]
mod headers;

#[test]
fn envelopes_hold() {
    corpus::replay("envelope", envelope::check);
}

#[test]
fn headers_hold() {
    corpus::replay("headers", headers::check);
}
