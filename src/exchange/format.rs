//! The formats of files.

/// What a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A journal of hledger's.
    Hledger,
    /// A journal of ledger's.
    Ledger,
    /// Comma-separated lines under a header.
    Csv,
    /// One JSON object.
    Json,
}
