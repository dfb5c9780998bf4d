//! Whether an operation may run, and when.
//!
//! Read `admit.rs` first: every operation passes it, on each transport. `access.rs` is the caller, and is implemented by the application.
//! `limits.rs` says how much one request may ask for, and `slots/` how many operations run at once. `request_errors.rs` is the
//! schema's side: it runs operations as they were prepared, and no others. `answer_rule.rs` is what it asks of units of work.
//!
//! Nothing here knows which transport a request came by.

pub(crate) mod access;
pub(crate) mod admit;
mod answer_rule;
pub(crate) mod limits;
pub(crate) mod request_errors;
pub(crate) mod slots;
