#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tokend::fuzzing::sealed_files(input));
