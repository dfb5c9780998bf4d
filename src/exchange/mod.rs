//! Exchange: the ledger as files that other programs read, and such files as entries of the ledger.
//!
//! | format | export | import | has |
//! |---|---|---|---|
//! | `hledger`, `ledger` | yes | `hledger` | accounts, and the entries that moved money, each line as two postings |
//! | `csv` | yes | yes | the lines that moved money |
//! | `json` | yes | no | everything: holds, releases, relations, versions |
//!
//! Reading a file knows no database: `journal` and `table` make [`Transaction`]s of lines, and refuse
//! with the line what the ledger cannot keep. Writing one is a walk through one snapshot. [`import()`] puts the two
//! sides together, in the transaction that its caller lends.

mod amount;
mod export;
mod format;
mod import;
mod item;
mod journal;
mod name;
mod note;
mod refusal;
mod source;
mod survey;
mod symbols;
mod table;
mod transaction;

pub use export::{ExportError, Exported, export};
pub use format::Format;
pub use import::{ImportError, Imported, Outcome, import};
pub use refusal::{Refusal, SourceError};
pub use source::Source;
pub use survey::{Survey, survey};
pub use symbols::Symbols;
pub use transaction::{Posting, Transaction};
