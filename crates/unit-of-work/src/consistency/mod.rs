//! Consistency tokens: what a client shows to read on a replica what it has written, or seen, before.
//!
//! [`token`] is the token as text. [`judgement`] says whether a server's data includes what a token stands for. [`reading`] is what one
//! operation asks for, and what it has seen. [`writes`] remembers what viewers have written who show no token. None of them asks a server: what can be asked, and how, belongs to `database/engine`.
//!
//! A read must never be older than its token. So whatever is not known counts against the server, and a token of an earlier timeline
//! is lost, since no server tells an ordinary role where that timeline ended.

#[cfg(feature = "postgres")]
pub(crate) mod judgement;
pub(crate) mod reading;
mod token;
pub(crate) mod writes;

pub use token::{ConsistencyToken, InvalidConsistencyToken};
