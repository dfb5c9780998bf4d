//! `schema.graphql` is what the code makes, and everything in it is described.

use daybook::{graphql, ledger::Clock};
use serde_json::Value;

/// `schema.graphql` is the schema. When this fails after a wanted change, write the file anew:
///
/// ```sh
/// cargo run -- schema > schema.graphql
/// ```
#[test]
fn schema_graphql_is_current() {
    let written = include_str!("../../schema.graphql");
    let made = graphql::sdl();
    let difference = made
        .lines()
        .zip(written.lines())
        .find(|(made, written)| made != written);
    assert!(
        made == written,
        "schema.graphql is not what the code makes (first difference: {difference:?}); if the change is wanted, run: \
         cargo run -- schema > schema.graphql"
    );
}

/// Every type, field, argument, input field and enum value has a description.
#[tokio::test]
async fn everything_is_described() {
    let schema = graphql::schema(Clock::system()).finish();
    let query = "{ __schema { types { name description kind
        fields { name description args { name description } }
        inputFields { name description }
        enumValues { name description } } } }";
    let response = schema.execute(query).await.data.into_json().unwrap();
    let described = |value: &Value| {
        value["description"]
            .as_str()
            .is_some_and(|text| !text.trim().is_empty())
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut missing = Vec::new();
    for ty in list(&response["__schema"]["types"]) {
        let name = ty["name"].as_str().unwrap().to_owned();
        let built_in = ["Boolean", "Float", "ID", "Int", "String"];
        if name.starts_with("__") || built_in.contains(&name.as_str()) {
            continue;
        }
        if !described(&ty) {
            missing.push(name.clone());
        }
        for kind in ["fields", "inputFields", "enumValues"] {
            for member in list(&ty[kind]) {
                let member_name = format!("{name}.{}", member["name"].as_str().unwrap());
                for argument in list(&member["args"]) {
                    if !described(&argument) {
                        missing.push(format!(
                            "{member_name}({})",
                            argument["name"].as_str().unwrap()
                        ));
                    }
                }
                if !described(&member) {
                    missing.push(member_name);
                }
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new(), "these have no description");
}
