//! Guides: how to do with units of work what a server has to do. Each is a page, and its code runs.
//!
//! | to | read |
//! |---|---|
//! | tell the outside world what was committed | [`effects`] |
//! | let each caller see its own rows only | [`row_level_security`] |
//! | do work outside of a GraphQL operation: jobs, commands | [`jobs`] |
//! | test a server | [`testing`] |
//! | bring existing code here: SeaORM's `begin` and `commit`, FastAPI's `yield session` | [`moving`] |
//!
//! The crate's first page is the reference. The repository's `docs/contract.md` has what is promised, event by event, with the tests of each
//! promise.

#[doc = include_str!("effects.md")]
pub mod effects {}

#[doc = include_str!("row_level_security.md")]
pub mod row_level_security {}

#[doc = include_str!("jobs.md")]
pub mod jobs {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("moving.md")]
pub mod moving {}
