//! What shows of a database file's contents without reading all of it.

use std::{fs, time::SystemTime};

use super::handle::Handle;

/// When a file was last written, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// `None` if the file system does not know.
    at: Option<SystemTime>,
    length: u64,
}

impl Written {
    pub(super) fn of(found: &fs::Metadata) -> Self {
        Self {
            at: found.modified().ok(),
            length: found.len(),
        }
    }
}

/// The part of a database's header that shows which database it is, and how new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    page_size: u16,
    /// Never counts backwards as long as SQLite writes.
    changes: u32,
}

impl Header {
    /// `None` if the file is not an SQLite database.
    pub(super) fn read(file: &Handle) -> Option<Self> {
        let header: [u8; 28] = file.start().ok()?;
        header.starts_with(b"SQLite format 3\0").then(|| Self {
            page_size: u16::from_be_bytes([header[16], header[17]]),
            changes: u32::from_be_bytes([header[24], header[25], header[26], header[27]]),
        })
    }

    /// Whether the same database can have this header after it had `earlier`.
    pub(super) fn follows(self, earlier: Self) -> bool {
        let ahead = self.changes.wrapping_sub(earlier.changes);
        self.page_size == earlier.page_size && ahead < u32::MAX / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_counts_forward() {
        let header = |page_size, changes| Header { page_size, changes };
        for (earlier, later, expected) in [
            (header(4096, 5), header(4096, 5), true),
            (header(4096, 5), header(4096, 6), true),
            (header(4096, u32::MAX), header(4096, 0), true),
            (header(4096, 5), header(4096, 4), false),
            (header(4096, 5), header(512, 6), false),
        ] {
            assert_eq!(later.follows(earlier), expected, "{earlier:?} {later:?}");
        }
    }
}
