//! `daybook schema --check FILE`.

use std::path::PathBuf;

use super::{
    print,
    schema_check::{self, Change, Severity},
};
use crate::{error::StartError, graphql};

/// Prints what changed since the schema in the file, breaking changes first.
///
/// # Errors
/// [`StartError::SchemaBreaks`] if a change breaks clients, [`StartError::SchemaFile`] if the file cannot be read.
pub fn check_schema(file: PathBuf) -> Result<(), StartError> {
    let before = std::fs::read_to_string(&file).map_err(|error| error.to_string());
    let changes = before.and_then(|before| {
        schema_check::compare(&before, &graphql::sdl()).map_err(|error| error.to_string())
    });
    let changes = changes.map_err(|problem| StartError::SchemaFile { file, problem })?;
    let text: String = changes.iter().map(|change| format!("{change}\n")).collect();
    print(&text)?;
    let breaking = |change: &&Change| change.severity == Severity::Breaking;
    match changes.iter().filter(breaking).count() {
        0 => Ok(()),
        count => Err(StartError::SchemaBreaks(count)),
    }
}
