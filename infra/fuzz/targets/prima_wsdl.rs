//! See `laws::prima_wsdl`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::laws::prima_wsdl(data));
