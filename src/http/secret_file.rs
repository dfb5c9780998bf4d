//! Files that only the server should read.

use std::{os::unix::fs::PermissionsExt, path::Path};

/// The permissions of everybody to read and to write.
const EVERYBODY: u32 = 0o006;

/// Says in the log that everybody on the machine can read or change a file with a secret in it. It is used all the same: who
/// may log in to the machine is not ours to know.
pub(super) fn warn_if_exposed(path: &Path) {
    let Ok(file) = std::fs::metadata(path) else {
        // Whoever reads the file says why it cannot be read.
        return;
    };
    if file.permissions().mode() & EVERYBODY != 0 {
        tracing::warn!(
            file = %path.display(),
            "every user of this machine can read or change this file, which holds a secret: run `chmod o-rw` on it"
        );
    }
}
