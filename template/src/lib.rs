//! A GraphQL server in which every operation is one unit of work.

pub mod entity;
pub mod graphql;
pub mod migration;
pub mod note;
pub mod server;
pub mod webhook;
