//! See `laws::mirakl_offers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::laws::mirakl_offers(data));
