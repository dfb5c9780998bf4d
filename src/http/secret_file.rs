//! Files that only the server should read.

use std::{os::unix::fs::PermissionsExt, path::Path};

/// The permissions of every user to read and to write.
const EVERYBODY: u32 = 0o006;

/// Warns if every user of the machine can read or change a file with a secret. The file is used all the same, since the server cannot know
/// who may log in to the machine.
pub(crate) fn warn_if_exposed(path: &Path) {
    let Ok(file) = std::fs::metadata(path) else {
        // If the file cannot be read, reading it reports why.
        return;
    };
    if file.permissions().mode() & EVERYBODY != 0 {
        tracing::warn!(
            file = %path.display(),
            "every user of this machine can read or change this file, which holds a secret: run `chmod o-rw` on it"
        );
    }
}
