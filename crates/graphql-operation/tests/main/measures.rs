//! How much an operation asks for, and what is refused for it.

use async_graphql::{Request, Variables};
use graphql_operation::{Limits, Measure, Options, Preparer, Schema, Size, Sizes};
use serde_json::{Value as Json, json};

use super::schema::{options, prepare, preparer};

fn measure(document: &str, variables: Json) -> Measure {
    prepare(document, variables).unwrap().0.measure()
}

fn complexity(document: &str) -> usize {
    measure(document, json!({})).complexity
}

#[test]
fn fragments_count_where_they_are_spread() {
    let counts = measure(
        "query @many { x: dog { ...F } ... on Query @fragment { cat { ...F } } } fragment F on Pet @fragment { y: owner { iq id @field } }",
        json!({}),
    );
    assert_eq!(
        (
            counts.depth,
            counts.root_fields,
            counts.aliases,
            counts.directives,
            counts.complexity
        ),
        (3, 2, 3, 6, 10)
    );
    assert!(!counts.introspects);
}

#[test]
fn a_page_multiplies_what_is_inside_it() {
    assert_eq!(complexity("{ dog { id } }"), 2);
    assert_eq!(complexity("{ humans(first: 10) { totalCount } }"), 11);
    assert_eq!(
        complexity("{ humans(last: 10) { edges { node { id } } } }"),
        31
    );
    assert_eq!(complexity("{ humans { edges { cursor } } }"), 41);
    // Wherever the edges stand.
    assert_eq!(
        complexity("{ humans { ...F } } fragment F on Connection { edges { cursor } }"),
        61
    );
    assert_eq!(
        complexity("{ humans { ... { ...on Connection { edges { cursor } } } } }"),
        41
    );
    assert_eq!(
        complexity("{ humans(first: 3, last: 7) { totalCount } }"),
        8
    );
    assert_eq!(complexity("{ humans(first: -5) { totalCount } }"), 2);
    assert_eq!(complexity("{ page { totalCount } }"), 31);
    assert_eq!(
        complexity("{ dog { friend(first: 10) { friend(first: 10) { id } } } }"),
        1 + 1 + 10 * (1 + 10)
    );
    // Other lists, with the schema's types at hand.
    assert_eq!(complexity("{ beings { id name } }"), 21);
    assert_eq!(complexity("{ matrix }"), 1);
}

#[test]
fn variables_multiply_too() {
    let document = "query ($n: Int = 4, $ids: [ID!]!) { ...F nodes(ids: $ids) { id } } fragment F on Query { humans(first: $n) { edges { node { relatives { id } } } } }";
    let sizes = Sizes::default().list("Query.nodes", Size::Argument("ids"));
    let preparer = preparer(options().sizes(sizes).limits(Limits::none()));
    let of = |variables: Json| {
        let mut request = Request::new(document).variables(Variables::from_json(variables));
        preparer.prepare(&mut request).unwrap().measure().complexity
    };
    let page = |n: usize| 1 + 1 + n * (1 + 1 + 1 + 10);
    let nodes = |n: usize| 1 + n;
    assert_eq!(of(json!({ "ids": [] })), page(4) + nodes(0));
    assert_eq!(of(json!({ "n": 1, "ids": "one" })), page(1) + nodes(1));
    assert_eq!(
        of(json!({ "n": 50, "ids": ["a", "b", "c"] })),
        page(50) + nodes(3)
    );
    assert_eq!(of(json!({ "n": null, "ids": ["a"] })), page(20) + nodes(1));
    assert_eq!(of(json!({ "n": -3, "ids": ["a"] })), page(1) + nodes(1));
}

#[test]
fn introspection_is_counted_by_the_schema() {
    let sdl = "type Query { a: Query b: Query c: Query d: Query e: Query! }";
    let preparer = Preparer::new(
        Schema::parse(sdl).unwrap(),
        Options::default().limits(Limits::none()),
    );
    let two = "{ __type(name: \"Query\") { fields { type { fields { type { name } } } } } }";
    let prepared = preparer.prepare(&mut Request::new(two)).unwrap();
    // Of each type the field `fields`, of each field its `type`; what is not null says that it has no fields.
    let asked = (0..2).fold(1, |inside, _| 1 + 5 + 4 * inside + 1);
    assert_eq!(prepared.measure().complexity, 1 + asked);
    let nine = "{ __type(name: \"Query\") { ".to_owned()
        + &"fields { type { ".repeat(9)
        + "name"
        + &" } }".repeat(9)
        + " } }";
    let refused = preparer.prepare(&mut Request::new(nine)).unwrap_err();
    assert_eq!(refused.to_string(), "Maximum introspection depth exceeded");
    let of_type = "ofType { kind name ".repeat(9) + &"}".repeat(9);
    let input = format!("name description defaultValue type {{ kind name {of_type} }}");
    let whole = format!(
        "query I {{ __schema {{ types {{ kind name fields(includeDeprecated: true) {{ name args {{ {input} }} type {{ kind name {of_type} }} }} inputFields {{ {input} }} interfaces {{ name }} possibleTypes {{ name }} enumValues {{ name }} }} directives {{ name args {{ {input} }} }} }} }}"
    );
    let whole = complexity(&whole);
    assert!((400..20_000).contains(&whole), "{whole}");
    assert_eq!(complexity("{ __type(name: \"Nothing\") { name } }"), 1);
    assert_eq!(
        complexity("{ __type(name: \"Command\") { enumValues { name } } }"),
        1 + 1 + 3
    );
    assert!(measure("{ __schema { types { name } } }", json!({})).introspects);
    let any = measure(
        "query ($n: String!) { __type(name: $n) { fields { name } } }",
        json!({ "n": "x" }),
    );
    assert!(any.complexity > 20, "{any:?}");
}

/// 2^90 fields, in a text of 90 lines: measured at once, and refused before it is written out.
#[test]
fn fragments_that_double_are_refused_in_the_time_of_their_text() {
    let mut document = "{ ...F0 } fragment F90 on Query { dog { id } }".to_owned();
    for n in 0..90 {
        let next = n + 1;
        document += &format!(" fragment F{n} on Query {{ ...F{next} ...F{next} }}");
    }
    let refused = preparer(options())
        .prepare(&mut Request::new(document))
        .unwrap_err();
    let extensions = serde_json::to_value(&refused.errors()[0].extensions).unwrap();
    assert_eq!(extensions["limit"], "rootFields");
    assert_eq!(extensions["code"], "GRAPHQL_VALIDATION_FAILED");
}

#[test]
fn selections_without_end_are_refused() {
    let mut chain = "{ dog { ...F0 } } fragment F400 on Dog { id }".to_owned();
    for n in 0..400 {
        let next = n + 1;
        chain += &format!(" fragment F{n} on Dog {{ friend {{ ...F{next} }} }}");
    }
    let refused = prepare(&chain, json!({})).unwrap_err();
    let extensions = serde_json::to_value(&refused.errors()[0].extensions).unwrap();
    assert_eq!(
        (&extensions["limit"], &extensions["value"]),
        (&json!("nesting"), &json!(803))
    );
    for open in ["{a", "{a(b:[", "{a(b:{c:"] {
        let refused = prepare(&open.repeat(100_000), json!({})).unwrap_err();
        let extensions = serde_json::to_value(&refused.errors()[0].extensions).unwrap();
        assert_eq!(extensions["limit"], "nesting");
    }
}

#[test]
fn each_limit_is_met_and_exceeded() {
    let limits = |limit: fn(&mut Limits, usize), to: usize| {
        let mut limits = Limits::none();
        limit(&mut limits, to);
        preparer(options().limits(limits))
    };
    type Set = fn(&mut Limits, usize);
    let cases: [(&str, Set, &str, usize); 6] = [
        (
            "tokens",
            |limits, to| limits.tokens = to,
            "{ dog { id name } }",
            7,
        ),
        (
            "depth",
            |limits, to| limits.depth = to,
            "{ dog { owner { id } } }",
            3,
        ),
        (
            "complexity",
            |limits, to| limits.complexity = to,
            "{ humans { totalCount } }",
            21,
        ),
        (
            "aliases",
            |limits, to| limits.aliases = to,
            "{ a: dog { b: id } }",
            2,
        ),
        (
            "rootFields",
            |limits, to| limits.root_fields = to,
            "{ dog { id } ...F } fragment F on Query { cat { id } }",
            2,
        ),
        (
            "directives",
            |limits, to| limits.directives = to,
            "{ dog { id @field } ... @fragment { cat { id } } }",
            2,
        ),
    ];
    for (name, set, document, value) in cases {
        let request = || Request::new(document);
        let fits = limits(set, value);
        for _ in 0..2 {
            assert!(fits.prepare(&mut request()).is_ok(), "{name}");
        }
        let refused = limits(set, value - 1).prepare(&mut request()).unwrap_err();
        let extensions = serde_json::to_value(&refused.errors()[0].extensions).unwrap();
        assert_eq!(
            extensions,
            json!({ "code": "GRAPHQL_VALIDATION_FAILED", "limit": name, "max": value - 1, "value": value })
        );
    }
}

#[test]
fn a_known_document_is_measured_with_the_variables_of_this_request() {
    let preparer = preparer(options());
    let document = "query ($n: Int) { humans(first: $n) { edges { node { relatives { id } } } } }";
    for (n, is_refused) in [(1, false), (60_000, true), (1, false)] {
        let mut request = Request::new(document).variables(Variables::from_json(json!({ "n": n })));
        assert_eq!(preparer.prepare(&mut request).is_err(), is_refused, "{n}");
    }
    // Also where the first request is over the limit.
    let preparer = super::schema::preparer(Options::default());
    for (n, is_refused) in [(60_000, true), (1, false)] {
        let mut request = Request::new(document).variables(Variables::from_json(json!({ "n": n })));
        assert_eq!(preparer.prepare(&mut request).is_err(), is_refused, "{n}");
    }
}

/// A refusal says how much was asked for, also where the document alone is too much already.
#[test]
fn a_refusal_says_what_this_request_has() {
    let sizes = Sizes::default().list("Query.nodes", Size::Argument("ids"));
    let mut limits = Limits::none();
    limits.complexity = 1;
    let preparer = preparer(options().sizes(sizes).limits(limits));
    let document = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    for ids in [3, 2, 5] {
        let ids = vec!["a"; ids];
        let variables = Variables::from_json(json!({ "ids": ids }));
        let mut request = Request::new(document).variables(variables);
        let refused = preparer.prepare(&mut request).unwrap_err();
        let extensions = serde_json::to_value(&refused.errors()[0].extensions).unwrap();
        assert_eq!(extensions["value"], 1 + ids.len());
    }
    let none = Variables::from_json(json!({ "ids": [] }));
    assert!(
        preparer
            .prepare(&mut Request::new(document).variables(none))
            .is_ok()
    );
}

/// A variable without a value leaves its place to the default of that.
#[test]
fn a_page_has_the_size_that_is_its_default() {
    let document = "query ($n: Int) { page(first: $n) { edges { cursor } } }";
    let page = |n: usize| 1 + n * 2;
    let of = |variables: Json| measure(document, variables).complexity;
    assert_eq!(of(json!({ "n": 5 })), page(5));
    assert_eq!(of(json!({})), page(30));
}
