//! Each rule of the specification, by documents that keep it and documents that break it.

use super::schema::wrong;

#[track_caller]
fn valid(documents: &[&str]) {
    for document in documents {
        let wrong = wrong(document);
        assert!(wrong.is_empty(), "{document}\n{wrong:?}");
    }
}

/// Each document with a part of the message that it is refused with.
#[track_caller]
fn invalid(documents: &[(&str, &str)]) {
    for (document, message) in documents {
        let wrong = wrong(document);
        assert!(
            wrong.iter().any(|wrong| wrong.contains(message)),
            "{document}\n{wrong:?}"
        );
    }
}

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

#[test]
fn errors_say_where() {
    let document = "{\n  dog {\n    \"é\"";
    let refused = super::schema::prepare(document, serde_json::json!({})).unwrap_err();
    assert_eq!(
        refused.errors()[0].locations[0],
        async_graphql::Pos { line: 3, column: 5 }
    );
    let document = "{ arguments { string(a: \"é😀\") int(a: \"x\") } }";
    let refused = super::schema::prepare(document, serde_json::json!({})).unwrap_err();
    assert_eq!(
        refused.errors()[0].locations[0],
        async_graphql::Pos {
            line: 1,
            column: 38
        }
    );
    let document = "{ arguments { string(a: \"\"\"\n\n\"\"\") int(a: \"x\") } }";
    let refused = super::schema::prepare(document, serde_json::json!({})).unwrap_err();
    assert_eq!(
        refused.errors()[0].locations[0],
        async_graphql::Pos {
            line: 3,
            column: 13
        }
    );
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
