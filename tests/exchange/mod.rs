//! `daybook export` and `daybook import`: the real binary, real journals, and hledger and ledger beside it.

mod bulk;
pub(crate) mod command;
mod files;
mod journals;
mod once;
mod oracle;
mod properties;
mod refusals;
pub(crate) mod reports;
mod round_trip;
