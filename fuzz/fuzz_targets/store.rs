//! Does to a store whatever the fuzzer comes up with; `onefill_fuzz` says what must hold.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|case: &[u8]| onefill_fuzz::store::check_store_case(case));
