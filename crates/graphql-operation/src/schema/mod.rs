//! The schema that documents are validated against.
//!
//! `sdl` parses the definition language, as async-graphql's `Schema::sdl()` prints it. `build` makes definitions of it, and `defaults`
//! their default values. Types are numbered, so that comparing two of them, or finding the possible types of an interface, is cheap.

mod build;
mod defaults;
mod definition;
mod sdl;

pub use self::definition::{Schema, SchemaError};
pub(crate) use self::{
    defaults::with_defaults,
    definition::{DirectiveDefinition, FieldDefinition, InputDefinition, Kind, Named, Ty, TypeId},
};
