//! No text takes the reader down, and none takes it long.

use std::time::Duration;

use async_graphql::Request;
use proptest::prelude::*;
use rustix::time::{ClockId, clock_gettime};

use super::schema::{PREPARER, options, preparer};

/// What documents are made of, so that most of what is made has a meaning.
const PIECES: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ":",
    "=",
    "!",
    "$",
    "@",
    "...",
    "|",
    "&",
    ",",
    " ",
    "\n",
    "#",
    "query",
    "mutation",
    "subscription",
    "fragment",
    "on",
    "dog",
    "cat",
    "pet",
    "id",
    "name",
    "owner",
    "pets",
    "friend",
    "F",
    "G",
    "Dog",
    "Pet",
    "Human",
    "Query",
    "a",
    "x",
    "arguments",
    "int",
    "point",
    "choice",
    "$a",
    "a:",
    "Int",
    "Int!",
    "[Int]",
    "1",
    "-0",
    "1.5",
    "1e9",
    "\"\"",
    "\"\\u{1F600}\"",
    "\"\"\"b\"\"\"",
    "true",
    "null",
    "SIT",
    "@skip(if: $a)",
    "@include(if: true)",
    "{ dog { id } }",
    "...F",
    "fragment F on Dog { id }",
    "... on Dog {",
    "{ x: 1 }",
    "\u{feff}",
    "é",
    "\\",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_takes_the_reader_down(text in "\\PC{0,200}") {
        let _ = PREPARER.prepare(&mut Request::new(text));
    }

    #[test]
    fn no_document_takes_the_reader_down(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        for between in ["", " "] {
            let _ = PREPARER.prepare(&mut Request::new(pieces.join(between)));
        }
    }
}

/// Documents that are made to cost time, each as long as is said.
fn costly(size: usize) -> Vec<(&'static str, String)> {
    let repeated = |head: &str, one: &dyn Fn(usize) -> String, tail: &str| {
        let mut text = head.to_owned();
        for n in 0..size {
            text += &one(n);
        }
        text + tail
    };
    vec![
        (
            "one field many times",
            repeated("{ dog { ", &|_| "id ".to_owned(), "} }"),
        ),
        (
            "one field with selections many times",
            repeated("{ ", &|_| "dog { owner { id } } ".to_owned(), "}"),
        ),
        (
            "one key with many fragments",
            repeated("{ dog { ", &|n| format!("...F{n} "), "} }")
                + &repeated(
                    "",
                    &|n| format!("fragment F{n} on Dog {{ owner {{ id }} }} "),
                    "",
                ),
        ),
        (
            "fragments in a chain",
            repeated(
                "{ dog { ...F0 } } ",
                &|n| format!("fragment F{n} on Dog {{ ...F{} }} ", n + 1),
                &format!("fragment F{size} on Dog {{ id }}"),
            ),
        ),
        (
            "fragments that spread the next twice",
            repeated(
                "{ dog { ...F0 } } ",
                &|n| {
                    format!(
                        "fragment F{n} on Dog {{ a: friend {{ ...F{0} }} b: friend {{ ...F{0} }} }} ",
                        n + 1
                    )
                },
                &format!("fragment F{size} on Dog {{ id }}"),
            ),
        ),
        (
            "inline fragments on objects",
            repeated(
                "{ pet { ",
                &|n| format!("... on Dog {{ a{n}: id }} ... on Cat {{ a{n}: id }} "),
                "} }",
            ),
        ),
        (
            "many operations that share fragments",
            repeated(
                "",
                &|n| format!("query Q{n} {{ dog {{ ...F }} }} "),
                "fragment F on Dog { id }",
            ),
        ),
        (
            "many variables",
            "query (".to_owned()
                + &repeated("", &|n| format!("$a{n}: Int "), "")
                + ") { arguments { "
                + &repeated("", &|n| format!("f{n}: int(a: $a{n}) "), "")
                + "} }",
        ),
        (
            "an object of many fields",
            repeated(
                "{ arguments { any(a: { ",
                &|n| format!("x{n}: 1 "),
                "}) } }",
            ),
        ),
        (
            "many arguments that nobody knows",
            repeated("{ arguments { int(", &|n| format!("x{n}: 1 "), ") } }"),
        ),
        (
            "a long string",
            format!(
                "{{ arguments {{ string(a: \"{}\") }} }}",
                "é".repeat(size * 8)
            ),
        ),
        (
            "many directives",
            repeated("{ dog { id ", &|_| "@many ".to_owned(), "} }"),
        ),
        (
            "the schema in itself",
            format!(
                "{{ __type(name: \"Query\") {{ {}name{} }} }}",
                "fields { type { ".repeat(40),
                " } }".repeat(40)
            ),
        ),
    ]
}

/// How long this thread has been running. What else the machine does takes nothing of it.
fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
}

/// Eight times the text may take thirty-two times the work, as caches are smaller than that, and not sixty-four times.
#[test]
fn the_work_grows_with_the_text() {
    let preparer = preparer(options().limits(graphql_operation::Limits::none()));
    let time = |text: &str| {
        let once = |serial: usize| {
            // What is known is not read again.
            let mut request = Request::new(format!("{text} # {serial}"));
            let started = thread_time();
            let _ = preparer.prepare(&mut request);
            thread_time() - started
        };
        // The least of some: the first of them fills the caches.
        (0..5).map(once).min().unwrap()
    };
    for ((name, short), (_, long)) in costly(100).into_iter().zip(costly(800)) {
        let (short, long) = (time(&short), time(&long));
        let floor = Duration::from_millis(4);
        assert!(
            long < short.max(floor) * 32,
            "{name}: {short:?}, then {long:?}"
        );
        assert!(long < Duration::from_secs(2), "{name}: {long:?}");
    }
}
