//! See `laws::mirakl_error_report`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::laws::mirakl_error_report(data));
