//! The schema that documents are validated against.
//!
//! `sdl` reads its definition language, as async-graphql's `Schema::sdl()` prints it. `build` makes the definitions of it, and `defaults`
//! the default values. Types are numbered, so that comparing two of them, or asking which objects an interface stands for, costs nothing.

mod build;
mod defaults;
mod definition;
mod sdl;

pub use self::definition::{Schema, SchemaError};
pub(crate) use self::{
    defaults::with_defaults,
    definition::{DirectiveDefinition, FieldDefinition, InputDefinition, Kind, Named, Ty, TypeId},
};
