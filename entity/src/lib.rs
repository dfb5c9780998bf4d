//! The tables of the ledger, one SeaORM entity per file.
//!
//! Entities only describe rows. The rules are constraints of the database (see the migrations), and the verbs are functions of the domain.
//!
//! They are not derived with `#[sea_orm::model]`, whose nested saves begin transactions of their own. They have no relations, because the
//! domain reads by keys.

pub mod account;
pub mod account_change;
pub mod account_group;
pub mod account_pending;
pub mod closing;
pub mod currency;
pub mod entry;
pub mod entry_change;
pub mod entry_line;
pub mod group_change;
pub mod import;
pub mod late_line;
pub mod late_total;
pub mod ledger;
pub mod line_part;
pub mod webhook;
pub mod webhook_dead_letter;

pub use account::{AccountClass, AccountStatus, LimitPolicy, Side};
pub use entry::EntryKind;
pub use entry_line::LineEffect;
pub use webhook::{WebhookSecret, WebhookStatus, WhenExhausted};
