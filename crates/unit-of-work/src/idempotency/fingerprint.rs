//! The fingerprint of a request: two requests are the same if their operation names, document texts and variables are.
//!
//! The text is compared unchanged, since a client that repeats a request sends the same text. Variables are compared as values, since JSON
//! does not keep the order of an object's members.
//!
//! Its [`SessionSettings`] belong to it: who sees other rows must not be answered with what somebody else has seen, even under the same
//! viewer. A request without settings has the fingerprint that it always had.
//!
//! A request that only names its document (a persisted query) has no text. It is compared by its parsed document, since the empty texts of
//! two documents must not count as the same.

use std::{borrow::Cow, fmt::Write};

use async_graphql::{Name, Value, Variables, parser::types::ExecutableDocument};
use sha2::{Digest, Sha256};

use crate::SessionSettings;

/// The SHA-256, in hexadecimal, of a request with this text, or with this document if it has no text.
pub(super) fn of(
    operation_name: Option<&str>,
    query: &str,
    document: &ExecutableDocument,
    variables: &Variables,
) -> String {
    let mut text = String::new();
    // Each part is a JSON value, so that different requests cannot have the same text.
    write_json(&mut text, &operation_name);
    write_json(&mut text, &query);
    if query.is_empty() {
        write_document(&mut text, document);
    }
    text.push('{');
    // Names are unique, and a `BTreeMap` by itself sorts only the outermost.
    for (name, value) in variables.iter() {
        write_json(&mut text, name);
        write_canonical(&mut text, value);
    }
    text.push('}');
    of_bytes(text.as_bytes())
}

/// The fingerprint of a request with these settings, from that of the request without them.
pub(super) fn with_settings<'a>(settings: &SessionSettings, request: &'a str) -> Cow<'a, str> {
    if settings.is_empty() {
        return Cow::Borrowed(request);
    }
    let mut text = String::new();
    write_json(&mut text, &request);
    write_json(&mut text, &settings.of_postgres());
    write_json(&mut text, &settings.of_sqlite());
    Cow::Owned(of_bytes(text.as_bytes()))
}

/// The SHA-256 in hexadecimal.
pub(super) fn of_bytes(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            // Writing to a `String` cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// Writes the operations and fragments of a document in the order of their names, since the parser does not keep their order.
fn write_document(text: &mut String, document: &ExecutableDocument) {
    let mut operations: Vec<_> = document.operations.iter().collect();
    operations.sort_unstable_by_key(|(name, _)| name.map(Name::as_str));
    for (name, operation) in operations {
        write_json(text, &name);
        write_json(text, operation);
    }
    let mut fragments: Vec<_> = document.fragments.iter().collect();
    fragments.sort_unstable_by_key(|(name, _)| name.as_str());
    for (name, fragment) in fragments {
        write_json(text, name);
        write_json(text, fragment);
    }
}

/// Writes a value with the members of its objects in the order of their names.
fn write_canonical(text: &mut String, value: &Value) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
            text.push('{');
            for (name, value) in members {
                write_json(text, name);
                write_canonical(text, value);
            }
            text.push('}');
        }
        Value::List(items) => {
            text.push('[');
            for item in items {
                write_canonical(text, item);
                text.push(',');
            }
            text.push(']');
        }
        scalar => write_json(text, scalar),
    }
}

fn write_json(text: &mut String, value: &impl serde::Serialize) {
    // Names, texts and scalars: nothing that JSON cannot hold.
    text.push_str(&serde_json::to_string(value).unwrap_or_default());
    text.push(' ');
}

#[cfg(test)]
mod tests {
    use async_graphql::{Request, parser::parse_query};
    use serde_json::json;

    use super::*;

    fn fingerprint(request: &Request) -> String {
        let document = parse_query(&request.query).expect("parses");
        let name = request.operation_name.as_deref();
        of(name, &request.query, &document, &request.variables)
    }

    /// As of a request that only names its document.
    fn named(document: &str) -> String {
        let document = parse_query(document).expect("parses");
        of(None, "", &document, &Variables::default())
    }

    fn request(variables: serde_json::Value) -> Request {
        Request::new("mutation ($a: In) { f(a: $a) }").variables(Variables::from_json(variables))
    }

    fn parsed(variables: &str) -> String {
        let variables: Variables = serde_json::from_str(variables).expect("is JSON");
        fingerprint(&Request::new("{ f }").variables(variables))
    }

    #[test]
    fn the_order_of_members_does_not_matter_and_that_of_items_does() {
        assert_eq!(
            parsed(r#"{"a": {"x": 1, "y": {"p": [1, 2], "q": null}}, "b": 2}"#),
            parsed(r#"{"b": 2, "a": {"y": {"q": null, "p": [1, 2]}, "x": 1}}"#),
        );
        assert_ne!(parsed(r#"{"a": [1, 2]}"#), parsed(r#"{"a": [2, 1]}"#));
    }

    #[test]
    fn everything_else_matters() {
        let one = fingerprint(&request(json!({ "a": { "b": "1" } })));
        assert_eq!(one.len(), 64);
        assert_eq!(one, fingerprint(&request(json!({ "a": { "b": "1" } }))));
        let others = [
            request(json!({ "a": { "b": 1 } })),
            request(json!({ "a": { "b": "1", "c": null } })),
            request(json!({})),
            request(json!({ "a": { "b": "1" } })).operation_name("f"),
            Request::new("mutation ($a: In) { f(a: $a)  }")
                .variables(Variables::from_json(json!({ "a": { "b": "1" } }))),
        ];
        for other in others {
            assert_ne!(one, fingerprint(&other), "{other:?}");
        }
        assert_ne!(parsed(r#"{"a": [[1], 2]}"#), parsed(r#"{"a": [1, [2]]}"#));
        assert_ne!(parsed(r#"{"a": "1 2"}"#), parsed(r#"{"a": ["1", "2"]}"#));
    }

    #[test]
    fn settings_matter() {
        let request = fingerprint(&request(json!({})));
        let with = |settings: &SessionSettings| with_settings(settings, &request).into_owned();
        let none = SessionSettings::new();
        assert_eq!(with(&none), request);
        let all = [
            none.clone(),
            none.clone().set("a", "b"),
            none.clone().set("ab", ""),
            none.clone().set("a", "b").set("a", "b"),
            none.clone().rows("a", "b"),
            none.set("a", "b").rows("a", "b"),
        ];
        for (place, one) in all.iter().enumerate() {
            assert_eq!(with(one), with(&one.clone()));
            for other in &all[place + 1..] {
                assert_ne!(with(one), with(other), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn documents_that_are_only_named_are_told_apart() {
        let many =
            "query A { a } query B { ...X ...Y } fragment X on T { x } fragment Y on T { y }";
        for _ in 0..20 {
            // Each parse has its own order.
            assert_eq!(named(many), named(many));
        }
        let documents = [
            many,
            "mutation { f(a: 1) }",
            "mutation { f(a: 2) }",
            "mutation { f(a: \"1\") }",
            "mutation { f }",
            "{ f }",
        ];
        for (index, one) in documents.iter().enumerate() {
            for other in &documents[index + 1..] {
                assert_ne!(named(one), named(other), "{one} {other}");
            }
        }
        assert_ne!(named("{ f }"), fingerprint(&Request::new("{ f }")));
    }
}
