#![no_main]

#[path = "../checks/receipt.rs"]
mod receipt;

libfuzzer_sys::fuzz_target!(|text: &[u8]| receipt::check(text));
