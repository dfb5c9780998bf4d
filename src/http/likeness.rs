//! Which requests validation cannot tell apart.

use async_graphql::{
    Request, Value,
    parser::types::{BaseType, ExecutableDocument, Type},
};

/// All that validation looks at in a request beside the text of its document (GraphQL, "Validation", and async-graphql's rule
/// that looks for values which do not fit where they are used).
///
/// Of a variable of one of GraphQL's own scalars it is enough to know that its value fits: then it fits wherever the rules let
/// the variable stand. Whether a null does depends on the place, so nulls are told from values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Likeness {
    operation_name: Option<String>,
    /// For each variable that the document declares.
    given: Vec<Given>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Given {
    Nothing,
    Null,
    Fitting,
}

impl Likeness {
    /// To be compared with those of the same parsed document alone.
    ///
    /// `None` where validation looks at a value itself: one of a type of the schema's own, or one that does not fit.
    pub(super) fn of(document: &ExecutableDocument, request: &Request) -> Option<Self> {
        let operations = document.operations.iter();
        let definitions =
            operations.flat_map(|(_, operation)| &operation.node.variable_definitions);
        let given = definitions.map(|definition| {
            let definition = &definition.node;
            match request.variables.get(&definition.name.node) {
                None => Some(Given::Nothing),
                Some(Value::Null) => Some(Given::Null),
                Some(value) => fits(value, &definition.var_type.node).then_some(Given::Fitting),
            }
        });
        Some(Self {
            operation_name: request.operation_name.clone(),
            given: given.collect::<Option<_>>()?,
        })
    }
}

/// Whether a value that is not null surely is one of the type.
fn fits(value: &Value, of: &Type) -> bool {
    match (&of.base, value) {
        (BaseType::List(inner), Value::List(items)) => items.iter().all(|item| fits(item, inner)),
        (BaseType::Named(name), value) => match (name.as_str(), value) {
            ("Boolean", Value::Boolean(_)) | ("ID" | "String", Value::String(_)) => true,
            ("Int", Value::Number(number)) => number
                .as_i64()
                .is_some_and(|number| i32::try_from(number).is_ok()),
            ("Float", Value::Number(_)) => true,
            _ => false,
        },
        (BaseType::List(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use async_graphql::{Variables, parser::parse_query};
    use serde_json::{Value as Json, json};

    use super::*;

    const DOCUMENT: &str =
        "query A($id: ID!, $n: Int = 3, $names: [String!]) { a(id: $id, n: $n, names: $names) }
        query B($input: Input) { a(input: $input) }";

    fn of(operation_name: &str, variables: Json) -> Option<Likeness> {
        static PARSED: LazyLock<ExecutableDocument> =
            LazyLock::new(|| parse_query(DOCUMENT).unwrap());
        let request = Request::new(DOCUMENT)
            .operation_name(operation_name)
            .variables(Variables::from_json(variables));
        Likeness::of(&PARSED, &request)
    }

    #[test]
    fn values_that_fit_are_alike() {
        let one = of("A", json!({ "id": "x", "n": 1, "names": ["a"] }));
        assert!(one.is_some());
        assert_eq!(
            one,
            of("A", json!({ "id": "y", "n": -2, "names": [], "other": 5 }))
        );
    }

    #[test]
    fn what_is_not_given_is_told_from_null_and_from_a_value() {
        let all = [
            json!({ "id": "x" }),
            json!({ "id": "x", "n": null }),
            json!({ "id": "x", "n": 1 }),
            json!({ "id": null, "n": 1 }),
            json!({ "id": "x", "names": null }),
        ]
        .map(|variables| of("A", variables).unwrap());
        for (place, likeness) in all.iter().enumerate() {
            assert!(!all[..place].contains(likeness), "{likeness:?}");
        }
        assert_ne!(of("A", json!({})), of("B", json!({})));
    }

    #[test]
    fn what_may_not_fit_is_like_nothing() {
        for variables in [
            json!({ "id": 1 }),
            json!({ "id": ["x"] }),
            json!({ "n": "1" }),
            json!({ "n": 1.5 }),
            json!({ "n": 2_147_483_648_i64 }),
            json!({ "names": "a" }),
            json!({ "names": ["a", null] }),
            json!({ "input": {} }),
        ] {
            assert_eq!(of("A", variables.clone()), None, "{variables}");
        }
    }
}
