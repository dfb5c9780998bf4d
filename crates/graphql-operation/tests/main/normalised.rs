//! What is executed of a document.

use serde_json::{Value as Json, json};

use super::schema::prepare;

#[track_caller]
fn normalised(document: &str, variables: Json, expected: &str) {
    let (prepared, variables) = prepare(document, variables).unwrap();
    assert_eq!(prepared.to_string(), expected, "{document}");
    // What is handed to the engine differs by arguments that are left out alone.
    let _ = prepared.document(&variables);
}

#[test]
fn fields_with_one_response_key_are_one_field() {
    let none = json!({});
    normalised(
        "mutation { post(point: { x: 1 }) { id } post(point: { x: 1 }) { name } ...F } fragment F on Mutation { remove(id: 1) post(point: { x: 1 }) { iq id } }",
        none.clone(),
        "mutation { post(point: {x: 1}) { id name iq } remove(id: \"1\") }",
    );
    normalised(
        "{ dog { owner { id } } ... { dog { owner { name pets { id } } } } ...F dog { id } } fragment F on Query { dog { owner { pets { name } } } }",
        none.clone(),
        "query { dog { owner { id name pets { id name } } id } }",
    );
    normalised(
        "subscription { ...F ...F posted { name } } fragment F on Subscription { posted { id } }",
        none.clone(),
        "subscription { posted { id name } }",
    );
    normalised(
        "query Q { a: __typename dog { __typename @skip(if: false) } a: __typename }",
        none,
        "query Q { a: __typename dog { __typename } }",
    );
}

#[test]
fn conditions_are_applied() {
    let document = "query ($a: Boolean = true, $b: Boolean!) { x: dog @skip(if: $a) { id } y: dog { id name @include(if: $b) } ... @skip(if: $b) { cat { id } } ...F @include(if: $b) } fragment F on Query { stone { weight } }";
    normalised(
        document,
        json!({ "b": true }),
        "query { y: dog { id name } stone { weight } }",
    );
    normalised(
        document,
        json!({ "b": false }),
        "query { y: dog { id } cat { id } }",
    );
    normalised(
        document,
        json!({ "a": false, "b": false }),
        "query { x: dog { id } y: dog { id } cat { id } }",
    );
    normalised(
        "{ dog { id @include(if: false) } ...F @skip(if: true) ...F cat { id @skip(if: false) @include(if: true) @many @field(a: 2) } } fragment F on Query { stone { weight } }",
        json!({}),
        "query { dog stone { weight } cat { id @many @field(a: 2) } }",
    );
}

#[test]
fn fields_of_objects_stand_in_fragments_on_objects() {
    let none = json!({});
    // All objects have it.
    normalised(
        "{ pet { ... on Node { id } ... on Being { name } ...P } } fragment P on Pet { owner { id } }",
        none.clone(),
        "query { pet { id name owner { id } } }",
    );
    // Each has its own.
    normalised(
        "{ pet { id ... on Dog { barks id } name ... on Cat { meows } ... on Dog { volume } } }",
        none.clone(),
        "query { pet { id ... on Dog { barks } name ... on Cat { meows } ... on Dog { volume } } }",
    );
    // What is merged below differs.
    normalised(
        "{ pet { owner { id } ... on Dog { owner { name } } } }",
        none.clone(),
        "query { pet { ... on Dog { owner { id name } } ... on Cat { owner { id } } } }",
    );
    // An interface that names the objects.
    normalised(
        "{ being { id ... on Pet { owner { id } ... on Dog { barks } } } }",
        none.clone(),
        "query { being { id ... on Pet { owner { id } } ... on Dog { barks } } }",
    );
    // What all objects have, and the union has not.
    normalised(
        "{ catOrDog { __typename ... on Pet { id owner { id } } } }",
        none.clone(),
        "query { catOrDog { __typename ... on Pet { id owner { id } } } }",
    );
    // An object's field answers with a type of its own.
    normalised(
        "{ pet { ... on Dog { friend(first: 1) { barks } } ... on Cat { friend(first: 1) { meows } } } }",
        none.clone(),
        "query { pet { ... on Dog { friend(first: 1) { barks } } ... on Cat { friend(first: 1) { meows } } } }",
    );
    // A union does not: the engine would pass over it.
    normalised(
        "{ thing { ... on CatOrDog { __typename ... on Dog { barks } } ... on Stone { weight } } }",
        none.clone(),
        "query { thing { ... on Dog { __typename barks } ... on Stone { weight } } }",
    );
    normalised(
        "{ dog { ... on Pet { id } ... on Being { ... on Node { id } name } ... on CatOrDog { ... on Dog { barks } } } }",
        none,
        "query { dog { id name barks } }",
    );
}

#[test]
fn the_order_is_that_of_the_fields() {
    normalised(
        "{ pet { ... on Dog { a: id } b: id ... on Cat { c: id a: id } ... on Dog { c: id } } }",
        json!({}),
        "query { pet { ... on Dog { a: id } b: id ... on Cat { c: id a: id } ... on Dog { c: id } } }",
    );
}

#[test]
fn literals_are_of_their_types() {
    normalised(
        "{ arguments { id(a: 12345678901234567890) ids(a: 1) grid(a: 1) int(a: -0) float(a: 1) string(a: \"\"\"a \\\"\"\" b\"\"\") deep(a: { points: { x: 1 }, point: { x: 1 } }) } }",
        json!({}),
        "query { arguments { id(a: \"12345678901234567890\") ids(a: [\"1\"]) grid(a: [[1]]) int(a: 0) float(a: 1) string(a: \"a \\\"\\\"\\\" b\") deep(a: {points: [{x: 1}], point: {x: 1}}) } }",
    );
}

#[test]
fn variables_that_nothing_uses_any_more_are_left_out() {
    normalised(
        "query Q($a: Int, $b: Boolean!, $c: [Int!]! = [1]) { dog { id @skip(if: $b) } arguments { int(a: $a) nonNullInts(a: $c) } }",
        json!({ "b": true }),
        "query Q ($a: Int, $c: [Int!]!) { dog arguments { int(a: $a) nonNullInts(a: $c) } }",
    );
}

#[test]
fn an_argument_without_a_value_is_left_out() {
    let document = "query ($a: Int) { arguments { defaultInt(a: $a) point(a: { x: 1, z: $a }) ints(a: [$a]) } }";
    let of = |variables: Json| {
        let (prepared, variables) = prepare(document, variables).unwrap();
        format!("{:?}", prepared.document(&variables).operations)
    };
    assert_eq!(
        of(json!({})).matches("Variable(Name(\"a\"))").count()
            + of(json!({})).matches("Variable(\"a\")").count(),
        2
    );
    assert!(of(json!({ "a": 1 })).len() > of(json!({})).len());
}

#[test]
fn root_fields_are_told() {
    let (prepared, _) = prepare(
        "mutation M { a: remove(id: 1) ... { post(point: { x: 1 }) { id } a: remove(id: 1) } }",
        json!({}),
    )
    .unwrap();
    let fields: Vec<_> = prepared.root_fields().collect();
    assert_eq!(fields, [("a", "remove"), ("post", "post")]);
    assert_eq!(prepared.name(), Some("M"));
}

#[test]
fn positions_are_kept() {
    let (prepared, variables) =
        prepare("{\n  dog { id }\n  dog {\n    name } }", json!({})).unwrap();
    let document = prepared.document(&variables);
    let (_, operation) = document.operations.iter().next().unwrap();
    let dog = &operation.node.selection_set.node.items[0];
    assert_eq!((dog.pos.line, dog.pos.column), (2, 3));
    let async_graphql::parser::types::Selection::Field(dog) = &dog.node else {
        panic!("not a field");
    };
    let name = &dog.node.selection_set.node.items[1];
    assert_eq!((name.pos.line, name.pos.column), (4, 5));
}
