//! See `ini` in `tests/fuzz_corpus`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sip_survivability_fuzz::ini(data));
