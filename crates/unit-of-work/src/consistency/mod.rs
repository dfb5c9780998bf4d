//! Consistency tokens: what a client shows to read on a replica what it has written, or seen, before.
//!
//! [`token`] is the token as text. [`judgement`] says whether a server's data includes what a token stands for. Neither asks a server:
//! what can be asked, and how, belongs to `database/engine`.
//!
//! A read must never be older than its token. So whatever is not known counts against the server, and a token of an earlier timeline
//! is lost unless it is known where that timeline ended.

#![cfg_attr(
    not(test),
    expect(dead_code, reason = "reads on replicas will be the first to use it")
)]

mod judgement;
mod token;
