//! Replays `dev/fuzz/corpus` on the stable toolchain: see `dev/fuzz/README.md`.

#[path = "../../../dev/fuzz/checks/corpus.rs"]
mod corpus;
#[path = "../../../dev/fuzz/checks/event.rs"]
mod event;
#[path = "../../../dev/fuzz/checks/receipt.rs"]
mod receipt;
#[path = "../../../dev/fuzz/checks/sketch.rs"]
mod sketch;

#[test]
fn events_hold() {
    corpus::replay("event", event::check);
}

#[test]
fn receipts_hold() {
    corpus::replay("receipt", receipt::check);
}

#[test]
fn sketches_hold() {
    corpus::replay("sketch", sketch::check);
}
