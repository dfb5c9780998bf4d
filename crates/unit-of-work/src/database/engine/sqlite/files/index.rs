//! Reads the index of a write-ahead log: <https://sqlite.org/walformat.html>, section 2.
//!
//! SQLite maps the file into memory, shared by every process that has the database open. Reading it as a file gives the same contents.

use super::handle::Handle;

/// The length of two copies of the header and the state of checkpoints.
const LENGTH: usize = 136;
const HEADER: usize = 48;

/// The header of a frame in the log, and of the log itself.
const FRAME_HEADER: u64 = 24;
const LOG_HEADER: u64 = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Index {
    page_size: u64,
    /// How many frames of the log are valid.
    frames: u32,
    pub(super) progress: Progress,
}

/// The progress of checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// Changes whenever the log starts again from its beginning.
    salt: [u8; 8],
    /// How many frames a checkpoint has written to the database file.
    done: u32,
    /// How many frames a checkpoint has begun to write.
    begun: u32,
}

impl Progress {
    /// Whether no checkpoint is under way or was interrupted.
    pub(super) fn is_complete(&self) -> bool {
        self.done == self.begun
    }
}

impl Index {
    /// `None` if it cannot be read, or is being written.
    pub(super) fn read(file: &Handle) -> Option<Self> {
        let bytes: [u8; LENGTH] = file.start().ok()?;
        Self::of(&bytes)
    }

    fn of(bytes: &[u8; LENGTH]) -> Option<Self> {
        // In the byte order of the machine.
        let number = |at: usize| {
            let bytes: [u8; 4] = bytes[at..at + 4].try_into().ok()?;
            Some(u32::from_ne_bytes(bytes))
        };
        let is_initialised = bytes[12] == 1;
        if !is_initialised || bytes[..HEADER] != bytes[HEADER..2 * HEADER] {
            return None;
        }
        let page_size = match u16::from_ne_bytes([bytes[14], bytes[15]]) {
            // 65,536 does not fit into 16 bits, and is written as 1.
            1 => 65_536,
            size => u64::from(size),
        };
        Some(Self {
            page_size,
            frames: number(16)?,
            progress: Progress {
                salt: bytes[32..40].try_into().ok()?,
                done: number(96)?,
                begun: number(128)?,
            },
        })
    }

    /// The least length of a log with these frames, in bytes.
    pub(super) fn log_length(&self) -> u64 {
        match self.frames {
            0 => 0,
            frames => LOG_HEADER + u64::from(frames) * (FRAME_HEADER + self.page_size),
        }
    }
}
