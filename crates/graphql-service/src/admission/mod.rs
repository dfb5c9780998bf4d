//! Whether an operation may run, and when.
//!
//! Read `admit.rs` first: every operation passes it, on each transport. `access.rs` is the caller, and is implemented by the application.
//! `limits.rs` says how much one request may ask for, and `slots/` how many operations run at once.
//!
//! Nothing here knows which transport a request came by.

pub(crate) mod access;
pub(crate) mod admit;
pub(crate) mod limits;
pub(crate) mod slots;
