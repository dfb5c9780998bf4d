//! The formats of exported and imported files.

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A journal of hledger.
    Hledger,
    /// A journal of ledger.
    Ledger,
    /// Comma-separated lines under a header.
    Csv,
    /// One JSON object.
    Json,
}
