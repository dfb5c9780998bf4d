//! Fields with the same response key: whether they can be merged into one.

use super::{invalid, valid};

#[test]
fn overlapping_fields() {
    valid(&[
        "{ dog { id id name: nickname name: nickname } }",
        "{ dog { knows(command: SIT) knows(command: SIT) } }",
        "{ arguments { point(a: { x: 1, y: 2 }) point(a: { y: 2, x: 1 }) } }",
        "{ pet { ... on Dog { name: nickname } ... on Cat { name } } }",
        "{ pet { ... on Dog { name(surname: true) } ... on Cat { name(surname: false) } } }",
        "{ dog { owner { id } } dog { owner { name } } }",
        "{ pet { ... on Dog { friend { id } } ... on Cat { friend { id } } } }",
        "{ pet { ... on Dog { friend { x: id } } ... on Cat { friend { x: id } } } }",
        "{ thing { ... on Dog { name } ... on Human { name } } }",
    ]);
    invalid(&[
        (
            "{ dog { name: nickname name } }",
            "Fields \"name\" conflict because \"nickname\" and \"name\" are different fields",
        ),
        (
            "{ dog { knows(command: SIT) knows(command: HEEL) } }",
            "differing arguments",
        ),
        (
            "{ dog { knows(command: SIT) knows } }",
            "differing arguments",
        ),
        (
            "query ($a: Command, $b: Command) { dog { knows(command: $a) knows(command: $b) } }",
            "differing arguments",
        ),
        (
            "{ arguments { point(a: { x: 1, y: 2 }) point(a: { y: 2, x: 2 }) } }",
            "differing arguments",
        ),
        (
            "{ arguments { ints(a: [1, 2]) ints(a: [2, 1]) } }",
            "differing arguments",
        ),
        (
            "{ arguments { ints(a: [1]) ints(a: 1) } }",
            "differing arguments",
        ),
        (
            "{ dog { ...F name } } fragment F on Dog { name: nickname }",
            "are different fields",
        ),
        (
            "{ dog { ...F ...G } } fragment F on Dog { name: nickname } fragment G on Dog { name }",
            "are different fields",
        ),
        (
            "mutation { post(point: { x: 1 }) { id } ... on Mutation { post(point: { x: 2 }) { id } } }",
            "differing arguments",
        ),
        (
            "mutation { x: post(point: { x: 1 }) { id } ...F } fragment F on Mutation { x: remove(id: 1) }",
            "conflict",
        ),
        (
            "{ dog { owner { name(surname: true) } } dog { owner { name(surname: false) } } }",
            "differing arguments",
        ),
        (
            "{ pet { name(surname: true) ... on Dog { name(surname: false) } } }",
            "differing arguments",
        ),
        (
            "{ pet { ... on Dog { volume } ... on Cat { volume } } }",
            "they return conflicting types \"Int!\" and \"Int\"",
        ),
        (
            "{ pet { ... on Dog { x: barks } ... on Cat { x: furColor } } }",
            "conflicting types",
        ),
        (
            "{ pet { ... on Dog { friend { x: barks } } ... on Cat { friend { x: furColor } } } }",
            "conflicting types",
        ),
        (
            "{ pet { ... on Dog { x: friend { id } } ... on Cat { x: nickname } } }",
            "conflicting types",
        ),
        (
            "{ human { x: relatives { id } } human { x: pets { id } } }",
            "conflicting types",
        ),
        (
            "{ a: dog { b: owner { c: name } } a: dog { b: owner { c: id } } }",
            "conflicting types",
        ),
    ]);
}
