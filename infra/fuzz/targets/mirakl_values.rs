//! See `laws::mirakl_values`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::laws::mirakl_values(data));
