//! See `laws::prima_xml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::laws::prima_xml(data));
