//! Fields, their arguments, and directives; how deep introspection may go.

use super::{invalid, valid};

#[test]
fn fields() {
    valid(&[
        "{ __typename dog { __typename } pet { __typename id } catOrDog { __typename } thing { __typename ... on Stone { weight } } }",
        "{ __schema { queryType { name } } __type(name: \"Dog\") { fields(includeDeprecated: true) { name } } }",
        "{ being { id name } }",
    ]);
    invalid(&[
        (
            "{ dog { nmae } }",
            "Cannot query field \"nmae\" on type \"Dog\". Did you mean \"name\"?",
        ),
        (
            "{ pet { barks } }",
            "Did you mean to use an inline fragment on \"Dog\"?",
        ),
        (
            "{ catOrDog { id } }",
            "Cannot query field \"id\" on type \"CatOrDog\"",
        ),
        (
            "{ dog { __schema { queryType { name } } } }",
            "Cannot query field \"__schema\"",
        ),
        (
            "mutation { __schema { queryType { name } } }",
            "Cannot query field \"__schema\"",
        ),
        ("{ dog }", "must have a selection of subfields"),
        (
            "{ dog { id { x } } }",
            "must not have a selection since type \"ID!\" has no subfields",
        ),
        ("{ __typename { x } }", "must not have a selection"),
        ("{ __typename(x: 1) }", "Unknown argument \"x\""),
        ("{ __typename @foo }", "Unknown directive \"@foo\""),
        (
            "{ dog { ... on Cat { nmae } } }",
            "Cannot query field \"nmae\" on type \"Cat\"",
        ),
        (
            "{ __type { name } }",
            "argument \"name\" of type \"String!\" is required",
        ),
    ]);
}

#[test]
fn arguments() {
    valid(&["{ arguments { two(b: 1, a: 2) twoDefaults(b: 3) defaultInt } }"]);
    invalid(&[
        (
            "{ arguments { int(b: 1) } }",
            "Unknown argument \"b\" on field \"Arguments.int\"",
        ),
        (
            "{ arguments { int(a: 1, a: 2) } }",
            "only one argument named \"a\"",
        ),
        (
            "{ arguments { two(a: 1) } }",
            "argument \"b\" of type \"Int!\" is required",
        ),
        (
            "{ dog { id @skip } }",
            "Directive \"@skip\" argument \"if\" of type \"Boolean!\" is required",
        ),
        (
            "{ dog { id @skip(if: true, unless: 1) } }",
            "Unknown argument \"unless\" on directive \"@skip\"",
        ),
        (
            "{ dog { id @skip(if: true, if: true) } }",
            "only one argument named \"if\"",
        ),
    ]);
}

#[test]
fn directives() {
    valid(&[
        "query ($a: Int @variable) @operation @many @many { dog { id @field @many @many(a: $a) ...F @fragment ... @fragment { id } } } fragment F on Dog @fragment { id }",
        "{ dog { id @skip(if: true) @include(if: false) } }",
    ]);
    invalid(&[
        ("{ dog { id @unknown } }", "Unknown directive \"@unknown\""),
        ("{ dog { id @operation } }", "may not be used on FIELD"),
        (
            "mutation @many { remove(id: 1) }",
            "may not be used on MUTATION",
        ),
        (
            "query @skip(if: true) { dog { id } }",
            "may not be used on QUERY",
        ),
        (
            "{ dog { ...F } } fragment F on Dog @include(if: true) { id }",
            "may not be used on FRAGMENT_DEFINITION",
        ),
        (
            "query ($a: Int @field) { arguments { int(a: $a) } }",
            "may not be used on VARIABLE_DEFINITION",
        ),
        ("{ dog { id @field @field } }", "can only be used once"),
        (
            "{ dog { id @skip(if: true) @skip(if: false) } }",
            "can only be used once",
        ),
        ("{ dog { id @deprecated } }", "may not be used on FIELD"),
    ]);
}

#[test]
fn introspection() {
    valid(&[
        "{ __type(name: \"Dog\") { fields { type { fields { name } } } } __schema { types { fields { name } interfaces { name } } } }",
    ]);
    invalid(&[
        (
            "{ __type(name: \"Dog\") { fields { type { fields { type { fields { name } } } } } } }",
            "Maximum introspection depth",
        ),
        (
            "{ ...F } fragment F on Query { __schema { types { ...T } } } fragment T on __Type { interfaces { possibleTypes { ofType { inputFields { name } } } } }",
            "Maximum introspection depth",
        ),
    ]);
}
