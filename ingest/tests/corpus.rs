//! Replays `dev/fuzz/corpus` on the stable toolchain: see `dev/fuzz/README.md`.

#[path = "../../dev/fuzz/checks/batch.rs"]
mod batch;
#[path = "../../dev/fuzz/checks/corpus.rs"]
mod corpus;

#[test]
fn batches_hold() {
    corpus::replay("batch", batch::check);
}
