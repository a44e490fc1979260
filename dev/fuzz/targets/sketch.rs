#![no_main]

#[path = "../checks/sketch.rs"]
mod sketch;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sketch::check(bytes));
