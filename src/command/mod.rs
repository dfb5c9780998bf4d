//! What the commands of `daybook` do, a file each. `config` says how they are called.
//!
//! Each is a function from its settings to an outcome. `serve` is the one that stays; read it first.

use std::io::Write;

use crate::error::StartError;

mod check_schema;
mod files;
mod migrate;
pub mod schema_check;
pub mod serve;
mod verify;

pub use self::{
    check_schema::check_schema,
    files::{export, import},
    migrate::migrate,
    serve::serve,
    verify::verify,
};

/// Writes a command's result to standard output.
///
/// # Errors
/// [`StartError::System`] where standard output cannot be written.
pub fn print(text: &str) -> Result<(), StartError> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|source| StartError::System {
            what: "write to standard output",
            source,
        })
}
