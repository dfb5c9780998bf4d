//! Variables: their types, where they are used, and their defaults.

use super::{invalid, valid};

#[test]
fn variables() {
    valid(&[
        "query ($a: Int, $b: Int!, $c: [Int!]!, $d: Point) { arguments { int(a: $a) i2: int(a: $b) ints(a: $c) point(a: $d) } }",
        "query ($a: Int = 1) { arguments { nonNullInt(a: $a) } }",
        "query ($a: Int) { arguments { defaultInt(a: $a) nullableDefault(a: $a) } }",
        "query ($a: Int) { arguments { point(a: { x: 1, y: $a }) any(a: { z: [$a] }) } }",
        "query ($a: Int!) { arguments { point(a: { x: $a }) nonNullInts(a: [$a]) } }",
        "query ($a: ID!) { arguments { choice(a: { id: $a }) } }",
        "query ($a: Boolean!) { __typename @include(if: $a) }",
        "query ($a: Boolean = true) { __typename @include(if: $a) }",
        "query A($a: Int) { ...F } query B($a: Int!) { ...F } fragment F on Query { arguments { int(a: $a) } }",
        "query ($a: [Int]) { arguments { ints(a: $a) } }",
        "query ($a: Int = 1) { arguments { nonNullInts(a: [$a]) } }",
    ]);
    invalid(&[
        (
            "query ($a: Int, $a: Int) { arguments { int(a: $a) } }",
            "only one variable named \"$a\"",
        ),
        (
            "query ($a: Dog) { arguments { int(a: $a) } }",
            "cannot be non-input type \"Dog\"",
        ),
        (
            "query ($a: [Pet!]) { arguments { ints(a: $a) } }",
            "cannot be non-input type \"[Pet!]\"",
        ),
        (
            "query ($a: Nothing) { arguments { int(a: $a) } }",
            "Unknown type \"Nothing\"",
        ),
        (
            "query Q($a: Int) { dog { id } }",
            "Variable \"$a\" is never used in operation \"Q\"",
        ),
        (
            "{ arguments { int(a: $a) } }",
            "Variable \"$a\" is not defined",
        ),
        (
            "query A { ...F } query B($a: Int) { ...F } fragment F on Query { arguments { int(a: $a) } }",
            "Variable \"$a\" is not defined by operation \"A\"",
        ),
        (
            "{ arguments { any(a: { b: [$a] }) } }",
            "Variable \"$a\" is not defined",
        ),
        (
            "query ($a: Int) { arguments { nonNullInt(a: $a) } }",
            "Variable \"$a\" of type \"Int\" used in position expecting type \"Int!\"",
        ),
        (
            "query ($a: Int = null) { arguments { nonNullInt(a: $a) } }",
            "expecting type \"Int!\"",
        ),
        (
            "query ($a: String) { arguments { int(a: $a) } }",
            "expecting type \"Int\"",
        ),
        (
            "query ($a: [ID]!) { arguments { ids(a: $a) } }",
            "of type \"[ID]!\" used in position expecting type \"[ID!]!\"",
        ),
        (
            "query ($a: ID) { arguments { ids(a: [$a]) } }",
            "expecting type \"ID!\"",
        ),
        (
            "query ($a: Int) { arguments { ints(a: $a) } }",
            "expecting type \"[Int]\"",
        ),
        (
            "query ($a: Int) { arguments { point(a: { x: $a }) } }",
            "expecting type \"Int!\"",
        ),
        (
            "query ($a: ID) { arguments { choice(a: { id: $a }) } }",
            "must be non-nullable to be used for OneOf Input Object \"Choice\"",
        ),
        (
            "query ($a: Boolean) { __typename @include(if: $a) }",
            "expecting type \"Boolean!\"",
        ),
        (
            "query ($a: Int = \"x\") { arguments { int(a: $a) } }",
            "Int cannot represent",
        ),
        (
            "query ($a: Int! = null) { arguments { int(a: $a) } }",
            "found null",
        ),
        (
            "query ($a: Choice! = {}) { arguments { choice(a: $a) } }",
            "exactly one key",
        ),
        (
            "query ($a: Int) { dog { id @field(a: $c) } arguments { int(a: $a) } }",
            "Variable \"$c\" is not defined",
        ),
    ]);
}
