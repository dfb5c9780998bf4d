//! What the rules share: the document, the schema, and the errors so far.

use std::collections::HashMap;

use async_graphql::ServerError;

use crate::{
    ast::{Document, Fragment},
    error::{Pos, Stage, server_error},
    scalars::Scalars,
    schema::{Schema, Ty, TypeId},
};

/// How deep selections may be nested, through fragments: much of what reads documents is recursive. A normalised document is at most twice
/// as deep, with a fragment around each field.
pub const MOST_LEVELS: usize = 100;

/// The most errors that are reported.
const MOST_ERRORS: usize = 20;

/// A variable in a value.
#[derive(Clone, Copy)]
pub(super) struct Use<'d> {
    pub(super) name: &'d str,
    pub(super) pos: Pos,
    /// The expected type; `None` if it is unknown, or accepts anything.
    pub(super) ty: Option<&'d Ty>,
    /// Whether the place has a default of its own.
    pub(super) has_default: bool,
    /// If the variable is the only field of a OneOf input object, that input object.
    pub(super) one_of: Option<TypeId>,
}

pub(super) struct Validator<'d> {
    pub(super) schema: &'d Schema,
    pub(super) scalars: &'d Scalars,
    pub(super) document: &'d Document<'d>,
    /// The index of each fragment, by its name.
    pub(super) fragments: HashMap<&'d str, usize>,
    pub(super) errors: Vec<ServerError>,
    /// The variables that each definition uses: first those of operations, then those of fragments.
    pub(super) uses: Vec<Vec<Use<'d>>>,
    /// The fragments that each definition spreads.
    pub(super) spreads: Vec<Vec<Spreads>>,
    /// The depth of the current selection.
    pub(super) level: usize,
    /// The greatest depth of each definition.
    pub(super) levels: Vec<usize>,
}

/// A spread in a definition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spreads {
    /// The index of the fragment.
    pub(super) fragment: usize,
    /// The depth of the spread in its definition.
    pub(super) level: usize,
}

impl<'d> Validator<'d> {
    pub(super) fn error(&mut self, message: impl Into<String>, at: &[Pos]) {
        self.push(Stage::Validation, message, at);
    }

    pub(super) fn push(
        &mut self,
        stage: Stage,
        message: impl Into<String>,
        at: &[Pos],
    ) -> Option<&mut ServerError> {
        if self.errors.len() >= MOST_ERRORS {
            return None;
        }
        let mut error = server_error(stage, message, None);
        error.locations = at.iter().map(|&pos| pos.into()).collect();
        self.errors.push(error);
        self.errors.last_mut()
    }

    pub(super) fn name_of(&self, ty: TypeId) -> &'d str {
        &self.schema.ty(ty).name
    }

    pub(super) fn fragment_named(&self, name: &str) -> Option<&'d Fragment<'d>> {
        let number = *self.fragments.get(name)?;
        self.document.fragments.get(number)
    }

    /// The index of a fragment in `uses`, where fragments come after operations.
    pub(super) fn place_of(&self, fragment: usize) -> usize {
        self.document.operations.len() + fragment
    }
}
