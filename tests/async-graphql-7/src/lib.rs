//! The contract of unit-of-work on async-graphql 7: its tests are those of the crate, in `crates/unit-of-work/tests/contract`.
