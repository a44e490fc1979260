//! Replays `fuzz/corpus` on the stable toolchain: see `fuzz/README.md`.

#[path = "../../fuzz/checks/batch.rs"]
mod batch;
#[path = "../../fuzz/checks/corpus.rs"]
mod corpus;

#[test]
fn batches_hold() {
    corpus::replay("batch", batch::check);
}
