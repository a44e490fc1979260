//! Replays `dev/fuzz/corpus` on the stable toolchain: see `dev/fuzz/README.md`.

#[path = "../../dev/fuzz/checks/corpus.rs"]
mod corpus;
#[path = "../../dev/fuzz/checks/envelope.rs"]
mod envelope;
#[path = "../../dev/fuzz/checks/headers.rs"]
mod headers;

#[test]
fn envelopes_hold() {
    corpus::replay("envelope", envelope::check);
}

#[test]
fn headers_hold() {
    corpus::replay("headers", headers::check);
}
