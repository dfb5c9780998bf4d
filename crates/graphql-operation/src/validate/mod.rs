//! Holds a document against a schema (specification, "Validation"), by every rule.
//!
//! | file | rules |
//! |---|---|
//! | `definitions` | operations, fragments and variables as they are defined: names, types, cycles, what is never used |
//! | `selections` | fields, arguments, directives and fragments where they are used |
//! | `values` | literals |
//! | `variables` | variables where they are used |
//! | `overlap` | fields with one response key |
//! | `subscription` | the one root field of a subscription |
//! | `introspection` | lists of the schema in each other, as graphql-js bounds them |
//!
//! Each takes a time that grows with the text; where a rule of the specification is written so that it would not, its file says
//! how it is bounded.

mod definitions;
mod introspection;
mod overlap;
mod selections;
mod subscription;
mod values;
mod variables;

use std::collections::HashMap;

use async_graphql::ServerError;

use crate::{
    ast::{Document, Fragment},
    error::{Pos, Stage, server_error},
    scalars::Scalars,
    schema::{Schema, TypeId},
};

use self::variables::Use;

/// How deep selections may stand in each other, with fragments where they are spread: what reads documents is recursive. A normalised
/// document is at most twice as deep, with a fragment around each field.
pub const MOST_LEVELS: usize = 100;

/// After so many errors nobody reads on.
const MOST_ERRORS: usize = 20;

/// All that is wrong with a document; nothing where it is valid.
pub(crate) fn validate<'d>(
    schema: &'d Schema,
    scalars: &'d Scalars,
    document: &'d Document<'d>,
) -> Vec<ServerError> {
    let mut validator = Validator {
        schema,
        scalars,
        document,
        fragments: HashMap::new(),
        errors: Vec::new(),
        uses: Vec::new(),
        spreads: Vec::new(),
        level: 0,
        levels: Vec::new(),
    };
    validator.definitions();
    for (place, operation) in document.operations.iter().enumerate() {
        validator.operation(operation, place);
    }
    for (number, fragment) in document.fragments.iter().enumerate() {
        validator.fragment(fragment, validator.place_of(number));
    }
    // These follow fragments, and so take for granted that a fragment does not spread itself.
    if validator.errors.is_empty() {
        validator.cycles();
    }
    if validator.errors.is_empty() {
        validator.levels();
    }
    if validator.errors.is_empty() {
        validator.unused_fragments();
        validator.variables();
        validator.subscriptions();
        validator.introspection();
        validator.overlap();
    }
    validator.errors
}

struct Validator<'d> {
    schema: &'d Schema,
    scalars: &'d Scalars,
    document: &'d Document<'d>,
    /// The number of each fragment by its name.
    fragments: HashMap<&'d str, usize>,
    errors: Vec<ServerError>,
    /// What each definition uses: first the operations, then the fragments.
    uses: Vec<Vec<Use<'d>>>,
    /// The fragments that each definition spreads.
    spreads: Vec<Vec<Spreads>>,
    /// How deep selections stand in each other where the walk is.
    level: usize,
    /// How deep they stand in each definition, at most.
    levels: Vec<usize>,
}

/// A spread in a definition.
#[derive(Clone, Copy, Debug)]
struct Spreads {
    /// The number of the fragment.
    fragment: usize,
    /// How deep the spread stands in its definition.
    level: usize,
}

impl<'d> Validator<'d> {
    fn error(&mut self, message: impl Into<String>, at: &[Pos]) {
        self.push(Stage::Validation, message, at);
    }

    fn push(
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

    fn name_of(&self, ty: TypeId) -> &'d str {
        &self.schema.ty(ty).name
    }

    fn fragment_named(&self, name: &str) -> Option<&'d Fragment<'d>> {
        let number = *self.fragments.get(name)?;
        self.document.fragments.get(number)
    }

    /// Where the uses of a fragment stand, behind those of the operations.
    fn place_of(&self, fragment: usize) -> usize {
        self.document.operations.len() + fragment
    }
}
