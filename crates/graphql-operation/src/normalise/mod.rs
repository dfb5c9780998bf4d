//! Writes an operation anew, so that an engine has nothing left to read wrongly.
//!
//! At every level the fields are collected as execution collects them (specification, "Field Collection"): `@skip` and
//! `@include` are applied, fragments are opened, and fields with one response key are one field, whose selections are merged. Where
//! the type is an interface or a union, fields that only some objects have stand in one inline fragment per object. What the
//! response has, and in which order, does not change; positions are those of the first field of a group.

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
    conditions::conditions, interfaces::complete, normalising::Unwritten, template::Template,
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
) -> Result<Template, Unwritten> {
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
        way: Vec::new(),
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
        return Err(Unwritten::TooLarge);
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
