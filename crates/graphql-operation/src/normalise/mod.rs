//! Normalises an operation: writes it in a form that the engine cannot misread.
//!
//! At every level, fields are collected as the specification says ("Field Collection"): `@skip` and `@include` are applied, fragments are
//! expanded, and fields with the same response key are merged into one, with their selections. On an interface or a union, fields that only
//! some objects get are written in inline fragments. The response keeps its fields and their order. A merged field has the position of the
//! first of its fields.

mod abstract_type;
mod ask_interfaces;
mod conditions;
mod interfaces;
mod normalising;
mod template;
mod values;

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name,
    parser::types::{self, DocumentOperations, ExecutableDocument, OperationDefinition},
};

use self::normalising::{Items, Normalising, positioned};
pub(crate) use self::{
    conditions::conditions, interfaces::complete, normalising::NotNormalised, template::Template,
};
use crate::{
    ast::{Document, Operation},
    schema::Schema,
};

/// Normalises one operation of a valid document. `conditions` has the value of each variable of `@skip` and `@include`.
pub(crate) fn normalise<'d>(
    schema: &'d Schema,
    document: &'d Document<'d>,
    operation: &'d Operation<'d>,
    conditions: &'d HashMap<Name, bool>,
) -> Result<Template, NotNormalised> {
    let fragments = document.fragments.iter();
    let mut normalising = Normalising {
        schema,
        document,
        conditions,
        fragments: fragments.map(|one| (one.name.text, one)).collect(),
        variables: HashMap::new(),
        used: HashSet::new(),
        optional: Vec::new(),
        not_null: Vec::new(),
        path: Vec::new(),
        beside_prefix: None,
        beside_root: Items::new(),
        asked: Vec::new(),
        fields: 0,
        text: 0,
    };
    for variable in &operation.variables {
        if let Some(ty) = schema.resolve(&variable.ty) {
            let is_optional = !ty.is_non_null() && variable.default.is_none();
            normalising
                .variables
                .insert(variable.name.text, (ty, is_optional));
        }
    }
    let Some(root) = schema.root(operation.kind) else {
        return Err(NotNormalised::TooLarge);
    };
    let items = normalising.sets(&[&operation.selections], root)?;
    let mut selection_set = positioned(operation.selections.pos, types::SelectionSet { items });
    let root_fields = root_fields(&selection_set.node);
    selection_set
        .node
        .items
        .append(&mut normalising.beside_root);
    let directives = normalising.directives(&operation.directives);
    let variable_definitions = normalising.definitions(operation);
    let definition = OperationDefinition {
        ty: operation.kind,
        variable_definitions,
        directives,
        selection_set,
    };
    let definition = positioned(operation.pos, definition);
    let operations = match operation.name {
        Some(name) => {
            let named = (Name::new(name.text), definition);
            DocumentOperations::Multiple(std::iter::once(named).collect())
        }
        None => DocumentOperations::Single(definition),
    };
    Ok(Template {
        document: ExecutableDocument {
            operations,
            fragments: std::collections::HashMap::default(),
        },
        root_fields,
        optional: normalising.optional,
        not_null: normalising.not_null,
        interfaces: normalising.asked,
        fields: normalising.fields,
        text: normalising.text,
    })
}

fn root_fields(set: &types::SelectionSet) -> Vec<(Name, Name)> {
    let fields = set.items.iter().filter_map(|item| match &item.node {
        types::Selection::Field(field) => Some((
            field.node.response_key().node.clone(),
            field.node.name.node.clone(),
        )),
        _ => None,
    });
    fields.collect()
}
