//! Which file a path leads to, or a handle has open.

use std::fs;

/// What tells two files apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    #[cfg(unix)]
    pub(super) fn of(found: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            device: found.dev(),
            inode: found.ino(),
        }
    }

    /// Elsewhere a file that is open can be neither deleted nor moved.
    #[cfg(not(unix))]
    pub(super) fn of(_found: &fs::Metadata) -> Self {
        Self {
            device: 0,
            inode: 0,
        }
    }
}
