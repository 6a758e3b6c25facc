//! See `laws::prima_document`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::laws::prima_document(data));
