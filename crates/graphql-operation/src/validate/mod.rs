//! Validates a document against a schema, by every rule of the specification ("Validation").
//!
//! | file | rules |
//! |---|---|
//! | `definitions` | definitions of operations, fragments and variables: names, types, cycles, unused ones |
//! | `selections` | uses of fields, arguments, directives and fragments |
//! | `values` | literals |
//! | `variables` | uses of variables |
//! | `overlap` | fields with the same response key |
//! | `subscription` | the one root field of a subscription |
//! | `introspection` | nested lists in introspection, as graphql-js bounds them |
//!
//! The time of each grows linearly with the text. If the specification's own algorithm does not, the file says how the time is bounded.

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

/// The errors of a document; none if it is valid.
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
    // The following rules follow fragments, and rely on fragments not spreading themselves.
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
