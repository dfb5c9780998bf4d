//! The crate through its public face.

mod engine;
mod measures;
mod normalised;
mod properties;
mod rules;
mod schema;
mod variables;
