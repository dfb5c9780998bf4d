//! Export of the ledger to files of other programs, and import from them.
//!
//! | format | export | import | has |
//! |---|---|---|---|
//! | `hledger`, `ledger` | yes | `hledger` | accounts, and the entries that moved money, each line as two postings |
//! | `csv` | yes | yes | the lines that moved money |
//! | `json` | yes | no | everything: holds, releases, relations, versions |
//!
//! `journal` and `table` read files without a database: they make [`Transaction`]s of lines, and refuse what the ledger cannot store, with
//! the line. `export` reads one snapshot from its beginning to its end. [`import()`] writes transactions into the ledger, in the
//! transaction of its caller.

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
