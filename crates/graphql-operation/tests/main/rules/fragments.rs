//! Where a fragment may be spread.

use super::{invalid, valid};

#[test]
fn fragments() {
    valid(&[
        "{ dog { ...F } pet { ...F } } fragment F on Dog { id }",
        "{ pet { ... on Node { id } ... on Being { name } ...on Pet { owner { id } } ... { id } } }",
        "{ catOrDog { ... on Pet { id } } thing { ... on Being { id } ... on CatOrDog { __typename } } }",
        "{ dog { ...A } } fragment A on Dog { ...B } fragment B on Dog { id }",
    ]);
    invalid(&[
        ("{ dog { ...F } }", "Unknown fragment \"F\""),
        (
            "{ dog { id } } fragment F on Dog { id }",
            "Fragment \"F\" is never used",
        ),
        (
            "{ dog { id } } fragment F on Dog { ...G } fragment G on Dog { id }",
            "Fragment \"G\" is never used",
        ),
        (
            "{ dog { ...F } } fragment F on Nothing { id }",
            "Unknown type \"Nothing\"",
        ),
        (
            "{ dog { ... on Nothing { id } } }",
            "Unknown type \"Nothing\"",
        ),
        (
            "{ dog { ...F } } fragment F on Int { id }",
            "cannot condition on non composite type \"Int\"",
        ),
        (
            "{ dog { ... on Command { id } } }",
            "cannot condition on non composite type \"Command\"",
        ),
        (
            "{ dog { ... on Point { x } } }",
            "cannot condition on non composite type \"Point\"",
        ),
        (
            "{ dog { ... on Cat { id } } }",
            "objects of type \"Dog\" can never be of type \"Cat\"",
        ),
        (
            "{ human { ...F } } fragment F on Pet { id }",
            "can never be of type \"Pet\"",
        ),
        (
            "{ stone { ... on CatOrDog { __typename } } }",
            "can never be",
        ),
        ("{ catOrDog { ... on Human { id } } }", "can never be"),
        (
            "{ dog { ...F } } fragment F on Dog { ...F }",
            "Cannot spread fragment \"F\" within itself.",
        ),
        (
            "{ dog { ...A } } fragment A on Dog { ...B } fragment B on Dog { owner { pets { ...A } } }",
            "Cannot spread fragment \"A\" within itself via \"B\"",
        ),
    ]);
}
