//! The crate through its public face.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod answers;
mod engine;
mod faults;
mod interfaces;
mod long_lists;
mod measures;
mod normalised;
mod nulls;
mod persisted;
mod properties;
mod rules;
mod schema;
mod variables;
