//! Documents that ask for everything that the schema has, made from the schema itself: what is added to it is asked for, too.

use std::collections::BTreeMap;

use serde_json::{Value, json};

const SCHEMA: &str = "{ __schema { types { kind name
    fields(includeDeprecated: true) { name args { name defaultValue type { ...T } } type { ...T } }
    possibleTypes { name }
} } }
fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// The types of a schema.
pub(super) struct Types(BTreeMap<String, Value>);

impl Types {
    pub(super) async fn of(ledger: &super::Ledger) -> Self {
        let mut schema = super::data(ledger, super::ALL, SCHEMA, json!({})).await;
        let types = schema["__schema"]["types"].take();
        let types = types.as_array().unwrap().iter();
        Self(
            types
                .map(|it| (it["name"].as_str().unwrap().to_owned(), it.clone()))
                .collect(),
        )
    }

    /// A query for each field of `Query`, with everything below it that needs no argument, so many objects deep. `arguments` has those of fields
    /// that need some.
    pub(super) fn queries(&self, arguments: &[(&str, Vec<String>)], depth: usize) -> Vec<String> {
        let fields = self.0["Query"]["fields"].as_array().unwrap();
        let mut queries = Vec::new();
        for field in fields {
            let name = field["name"].as_str().unwrap();
            let given = arguments.iter().find(|(of, _)| *of == name);
            let given = given.map(|(_, given)| given.clone());
            let given = given.unwrap_or_else(|| {
                assert!(!needs_arguments(field), "give arguments of {name}");
                vec![String::new()]
            });
            let selection = self.selection(named(&field["type"]), depth);
            for arguments in given {
                queries.push(format!("{{ {name}{arguments}{selection} }}"));
            }
        }
        queries
    }

    fn selection(&self, of: &str, depth: usize) -> String {
        let of = &self.0[of];
        match of["kind"].as_str().unwrap() {
            "OBJECT" => format!(" {{ __typename {} }}", self.fields(of, depth)),
            "INTERFACE" | "UNION" => {
                let kinds = of["possibleTypes"].as_array().unwrap().iter();
                let kinds = kinds.map(|kind| {
                    let name = kind["name"].as_str().unwrap();
                    // Fields of two types may have one name, and not one type.
                    let leaves = self.fields(&self.0[name], 1);
                    let leaves = leaves
                        .split(' ')
                        .map(|leaf| format!("{name}_{leaf}: {leaf}"));
                    format!(
                        "... on {name} {{ {} }}",
                        leaves.collect::<Vec<_>>().join(" ")
                    )
                });
                let kinds: Vec<_> = kinds.collect();
                format!(" {{ __typename {} }}", kinds.join(" "))
            }
            _ => String::new(),
        }
    }

    fn fields(&self, of: &Value, depth: usize) -> String {
        let fields = of["fields"].as_array().unwrap().iter();
        let fields = fields.filter(|field| !needs_arguments(field));
        let fields = fields.filter_map(|field| {
            let name = field["name"].as_str().unwrap();
            let kind = named(&field["type"]);
            let is_leaf = matches!(self.0[kind]["kind"].as_str().unwrap(), "SCALAR" | "ENUM");
            if is_leaf {
                return Some(name.to_owned());
            }
            (depth > 1).then(|| format!("{name}{}", self.selection(kind, depth - 1)))
        });
        fields.collect::<Vec<_>>().join(" ")
    }
}

fn needs_arguments(field: &Value) -> bool {
    let arguments = field["args"].as_array().unwrap();
    let mut arguments = arguments.iter();
    arguments.any(|it| it["type"]["kind"] == "NON_NULL" && it["defaultValue"].is_null())
}

/// The name of a type without lists and exclamation marks.
fn named(of: &Value) -> &str {
    match of["name"].as_str() {
        Some(name) => name,
        None => named(&of["ofType"]),
    }
}
