//! A receipt.

use async_graphql::SimpleObject;

use crate::{graphql::scalars::Int64, ledger};

/// The proof that the ledger had an event, and all events before it, as they were: keep it, and compare it with what the ledger says later.
/// `hash` is the SHA-256 of `previous`, a line feed and `content`.
#[derive(SimpleObject)]
pub struct Receipt {
    /// The number of the event, which is its place in the feed.
    number: Int64,
    /// The hash of the event before it, in 64 hexadecimal digits; zeros for the first one.
    previous: String,
    /// What the event says: a JSON object with sorted keys and without spaces, made anew of what the ledger has now. Null if the ledger
    /// does not have the event any more.
    content: Option<String>,
    /// The hash of the event, as it was sealed, in 64 hexadecimal digits.
    hash: String,
}

impl From<ledger::Receipt> for Receipt {
    fn from(receipt: ledger::Receipt) -> Self {
        Self {
            number: Int64(receipt.number),
            previous: receipt.previous,
            content: receipt.content,
            hash: receipt.hash,
        }
    }
}
