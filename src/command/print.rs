//! Standard output.

use std::io::Write;

use crate::error::StartError;

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
