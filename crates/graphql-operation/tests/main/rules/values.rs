//! Literals in the place of arguments and input fields.

use super::{invalid, valid};

#[test]
fn values() {
    valid(&[
        "{ arguments { int(a: null) float(a: 1) float2: float(a: 1.5) string(a: \"\") boolean(a: true) id(a: 5) id2: id(a: \"x\") command(a: SIT) } }",
        "{ arguments { ints(a: 1) i2: ints(a: [1, null]) nonNullInts(a: [1]) grid(a: 1) g2: grid(a: [[1], null]) g3: grid(a: [1, 2]) } }",
        "{ arguments { point(a: { x: 1 }) deep(a: { point: { x: 1, y: 2 }, points: { x: 3 }, any: { a: [1, \"x\", B] }, command: HEEL }) } }",
        "{ arguments { choice(a: { id: 1 }) c2: choice(a: { point: { x: 1 } }) choices(a: { number: 1 }) } }",
        "{ arguments { even(a: 4) any(a: 5) a2: any(a: [{ b: 1 }]) } }",
        "{ arguments { int(a: 2147483647) i2: int(a: -2147483648) } }",
    ]);
    invalid(&[
        (
            "{ arguments { int(a: \"1\") } }",
            "Int cannot represent non-integer value: \"1\"",
        ),
        (
            "{ arguments { int(a: 1.0) } }",
            "Int cannot represent non-integer value: 1.0",
        ),
        ("{ arguments { int(a: 2147483648) } }", "non 32-bit"),
        ("{ arguments { int(a: true) } }", "Int cannot represent"),
        ("{ arguments { int(a: [1]) } }", "Int cannot represent"),
        (
            "{ arguments { float(a: \"1\") } }",
            "Float cannot represent",
        ),
        (
            "{ arguments { float(a: 1e999) } }",
            "Float cannot represent",
        ),
        ("{ arguments { string(a: 1) } }", "String cannot represent"),
        ("{ arguments { string(a: X) } }", "String cannot represent"),
        (
            "{ arguments { boolean(a: \"true\") } }",
            "Boolean cannot represent",
        ),
        (
            "{ arguments { boolean(a: 1) } }",
            "Boolean cannot represent",
        ),
        ("{ arguments { id(a: 1.5) } }", "ID cannot represent"),
        ("{ arguments { id(a: true) } }", "ID cannot represent"),
        (
            "{ arguments { command(a: \"SIT\") } }",
            "Enum \"Command\" cannot represent non-enum value: \"SIT\"",
        ),
        (
            "{ arguments { command(a: SITT) } }",
            "Did you mean the enum value \"SIT\"?",
        ),
        (
            "{ arguments { nonNullInt(a: null) } }",
            "Expected value of type \"Int!\", found null",
        ),
        (
            "{ arguments { nonNullInts(a: [1, null]) } }",
            "Expected value of type \"Int!\", found null",
        ),
        ("{ arguments { nonNullInts(a: null) } }", "found null"),
        (
            "{ arguments { point(a: 1) } }",
            "Expected value of type \"Point\", found 1",
        ),
        (
            "{ arguments { point(a: [1]) } }",
            "Expected value of type \"Point\", found [1]",
        ),
        (
            "{ arguments { point(a: { y: 1 }) } }",
            "Field \"Point.x\" of required type \"Int!\" was not provided",
        ),
        (
            "{ arguments { point(a: { x: 1, nothing: 2 }) } }",
            "Its fields are \"x\", \"y\", \"z\", \"label\"",
        ),
        (
            "{ arguments { point(a: { x: 1, lable: \"\" }) } }",
            "Did you mean \"label\"?",
        ),
        (
            "{ arguments { point(a: { x: 1, x: 2 }) } }",
            "only one input field named \"x\"",
        ),
        (
            "{ arguments { any(a: { b: { x: 1, x: 2 } }) } }",
            "only one input field named \"x\"",
        ),
        (
            "query ($a: Point = { x: 1, x: 1 }) { arguments { point(a: $a) } }",
            "only one input field named \"x\"",
        ),
        (
            "query ($a: Any = { x: 1, x: 1 }) { arguments { any(a: $a) } }",
            "only one input field named \"x\"",
        ),
        (
            "{ arguments { point(a: { x: 1, y: null }) } }",
            "found null",
        ),
        ("{ arguments { choice(a: {}) } }", "exactly one key"),
        (
            "{ arguments { choice(a: { id: 1, number: 2 }) } }",
            "exactly one key",
        ),
        (
            "{ arguments { choice(a: { id: null }) } }",
            "must be non-null",
        ),
        (
            "{ arguments { choices(a: [{ id: 1 }, { id: 1, number: 2 }]) } }",
            "exactly one key",
        ),
        (
            "{ arguments { even(a: 3) } }",
            "Invalid value at `a`: 3 is not even",
        ),
        (
            "{ arguments { deep(a: { point: { x: 1 }, even: 3 }) } }",
            "Invalid value at `a.even`",
        ),
        (
            "query ($a: Int) { arguments { even(a: [$a]) } }",
            "is not even",
        ),
        (
            "query ($a: Even = 3) { arguments { even(a: $a) } }",
            "3 is not even",
        ),
        (
            "{ dog { id @skip(if: \"true\") } }",
            "Boolean cannot represent",
        ),
        (
            "{ arguments { unknown(a: { x: 1, x: 2 }) } }",
            "only one input field named \"x\"",
        ),
    ]);
}
