//! What the parser reads, and where its errors point.

use super::{invalid, valid};
use crate::schema::prepare;

#[test]
fn syntax() {
    valid(&[
        "\u{feff}{ dog { id } }",
        "query Q { dog { id } }",
        "{ dog { id } } # a comment",
        "{ dog, { id, } }",
        "\"What it is for.\" query Q(\"How many.\" $n: Int) { arguments { int(a: $n) } }",
        "\"\"\"F\"\"\" fragment F on Dog { id } \"\"\"Q\"\"\" query { dog { ...F } }",
        "query query($on: Int) { arguments { int(a: $on) } }",
        "{ arguments { string(a: \"\\uD83D\\uDE00 \\u{1F600} \\\"\") } }",
        "{ arguments { string(a: \"\"\"a \\\"\"\" b\n  c\"\"\") } }",
        "{ arguments { int(a: -0) float(a: -1.5e+3) } }",
        "{ arguments { any(a: {}) ints(a: []) } }",
        "{ dog { id }\r}\r\n",
    ]);
    invalid(&[
        ("", "Unexpected <EOF>"),
        ("{", "Expected Name, found <EOF>"),
        ("{}", "Expected Name, found \"}\""),
        ("{ dog {} }", "Expected Name"),
        ("{ arguments { int() } }", "Expected Name"),
        ("query () { dog { id } }", "Expected \"$\""),
        (
            "\"x\" { dog { id } }",
            "descriptions are not supported on shorthand",
        ),
        ("fragment on on Dog { id }", "Unexpected Name \"on\""),
        ("{ ...on }", "Expected Name"),
        ("{ arguments { int(a: 01) } }", "Invalid number"),
        ("{ arguments { int(a: 1a) } }", "Invalid number"),
        ("{ arguments { int(a: 1.) } }", "Invalid number"),
        ("{ arguments { int(a: 1e) } }", "Invalid number"),
        ("{ arguments { int(a: 1.2.3) } }", "Invalid number"),
        ("{ arguments { int(a: -) } }", "Invalid number"),
        (
            "{ arguments { string(a: \"a\nb\") } }",
            "Unterminated string",
        ),
        (
            "{ arguments { string(a: \"\"\"a) } }",
            "Unterminated string",
        ),
        (
            "{ arguments { string(a: \"\\uD83D\") } }",
            "Invalid Unicode escape",
        ),
        (
            "{ arguments { string(a: \"\\x\") } }",
            "Invalid character escape",
        ),
        ("{ arguments { string(a: 'x') } }", "single quote"),
        ("{ a .. }", "Unexpected character: \".\""),
        ("{ a ? }", "Unexpected character: \"?\""),
        (
            "query ($a: Int = $b) { arguments { int(a: $a) } }",
            "Unexpected variable \"$b\"",
        ),
        ("nothing { a }", "Unexpected Name \"nothing\""),
        ("{ dog { id } } }", "Unexpected \"}\""),
        (
            "query ($a: Int = 1 @variable(a: $a)) { arguments { int(a: $a) } }",
            "Unexpected variable",
        ),
    ]);
}

#[test]
fn errors_say_where() {
    let document = "{\n  dog {\n    \"é\"";
    let refused = prepare(document, serde_json::json!({})).unwrap_err();
    assert_eq!(
        refused.errors()[0].locations[0],
        async_graphql::Pos { line: 3, column: 5 }
    );
    let document = "{ arguments { string(a: \"é😀\") int(a: \"x\") } }";
    let refused = prepare(document, serde_json::json!({})).unwrap_err();
    assert_eq!(
        refused.errors()[0].locations[0],
        async_graphql::Pos {
            line: 1,
            column: 38
        }
    );
    let document = "{ arguments { string(a: \"\"\"\n\n\"\"\") int(a: \"x\") } }";
    let refused = prepare(document, serde_json::json!({})).unwrap_err();
    assert_eq!(
        refused.errors()[0].locations[0],
        async_graphql::Pos {
            line: 3,
            column: 13
        }
    );
}
