//! The root fields of an operation, and a rule about those of subscriptions that async-graphql does not check.

use std::collections::HashSet;

use async_graphql::{
    Positioned, ServerError,
    parser::types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet},
};

/// A subscription has exactly one root field, and it is not an introspection field
/// (<https://spec.graphql.org/October2021/#sec-Single-root-field>). Two would share a list of errors, and each event
/// would not be one unit.
pub(crate) fn single_root_field(
    document: &ExecutableDocument,
    operation: &Positioned<OperationDefinition>,
) -> Result<(), ServerError> {
    let keys = root_fields(document, operation);
    let introspects = keys.iter().any(|(_, name)| name.starts_with("__"));
    let mut distinct: Vec<_> = keys.iter().map(|(key, _)| key).collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() == 1 && !introspects {
        return Ok(());
    }
    Err(ServerError::new(
        "A subscription must select exactly one root field, and not one that starts with `__`.",
        Some(operation.pos),
    ))
}

/// The response keys and names of an operation's root fields, through fragments.
pub(crate) fn root_fields<'a>(
    document: &'a ExecutableDocument,
    operation: &'a Positioned<OperationDefinition>,
) -> Vec<(&'a str, &'a str)> {
    let mut keys = Vec::new();
    collect(
        document,
        &operation.node.selection_set.node,
        &mut keys,
        &mut HashSet::new(),
    );
    keys
}

fn collect<'a>(
    document: &'a ExecutableDocument,
    selections: &'a SelectionSet,
    keys: &mut Vec<(&'a str, &'a str)>,
    fragments: &mut HashSet<&'a str>,
) {
    for selection in &selections.items {
        match &selection.node {
            Selection::Field(field) => keys.push((
                field.node.response_key().node.as_str(),
                field.node.name.node.as_str(),
            )),
            Selection::InlineFragment(fragment) => {
                collect(document, &fragment.node.selection_set.node, keys, fragments);
            }
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                if fragments.insert(name.as_str())
                    && let Some(fragment) = document.fragments.get(name)
                {
                    collect(document, &fragment.node.selection_set.node, keys, fragments);
                }
            }
        }
    }
}
