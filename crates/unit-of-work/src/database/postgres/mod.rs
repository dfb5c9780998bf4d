//! What only PostgreSQL has.

pub(crate) mod control;
