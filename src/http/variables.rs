//! Variables that do not fit their operation (GraphQL, "Coercing Variable Values").
//!
//! async-graphql looks at a variable only where an argument uses it: at its value in validation, among all that can be wrong
//! with a document, and for one that is absent not before execution.

use async_graphql::{
    Name, Pos, Positioned, ServerError, Value as ConstValue, Variables,
    parser::types::{Directive, ExecutableDocument, Selection, SelectionSet},
};
use async_graphql_value::Value;

use super::operation::select;

type Argument = (Positioned<Name>, Positioned<Value>);

/// A variable of a non-null type without a default has to have a value.
pub(super) fn missing(
    document: &ExecutableDocument,
    operation_name: Option<&str>,
    variables: &Variables,
) -> Option<ServerError> {
    let operation = select(document, operation_name)?;
    operation
        .variable_definitions
        .iter()
        .find_map(|definition| {
            let definition_node = &definition.node;
            let value = variables.get(&definition_node.name.node);
            let absent = match value {
                None => definition_node.default_value.is_none(),
                Some(value) => *value == ConstValue::Null,
            };
            (absent && !definition_node.var_type.node.nullable).then(|| {
                ServerError::new(
                    format!(
                        "Variable \"${}\" of required type \"{}\" was not provided.",
                        definition_node.name.node, definition_node.var_type.node
                    ),
                    Some(definition.pos),
                )
            })
        })
}

/// The arguments that have a variable in their value.
pub(super) fn used_at(document: &ExecutableDocument) -> Vec<Pos> {
    let mut used_at = Vec::new();
    for (_, operation) in document.operations.iter() {
        of_directives(&operation.node.directives, &mut used_at);
        of_selections(&operation.node.selection_set.node, &mut used_at);
    }
    for fragment in document.fragments.values() {
        of_directives(&fragment.node.directives, &mut used_at);
        of_selections(&fragment.node.selection_set.node, &mut used_at);
    }
    used_at
}

/// Whether validation found the value of such an argument to be wrong.
pub(super) fn is_wrong_value(error: &ServerError, used_at: &[Pos]) -> bool {
    error.message.starts_with("Invalid value for argument")
        && error.locations.iter().any(|at| used_at.contains(at))
}

fn of_selections(set: &SelectionSet, used_at: &mut Vec<Pos>) {
    for selection in &set.items {
        of_directives(selection.node.directives(), used_at);
        match &selection.node {
            Selection::Field(field) => {
                of_arguments(&field.node.arguments, used_at);
                of_selections(&field.node.selection_set.node, used_at);
            }
            Selection::InlineFragment(inline) => {
                of_selections(&inline.node.selection_set.node, used_at);
            }
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn of_directives(directives: &[Positioned<Directive>], used_at: &mut Vec<Pos>) {
    for directive in directives {
        of_arguments(&directive.node.arguments, used_at);
    }
}

fn of_arguments(arguments: &[Argument], used_at: &mut Vec<Pos>) {
    let with_variable = arguments
        .iter()
        .filter(|(_, value)| has_variable(&value.node));
    used_at.extend(with_variable.map(|(name, _)| name.pos));
}

fn has_variable(value: &Value) -> bool {
    match value {
        Value::Variable(_) => true,
        Value::List(values) => values.iter().any(has_variable),
        Value::Object(fields) => fields.values().any(has_variable),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;

    #[test]
    fn a_variable_is_used_however_deep_it_stands() {
        let used = |document: &str| used_at(&parse_query(document).unwrap()).len();
        assert_eq!(used("{ a(x: $v) }"), 1);
        assert_eq!(used("{ a(x: [1, [$v]], y: 2) }"), 1);
        assert_eq!(used("{ a(x: { y: { z: $v } }) b(x: $v) }"), 2);
        assert_eq!(used("{ a @skip(if: $v) { b @include(if: true) } }"), 1);
        assert_eq!(
            used("{ a(x: [1], y: { z: 2 }) ... @skip(if: $v) { b } }"),
            1
        );
    }
}
