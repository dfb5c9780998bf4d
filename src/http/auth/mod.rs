//! Authentication and authorisation.
//!
//! Without authentication, everyone may do everything; that is for loopback. With it, a caller shows a JWT: in `Authorization: Bearer` over
//! HTTP, there or in the payload of `connection_init` over a WebSocket. The token names the viewer (`sub`) and what the viewer may do
//! (`scope` or `scp`): [`READ`] allows queries and subscriptions, [`WRITE`] mutations.
//!
//! Each key verifies one algorithm only, whatever the token claims, so that a public key cannot be used as a secret.
//!
//! Read `access` first: where a request carries its token. `tokens` verifies it, with `claims` and the keys of a `key_ring`. `caller` says
//! what its bearer may do.

pub use self::{
    access::Access,
    caller::{Grant, READ, WRITE},
    key_ring::{KeyError, KeyFile, KeySource},
    keys::Keys,
    tokens::Tokens,
};

mod access;
mod caller;
mod claims;
mod key_ring;
mod keys;
mod tokens;
mod verifier;
