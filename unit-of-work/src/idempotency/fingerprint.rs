//! What makes two requests the same: the operation's name, the text of the document, and the variables.
//!
//! The text is compared as it is: a client that sends a request again sends the same text. Variables are compared as
//! values, because JSON does not keep the order of an object's members.

use std::fmt::Write;

use async_graphql::{Request, Value};
use sha2::{Digest, Sha256};

/// The SHA-256 of a request in hexadecimal.
pub(super) fn of(request: &Request) -> String {
    let mut text = String::new();
    // Each part is a JSON value of its own, so that no two requests have the same text.
    write_json(&mut text, &request.operation_name);
    write_json(&mut text, &request.query);
    text.push('{');
    // Names are unique, and a `BTreeMap` by itself sorts only the outermost.
    for (name, value) in request.variables.iter() {
        write_json(&mut text, name);
        write_canonical(&mut text, value);
    }
    text.push('}');
    Sha256::digest(text)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            // Writing to a `String` cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// A value with the members of its objects in the order of their names.
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
    use async_graphql::Variables;
    use serde_json::json;

    use super::*;

    fn request(variables: serde_json::Value) -> Request {
        Request::new("mutation ($a: In) { f(a: $a) }").variables(Variables::from_json(variables))
    }

    fn parsed(variables: &str) -> String {
        let variables: Variables = serde_json::from_str(variables).expect("is JSON");
        of(&Request::new("{ f }").variables(variables))
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
        let one = of(&request(json!({ "a": { "b": "1" } })));
        assert_eq!(one.len(), 64);
        assert_eq!(one, of(&request(json!({ "a": { "b": "1" } }))));
        let others = [
            request(json!({ "a": { "b": 1 } })),
            request(json!({ "a": { "b": "1", "c": null } })),
            request(json!({})),
            request(json!({ "a": { "b": "1" } })).operation_name("f"),
            Request::new("mutation ($a: In) { f(a: $a)  }")
                .variables(Variables::from_json(json!({ "a": { "b": "1" } }))),
        ];
        for other in others {
            assert_ne!(one, of(&other), "{other:?}");
        }
        assert_ne!(parsed(r#"{"a": [[1], 2]}"#), parsed(r#"{"a": [1, [2]]}"#));
        assert_ne!(parsed(r#"{"a": "1 2"}"#), parsed(r#"{"a": ["1", "2"]}"#));
    }
}
