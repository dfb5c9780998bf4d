//! Variables as values of their types.

use async_graphql::{Request, Variables};
use serde_json::{Value as Json, json};

use super::schema::{PREPARER, prepare};

#[track_caller]
#[expect(
    clippy::needless_pass_by_value,
    reason = "tests read better without a reference before every value"
)]
fn coerced(ty: &str, field: &str, value: Json, expected: Json) {
    let document = format!("query ($a: {ty}) {{ arguments {{ {field}(a: $a) }} }}");
    let (_, variables) = prepare(&document, json!({ "a": value })).unwrap();
    let coerced = serde_json::to_value(&variables).unwrap();
    assert_eq!(coerced, json!({ "a": expected }), "{document}");
    // What is run again is coerced again.
    let (_, again) = prepare(&document, coerced).unwrap();
    assert_eq!(
        serde_json::to_value(&again).unwrap(),
        json!({ "a": expected })
    );
}

#[test]
fn values_become_those_of_their_types() {
    coerced("Int", "int", json!(1.0), json!(1));
    coerced("Int", "int", json!(-5), json!(-5));
    coerced("Int", "int", Json::Null, Json::Null);
    coerced("Float", "float", json!(1), json!(1));
    coerced("ID", "id", json!(5), json!("5"));
    coerced("ID", "id", json!(5.0), json!("5"));
    coerced("[Int]", "ints", json!(1), json!([1]));
    coerced("[[Int!]]", "grid", json!(1), json!([[1]]));
    coerced(
        "[[Int!]]",
        "grid",
        json!([[1, 2], null]),
        json!([[1, 2], null]),
    );
    coerced("Command", "command", json!("SIT"), json!("SIT"));
    coerced("Even", "even", json!(4), json!(4));
    // A number without a fraction is an integer for a scalar that takes no other.
    coerced("Even", "even", json!(1e2), json!(100));
    coerced("Any", "any", json!(1e2), json!(1e2));
    coerced(
        "Any",
        "any",
        json!({ "b": [1, null, 1.5] }),
        json!({ "b": [1, null, 1.5] }),
    );
    coerced(
        "Point",
        "point",
        json!({ "x": 1 }),
        json!({ "x": 1, "y": 5, "label": "p" }),
    );
    coerced(
        "Deep",
        "deep",
        json!({ "points": { "x": 1, "y": 1, "label": null }, "point": { "x": 2 } }),
        json!({
            "point": { "x": 2, "y": 5, "label": "p" },
            "points": [{ "x": 1, "y": 1, "label": null }],
            "command": "SIT",
        }),
    );
    coerced(
        "Choice!",
        "choice",
        json!({ "number": 1 }),
        json!({ "number": 1 }),
    );
}

#[test]
fn defaults_are_applied() {
    let document = "query ($a: Int = 3, $b: Point = { x: 1 }, $c: [ID!]! = 7, $d: Int) { arguments { int(a: $a) point(a: $b) ids(a: $c) defaultInt(a: $d) } }";
    let (_, variables) = prepare(document, json!({ "a": null, "unknown": 1 })).unwrap();
    assert_eq!(
        serde_json::to_value(&variables).unwrap(),
        json!({ "a": null, "b": { "x": 1, "y": 5, "label": "p" }, "c": ["7"] })
    );
}

#[test]
fn values_of_other_types_are_refused_with_their_path() {
    let cases = [
        ("Int", "int", json!("1"), "$a`", json!(["a"])),
        ("Int", "int", json!(1.5), "$a`", json!(["a"])),
        (
            "Int",
            "int",
            json!(2_147_483_648_i64),
            "32-bit",
            json!(["a"]),
        ),
        ("Int", "int", json!(true), "Int cannot", json!(["a"])),
        ("Float", "float", json!("1"), "Float cannot", json!(["a"])),
        ("String", "string", json!(1), "String cannot", json!(["a"])),
        (
            "Boolean",
            "boolean",
            json!("true"),
            "Boolean cannot",
            json!(["a"]),
        ),
        ("ID", "id", json!(1.5), "ID cannot", json!(["a"])),
        (
            "Command",
            "command",
            json!("SITT"),
            "Did you mean the enum value \"SIT\"",
            json!(["a"]),
        ),
        (
            "Command",
            "command",
            json!(1),
            "cannot represent non-string",
            json!(["a"]),
        ),
        ("[Int]", "ints", json!([1, "2"]), "`$a[1]`", json!(["a", 1])),
        (
            "[[Int!]]",
            "grid",
            json!([[1, null]]),
            "`$a[0][1]`",
            json!(["a", 0, 1]),
        ),
        ("Even", "even", json!(3.0), "3.0 is not even", json!(["a"])),
        ("Even", "even", json!(2.5), "2.5 is not even", json!(["a"])),
        ("Even", "even", json!(1e300), "is not even", json!(["a"])),
        ("Point", "point", json!(1), "to be an object", json!(["a"])),
        (
            "Point",
            "point",
            json!({}),
            "\"x\" of required type \"Int!\" was not provided",
            json!(["a"]),
        ),
        (
            "Point",
            "point",
            json!({ "x": 1, "w": 1 }),
            "\"w\" is not defined by type \"Point\"",
            json!(["a"]),
        ),
        (
            "Point",
            "point",
            json!({ "x": 1, "y": null }),
            "`$a.y`",
            json!(["a", "y"]),
        ),
        (
            "Deep",
            "deep",
            json!({ "point": { "x": 1 }, "points": [{ "x": 1 }, { "x": "1" }] }),
            "`$a.points[1].x`",
            json!(["a", "points", 1, "x"]),
        ),
        (
            "Deep",
            "deep",
            json!({ "point": { "x": 1 }, "even": 3 }),
            "`$a.even`; 3 is not even",
            json!(["a", "even"]),
        ),
        (
            "Choice!",
            "choice",
            json!({}),
            "Exactly one key",
            json!(["a"]),
        ),
        (
            "Choice!",
            "choice",
            json!({ "id": 1, "number": 1 }),
            "Exactly one key",
            json!(["a"]),
        ),
        (
            "Choice!",
            "choice",
            json!({ "id": null }),
            "must be non-null",
            json!(["a", "id"]),
        ),
    ];
    for (ty, field, value, message, path) in cases {
        let document = format!("query ($a: {ty}) {{ arguments {{ {field}(a: $a) }} }}");
        let refused = prepare(&document, json!({ "a": value })).unwrap_err();
        let error = &refused.errors()[0];
        assert!(
            error.message.contains(message),
            "{document}: {}",
            error.message
        );
        let extensions = serde_json::to_value(&error.extensions).unwrap();
        assert_eq!(
            extensions,
            json!({ "code": "BAD_USER_INPUT", "path": path }),
            "{document}"
        );
    }
}

#[test]
fn a_condition_is_not_null() {
    let document = "query ($a: Boolean = false) { __typename @skip(if: $a) ...F }
                    fragment F on Query { t: __typename @include(if: $a) }";
    let refused = prepare(document, json!({ "a": null })).unwrap_err();
    let message = "Variable \"$a\" must not be null: it is a condition.";
    assert_eq!(refused.to_string(), message);
    assert_eq!(refused.stage().code(), "BAD_USER_INPUT");
    assert!(prepare(document, json!({})).is_ok());
}

/// A default, of the variable or of the place, lets a variable that may be null stand where null may not. Null itself may not.
#[test]
fn null_is_refused_where_it_cannot_stand() {
    let places = [
        ("Int = 1", "int(a: 1) nonNullInt(a: $a)"),
        ("Int", "defaultInt(a: $a)"),
        ("Int = null", "defaultInt(a: $a)"),
        ("[Int!] = [1]", "nonNullInts(a: $a)"),
        ("[ID!] = 1", "...F"),
        ("Int = 1", "nonNullInts(a: [1, $a])"),
        ("Int = 1", "point(a: { x: $a })"),
        ("Int", "point(a: { x: 1, y: $a })"),
        (
            "Int = 1",
            "deep(a: { point: { x: 1 }, points: [{ x: 1 }, { x: $a }] })",
        ),
        ("Int = 1", "deep(a: { point: { x: 1 }, points: { x: $a } })"),
        (
            "Point = { x: 1 }",
            "deep(a: { point: { x: 1 }, points: [$a] })",
        ),
        (
            "Point = { x: 1 }",
            "deep(a: { next: { point: $a }, point: { x: 1 } })",
        ),
        ("Int = 1", "int(a: 1) @needs(a: $a)"),
    ];
    let message = "Variable \"$a\" must not be null: it is used where null cannot stand.";
    for (ty, field) in places {
        let document = format!(
            "query ($a: {ty}) {{ __typename arguments {{ {field} }} }} {}",
            if field == "...F" {
                "fragment F on Arguments { ids(a: $a) }"
            } else {
                ""
            }
        );
        for _ in 0..2 {
            let refused = prepare(&document, json!({ "a": null })).expect_err(&document);
            assert_eq!(refused.to_string(), message, "{document}");
            assert_eq!(refused.stage().code(), "BAD_USER_INPUT");
            let extensions = serde_json::to_value(&refused.errors()[0].extensions).unwrap();
            assert_eq!(
                extensions,
                json!({ "code": "BAD_USER_INPUT", "path": ["a"] })
            );
        }
        let given = prepare(&document, json!({}));
        assert_eq!(given.is_err(), ty == "Int = null", "{document}");
    }
    // Where null may stand, and in fields that the operation leaves out.
    for document in [
        "query ($a: Int = 1) { arguments { int(a: $a) nullableDefault(a: $a) ints(a: [$a]) } }",
        "query ($a: Int = 1) { arguments { nonNullInt(a: $a) @skip(if: true) } }",
        "query ($a: Int = 1, $no: Boolean = false) { arguments { ... @include(if: $no) { nonNullInt(a: $a) } } }",
    ] {
        assert!(
            prepare(document, json!({ "a": null })).is_ok(),
            "{document}"
        );
    }
}

#[test]
fn what_has_to_be_there_is() {
    let document = "query ($a: Int!, $b: Int! = 1) { arguments { int(a: $a) i: int(a: $b) } }";
    for (variables, message) in [
        (
            json!({}),
            "Variable \"$a\" of required type \"Int!\" was not provided.",
        ),
        (
            json!({ "a": null }),
            "Variable \"$a\" of non-null type \"Int!\" must not be null.",
        ),
        (
            json!({ "a": 1, "b": null }),
            "Variable \"$b\" of non-null type \"Int!\" must not be null.",
        ),
    ] {
        let refused = prepare(document, variables).unwrap_err();
        assert_eq!(refused.to_string(), message);
        assert_eq!(refused.stage().code(), "BAD_USER_INPUT");
    }
}

#[test]
fn the_operation_is_the_one_that_is_named() {
    let document = "query A { dog { id } } query B($a: Int!) { arguments { int(a: $a) } }";
    let of = |name: Option<&str>, variables: Json| {
        let mut request = Request::new(document).variables(Variables::from_json(variables));
        request.operation_name = name.map(str::to_owned);
        let prepared = PREPARER.prepare(&mut request);
        prepared.map(|prepared| prepared.to_string())
    };
    for _ in 0..2 {
        assert_eq!(of(Some("A"), json!({})).unwrap(), "query A { dog { id } }");
        let other = of(Some("B"), json!({ "a": 1 })).unwrap();
        assert_eq!(other, "query B ($a: Int!) { arguments { int(a: $a) } }");
        for name in [None, Some("C"), Some("")] {
            let refused = of(name, json!({})).unwrap_err();
            assert_eq!(refused.stage().code(), "OPERATION_RESOLUTION_FAILURE");
        }
    }
}
