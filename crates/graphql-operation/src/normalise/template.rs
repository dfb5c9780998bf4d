//! The cached form of a normalised operation, from which the document of each request is made.

use async_graphql::{
    Name, Positioned, Variables,
    parser::types::{DocumentOperations, ExecutableDocument, Selection, SelectionSet},
};
use async_graphql_value::Value;

use super::interfaces::InterfacesField;
use crate::error::Pos;

/// A normalised operation, for certain values of its conditions.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) document: ExecutableDocument,
    /// The response key and the name of each root field, in order.
    pub(crate) root_fields: Vec<(Name, Name)>,
    /// Variables that may have no value and are the whole value of an argument. Without a value, that argument is left out.
    pub(super) optional: Vec<Name>,
    /// Variables that may be null but are used where null is not allowed, each with the first such place.
    pub(crate) not_null: Vec<(Name, Pos)>,
    /// The selections of `interfaces`, for [`complete`](super::complete).
    pub(crate) interfaces: Vec<InterfacesField>,
    pub(super) fields: usize,
    /// The bytes of texts inside it.
    pub(super) text: usize,
}

impl Template {
    /// The document for these variables, which must be coerced.
    pub(crate) fn document(&self, variables: &Variables) -> ExecutableDocument {
        let mut document = self.document.clone();
        let is_absent = |name: &Name| !variables.contains_key(name);
        if self.optional.iter().any(is_absent) {
            leave_out(&mut document, &is_absent);
        }
        document
    }

    /// The approximate size in the cache.
    pub(crate) fn bytes(&self) -> usize {
        500 + 500 * self.fields + self.text
    }
}

/// Leaves out arguments whose value is a variable without a value (specification, "Coercing Field Arguments").
fn leave_out(document: &mut ExecutableDocument, is_absent: &impl Fn(&Name) -> bool) {
    match &mut document.operations {
        DocumentOperations::Single(operation) => {
            of_set(&mut operation.node.selection_set.node, is_absent);
        }
        DocumentOperations::Multiple(operations) => {
            for operation in operations.values_mut() {
                of_set(&mut operation.node.selection_set.node, is_absent);
            }
        }
    }
}

fn of_set(set: &mut SelectionSet, is_absent: &impl Fn(&Name) -> bool) {
    let is_there = |(_, value): &(Positioned<Name>, Positioned<Value>)| !matches!(&value.node, Value::Variable(name) if is_absent(name));
    for selection in &mut set.items {
        for directive in selection.node.directives_mut() {
            directive.node.arguments.retain(is_there);
        }
        match &mut selection.node {
            Selection::Field(field) => {
                field.node.arguments.retain(is_there);
                of_set(&mut field.node.selection_set.node, is_absent);
            }
            Selection::InlineFragment(inline) => {
                of_set(&mut inline.node.selection_set.node, is_absent);
            }
            Selection::FragmentSpread(_) => {}
        }
    }
}
