//! Whatever reads bytes from outside, held against bytes that nobody expected.
//!
//! A target takes any bytes and panics where Daybook does what it must not: a panic, an `INTERNAL` error, a status 500, a response that
//! is malformed, money that changes on the way, or no answer within some seconds. What Daybook refuses is no failure.
//!
//! # Why libFuzzer
//!
//! Random bytes alone never get past the first character of a document or a journal. libFuzzer learns what does, is kept up to date with
//! LLVM, and is one dependency, which `cargo test` does not build. `proptest` is random, and so is `bolero` unless every
//! dependency is built a second time; `cargo fuzz` asks for a nightly compiler and does that too.
//!
//! # How it runs
//!
//! `.ci/fuzz MINUTES` runs libFuzzer, which keeps the inputs that reach code that no input reached before, and mutates those. It needs
//! no nightly compiler: coverage comes from an LLVM pass that stable `rustc` takes by `-C passes`, which `tests/fuzz/instrument` adds
//! for the crates of this workspace alone. `cargo test -p daybook-fuzz` needs no fuzzer: it gives every file of `corpus/` to its target.
//!
//! # After a finding
//!
//! `.ci/fuzz` prints the name of the input. Mend the code, then copy the input to `corpus/TARGET/`, under a name that says what was wrong:
//! from then on it is a test.
//!
//! # To add a target
//!
//! 1. Write it in `targets/`, and add it to [`TARGETS`].
//! 2. Put a few inputs that are good into `corpus/TARGET/`: mutation starts there.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test, a panic is how a failure is reported"
)]

mod answer;
mod stand;
mod targets;

pub use targets::{TARGETS, Target};

/// The target that the environment variable `FUZZ_TARGET` names.
///
/// # Panics
/// Where there is none of that name.
#[must_use]
pub fn chosen() -> &'static Target {
    static CHOSEN: std::sync::LazyLock<&Target> = std::sync::LazyLock::new(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let found = TARGETS.iter().find(|target| target.name == name);
        found.unwrap_or_else(|| {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            panic!("FUZZ_TARGET is one of {}", names.join(", "))
        })
    });
    &CHOSEN
}
