//! What is kept of a normalised operation, and made into a document for each request.

use async_graphql::{
    Name, Positioned, Variables,
    parser::types::{DocumentOperations, ExecutableDocument, Selection, SelectionSet},
};
use async_graphql_value::Value;

use super::interfaces::InterfacesField;
use crate::error::Pos;

/// A normalised operation, for one choice of what its conditions say.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) document: ExecutableDocument,
    /// The response key and the name of each root field, in order.
    pub(crate) root_fields: Vec<(Name, Name)>,
    /// Variables that may have no value, and are the whole of an argument's: that argument is then not there.
    pub(super) optional: Vec<Name>,
    /// Variables that may be null, where null cannot stand, and where the first of these places is.
    pub(crate) not_null: Vec<(Name, Pos)>,
    /// What the answer needs to be completed by [`complete`](super::complete).
    pub(crate) interfaces: Vec<InterfacesField>,
    pub(super) fields: usize,
    /// Of texts inside it.
    pub(super) text: usize,
}

impl Template {
    /// The document for these variables, which were coerced.
    pub(crate) fn document(&self, variables: &Variables) -> ExecutableDocument {
        let mut document = self.document.clone();
        let is_absent = |name: &Name| !variables.contains_key(name);
        if self.optional.iter().any(is_absent) {
            leave_out(&mut document, &is_absent);
        }
        document
    }

    /// Roughly what it takes to keep it.
    pub(crate) fn bytes(&self) -> usize {
        500 + 500 * self.fields + self.text
    }
}

/// Leaves out arguments whose value is a variable that has none (specification, "Coercing Field Arguments").
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
