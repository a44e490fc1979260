//! End-to-end tests: a whole Tidemark for each, one file a promise, in `tests/it`. What they share is in the crate `testkit`.
