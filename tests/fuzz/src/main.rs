//! The coverage-guided fuzzer, for the target that `FUZZ_TARGET` names. `.ci/fuzz` builds and runs it.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| (daybook_fuzz::chosen().run)(input));
