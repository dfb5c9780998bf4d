//! Operations and fragments by their names and kinds, and the one field of a subscription.

use super::{invalid, valid};

#[test]
fn definitions() {
    valid(&[
        "query A { dog { id } } query B { dog { id } }",
        "query A { dog { ...A } } fragment A on Dog { id }",
    ]);
    invalid(&[
        ("{ dog { id } } type X { a: Int }", "not executable"),
        ("{ dog { id } } extend schema @x", "not executable"),
        (
            "query A { dog { id } } query A { cat { id } }",
            "only one operation named \"A\"",
        ),
        (
            "query A { dog { id } } mutation A { remove(id: 1) }",
            "only one operation named \"A\"",
        ),
        (
            "{ dog { id } } query A { dog { id } }",
            "anonymous operation",
        ),
        ("{ dog { id } } { dog { id } }", "anonymous operation"),
        (
            "{ dog { ...F } } fragment F on Dog { id } fragment F on Dog { name }",
            "only one fragment named \"F\"",
        ),
    ]);
}

#[test]
fn subscriptions() {
    valid(&[
        "subscription { posted { id } }",
        "subscription { ...F posted { name } } fragment F on Subscription { posted { id } }",
        "subscription { ... { removed } ... on Subscription { removed } }",
        "subscription { posted { id @skip(if: true) } }",
    ]);
    invalid(&[
        (
            "subscription S { posted { id } removed }",
            "Subscription \"S\" must select only one top level field",
        ),
        (
            "subscription { ...F ...G } fragment F on Subscription { removed } fragment G on Subscription { posted { id } }",
            "only one top level field",
        ),
        (
            "subscription { a: removed b: removed }",
            "only one top level field",
        ),
        (
            "subscription { __typename }",
            "must not select an introspection",
        ),
        (
            "subscription { removed __typename }",
            "only one top level field",
        ),
        (
            "subscription { removed @skip(if: false) }",
            "must not use `@skip` or `@include`",
        ),
        (
            "subscription ($a: Boolean!) { ... @include(if: $a) { removed } }",
            "must not use `@skip` or `@include`",
        ),
    ]);
}

#[test]
fn operations() {
    valid(&["mutation { remove(id: 1) }", "query Q { dog { id } }"]);
    let schema = graphql_operation::Schema::parse("type Query { a: Int }").unwrap();
    let preparer = graphql_operation::Preparer::new(schema, graphql_operation::Options::default());
    for (document, message) in [
        ("mutation { a }", "The mutation operation is not supported"),
        (
            "subscription { a }",
            "The subscription operation is not supported",
        ),
    ] {
        let refused = preparer.prepare(&mut async_graphql::Request::new(document));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(message), "{refused}");
    }
}
