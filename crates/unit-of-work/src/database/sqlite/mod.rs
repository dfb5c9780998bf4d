//! What only SQLite has.

pub(crate) mod files;
pub(crate) mod keeper;
