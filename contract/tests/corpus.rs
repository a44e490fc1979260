//! Replays `fuzz/corpus` on the stable toolchain: see `fuzz/README.md`.

#[path = "../../fuzz/checks/corpus.rs"]
mod corpus;
#[path = "../../fuzz/checks/event.rs"]
mod event;
#[path = "../../fuzz/checks/receipt.rs"]
mod receipt;
#[path = "../../fuzz/checks/sketch.rs"]
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
