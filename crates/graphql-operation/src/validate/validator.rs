//! What the rules share: the document, the schema, and the errors so far.

use std::collections::HashMap;

use async_graphql::ServerError;

use crate::{
    ast::{Document, Fragment},
    error::{Pos, Stage, server_error},
    scalars::Scalars,
    schema::{Schema, Ty, TypeId},
};

/// How deep selections may stand in each other, with fragments where they are spread: what reads documents is recursive. A normalised
/// document is at most twice as deep, with a fragment around each field.
pub const MOST_LEVELS: usize = 100;

/// After so many errors nobody reads on.
const MOST_ERRORS: usize = 20;

/// A variable in a value.
#[derive(Clone, Copy)]
pub(super) struct Use<'d> {
    pub(super) name: &'d str,
    pub(super) pos: Pos,
    /// The type that is expected there; `None` where that is unknown, or takes anything.
    pub(super) ty: Option<&'d Ty>,
    /// Whether that place has a default of its own.
    pub(super) has_default: bool,
    /// The input object of which exactly one field is given, where the variable is that field.
    pub(super) one_of: Option<TypeId>,
}

pub(super) struct Validator<'d> {
    pub(super) schema: &'d Schema,
    pub(super) scalars: &'d Scalars,
    pub(super) document: &'d Document<'d>,
    /// The number of each fragment by its name.
    pub(super) fragments: HashMap<&'d str, usize>,
    pub(super) errors: Vec<ServerError>,
    /// What each definition uses: first the operations, then the fragments.
    pub(super) uses: Vec<Vec<Use<'d>>>,
    /// The fragments that each definition spreads.
    pub(super) spreads: Vec<Vec<Spreads>>,
    /// How deep selections stand in each other where the walk is.
    pub(super) level: usize,
    /// How deep they stand in each definition, at most.
    pub(super) levels: Vec<usize>,
}

/// A spread in a definition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spreads {
    /// The number of the fragment.
    pub(super) fragment: usize,
    /// How deep the spread stands in its definition.
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

    /// Where the uses of a fragment stand, behind those of the operations.
    pub(super) fn place_of(&self, fragment: usize) -> usize {
        self.document.operations.len() + fragment
    }
}
