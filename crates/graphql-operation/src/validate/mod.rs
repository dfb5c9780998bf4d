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
mod validator;
mod values;
mod variables;

use std::collections::HashMap;

use async_graphql::ServerError;

pub use self::validator::MOST_LEVELS;
use self::validator::Validator;
use crate::{ast::Document, scalars::Scalars, schema::Schema};

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
