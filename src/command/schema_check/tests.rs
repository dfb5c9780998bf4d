use super::*;

const BEFORE: &str = "
    type Query implements Node { id: ID! a(x: Int = 1, y: [Int!]): String b: [Int] c: U }
    interface Node { id: ID! }
    union U = Query | Other
    type Other { id: ID! }
    enum E { ONE TWO }
    input I { a: Int! b: Int }
    scalar S @specifiedBy(url: \"https://a.example\")
    directive @d(a: Int) repeatable on FIELD | QUERY
    directive @e on OBJECT
";

/// The changes when `from` is replaced by `to` in the schema.
fn after(from: &str, to: &str) -> Vec<String> {
    assert!(BEFORE.contains(from), "{from}");
    let after = BEFORE.replacen(from, to, 1);
    let changes = compare(BEFORE, &after).unwrap();
    changes.iter().map(ToString::to_string).collect()
}

#[test]
fn each_change_means_what_graphql_inspector_says() {
    for (from, to, expected) in [
        (
            "scalar S @specifiedBy(url: \"https://a.example\")",
            "",
            "breaking: S: the type was removed",
        ),
        (
            " @specifiedBy(url: \"https://a.example\")",
            "",
            "dangerous: S: @specifiedBy was removed",
        ),
        (
            "a.example",
            "b.example",
            "dangerous: S: @specifiedBy changed",
        ),
        (
            "b: [Int]",
            "b: [Int] @deprecated",
            "safe: Query.b: @deprecated was added",
        ),
        (
            "{ ONE",
            "{ ONE @deprecated(reason: \"x\")",
            "safe: E.ONE: @deprecated was added",
        ),
        (
            "x: Int = 1",
            "x: Int = 1 @deprecated",
            "safe: Query.a(x): @deprecated was added",
        ),
        (
            "b: Int }",
            "b: Int @deprecated }",
            "safe: I.b: @deprecated was added",
        ),
        ("input I", "input I @oneOf", "breaking: I: @oneOf was added"),
        (
            "type Other",
            "type Other @e",
            "dangerous: Other: @e was added",
        ),
        (
            "directive @e on OBJECT",
            "",
            "breaking: @e: the directive was removed",
        ),
        (
            "directive @e",
            "directive @f on FIELD directive @e",
            "safe: @f: the directive was added",
        ),
        (
            "FIELD | QUERY",
            "FIELD",
            "breaking: @d: the location Query was removed",
        ),
        (
            "FIELD | QUERY",
            "QUERY | FIELD | MUTATION",
            "safe: @d: the location Mutation was added",
        ),
        ("(a: Int)", "", "breaking: @d(a) was removed"),
        (
            "(a: Int)",
            "(a: Int!)",
            "breaking: @d(a): the type changed from Int to Int!",
        ),
        (
            "scalar S",
            "scalar T scalar S",
            "safe: T: the type was added",
        ),
        (
            "scalar S @specifiedBy(url: \"https://a.example\")",
            "type S { a: Int } ",
            "breaking: S: the kind of the type changed",
        ),
        (" b: [Int]", "", "breaking: Query.b: the field was removed"),
        ("c: U", "c: U d: Int", "safe: Query.d: the field was added"),
        (
            "b: [Int]",
            "b: [Int!]!",
            "safe: Query.b: the type changed from [Int] to [Int!]!",
        ),
        (
            "b: [Int]",
            "b: Int",
            "breaking: Query.b: the type changed from [Int] to Int",
        ),
        (
            "interface Node { id: ID!",
            "interface Node { id: ID",
            "breaking: Node.id: the type changed from ID! to ID",
        ),
        (", y: [Int!]", "", "breaking: Query.a(y) was removed"),
        (
            "y: [Int!]",
            "y: [Int!], z: Int!",
            "breaking: Query.a(z) was added, and has to be given",
        ),
        (
            "y: [Int!]",
            "y: [Int!], z: Int! = 1",
            "dangerous: Query.a(z) was added, and may be given",
        ),
        (
            "y: [Int!]",
            "y: [Int]",
            "safe: Query.a(y): the type changed from [Int!] to [Int]",
        ),
        (
            "y: [Int!]",
            "y: [Int!]!",
            "breaking: Query.a(y): the type changed from [Int!] to [Int!]!",
        ),
        (
            "x: Int = 1",
            "x: Int = 2",
            "dangerous: Query.a(x): the default changed",
        ),
        (
            " implements Node",
            "",
            "breaking: Query: the interface Node was removed",
        ),
        (
            "type Other",
            "type Other implements Node",
            "dangerous: Other: the interface Node was added",
        ),
        (" | Other", "", "breaking: U: the member Other was removed"),
        ("ONE TWO", "ONE", "breaking: E: the value TWO was removed"),
        (
            "ONE TWO",
            "ONE TWO THREE",
            "dangerous: E: the value THREE was added",
        ),
        (
            "b: Int }",
            "b: Int c: Int }",
            "dangerous: I.c was added, and may be given",
        ),
        (
            "b: Int }",
            "b: Int c: Int! }",
            "breaking: I.c was added, and has to be given",
        ),
        (
            "a: Int! b",
            "a: Int b",
            "safe: I.a: the type changed from Int! to Int",
        ),
    ] {
        assert_eq!(after(from, to), [expected], "{from} to {to}");
    }
    assert_eq!(after("scalar S", "\"described\" scalar S"), [""; 0]);
    // The way back: what was deprecated, or took one of its fields alone, is taken as before.
    let deprecated = BEFORE.replace("b: [Int]", "b: [Int] @deprecated(reason: \"x\")");
    let one_of = BEFORE.replace("input I", "input I @oneOf");
    for (before, expected) in [
        (&deprecated, "safe: Query.b: @deprecated was removed"),
        (&one_of, "safe: I: @oneOf was removed"),
    ] {
        let changes = compare(before, BEFORE).unwrap();
        assert_eq!(
            changes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [expected]
        );
    }
    let changes = compare(&deprecated, &deprecated.replace("\"x\"", "\"y\"")).unwrap();
    assert_eq!(changes[0].to_string(), "safe: Query.b: @deprecated changed");
}
