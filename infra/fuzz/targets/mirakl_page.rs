//! See `laws::mirakl_page`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::laws::mirakl_page(data));
