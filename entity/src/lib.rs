//! The tables of the ledger, one SeaORM entity per file.
//!
//! Entities say what a row looks like and nothing more: the rules are constraints of the database (see the migrations), the
//! verbs are functions of the domain. They have no relation fields, because the domain reads by key and by key set only; nested
//! saves of `ActiveModelEx` would begin transactions of their own.

pub mod account;
pub mod currency;
pub mod entry;
pub mod entry_line;

pub use account::{AccountStatus, LimitPolicy, Side};
pub use entry::EntryKind;
