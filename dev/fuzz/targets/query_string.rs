#![no_main]

#[path = "../checks/query_string.rs"]
mod query_string;

libfuzzer_sys::fuzz_target!(|text: &[u8]| query_string::check(text));
