//! Documents, as far as they are read before anything runs.

use std::cell::OnceCell;

use async_graphql::{Request, Variables};
use daybook::graphql;
use graphql_operation::{Options, Preparer, Schema};

/// A schema that has everything that schemas can have.
const EVERYTHING: &str = include_str!("../../../oracle/toy/schema.graphql");

/// What stands before the variables of a document.
const VARIABLES: &str = "\n#variables ";

thread_local! {
    static PREPARERS: OnceCell<[Preparer; 2]> = const { OnceCell::new() };
}

/// The document of an input, and its variables, which are on a last line as a comment: `#variables {"a": 1}`.
pub(super) fn split(input: &[u8]) -> Option<(&str, serde_json::Value)> {
    let text = std::str::from_utf8(input).ok()?;
    let Some((document, variables)) = text.rsplit_once(VARIABLES) else {
        return Some((text, serde_json::Value::Null));
    };
    let variables = serde_json::from_str(variables).ok()?;
    Some((document, variables))
}

pub(super) fn run(input: &[u8]) {
    let Some((document, variables)) = split(input) else {
        return;
    };
    PREPARERS.with(|preparers| {
        let preparers = preparers.get_or_init(|| {
            // Documents are kept by their text: with room for few, memory stays small.
            let bytes = 100_000;
            let preparer =
                |schema, options: Options| Preparer::new(schema, options.cache_bytes(bytes));
            [
                preparer(graphql::operation_schema().unwrap(), graphql::operations()),
                preparer(Schema::parse(EVERYTHING).unwrap(), Options::default()),
            ]
        });
        for preparer in preparers {
            prepare(preparer, document, variables.clone());
        }
    });
}

/// What was normalised means the same when it is read again.
fn prepare(preparer: &Preparer, document: &str, variables: serde_json::Value) {
    let mut request = Request::new(document);
    request.variables = Variables::from_json(variables);
    let prepared = match preparer.prepare(&mut request) {
        Ok(prepared) => prepared,
        Err(refused) => {
            let _ = refused.to_string();
            return;
        }
    };
    let text = prepared.to_string();
    let _ = prepared.document(&request.variables);
    let mut again = Request::new(&text);
    again.variables = request.variables.clone();
    match preparer.prepare(&mut again) {
        Ok(again) => assert_eq!(again.to_string(), text, "from {document}"),
        // Fields that conditions leave out may leave nothing, for which GraphQL has no text; and where a variable has a default, it is
        // the default that lets it stand in a place that is not null.
        Err(_) if document.contains(['@', '$']) => {}
        Err(refused) => panic!("{document}\nbecomes {text}\nwhich is refused: {refused}"),
    }
}
