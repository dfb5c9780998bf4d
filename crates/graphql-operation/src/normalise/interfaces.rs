//! `interfaces` of an interface, about which the engine says nothing.
//!
//! The specification asks for a list, which is empty for most interfaces; the engine answers null, as for types that cannot have
//! any. So a normalised operation also asks for the name of each type whose `interfaces` it asks for; and, for each interface that
//! another one implements, it asks at the root what it asks of those `interfaces`. The answer is put together, and
//! what the client did not ask for is taken out, before anybody sees it.

use std::borrow::Cow;

use async_graphql::{
    Name, Positioned, Response, Value,
    parser::types::{self, Selection},
};
use async_graphql_value::Value as Argument;

use super::{Groups, Items, Normalising, Unwritten};
use crate::{
    ast,
    schema::{Kind, Schema, TypeId},
};

/// What the response keys start with that are made here. A document that has such keys itself gets a longer one.
const BESIDE: &str = "__interfaces";

/// The `interfaces` of a type that an operation asks for, and what is asked for beside them.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The response keys that lead to the type.
    way: Vec<Name>,
    /// The response key of its `interfaces`.
    interfaces: Name,
    /// The response key of its name, which is asked for beside.
    name: Name,
    /// Interfaces that others implement, each with the response key at the root under which it is asked for.
    implemented: Vec<(TypeId, Name)>,
}

impl<'d> Normalising<'d> {
    /// Adds what is asked for beside `interfaces` in a selection on `__Type`.
    pub(super) fn ask_beside_interfaces(
        &mut self,
        groups: &Groups<'d>,
        parent: TypeId,
        items: &mut Items,
    ) -> Result<(), Unwritten> {
        for group in &groups.list {
            let field = group[0];
            if field.name.text != "interfaces" {
                continue;
            }
            let sets: Vec<_> = group
                .iter()
                .filter_map(|one| one.selections.as_ref())
                .collect();
            let at = types::Field {
                alias: None,
                name: Positioned::new(Name::new("name"), field.pos.into()),
                arguments: Vec::new(),
                directives: Vec::new(),
                selection_set: Positioned::default(),
            };
            let (name, item) = self.beside(&at);
            items.push(item);
            let mut implemented = Vec::new();
            for interface in implemented_by_interfaces(self.schema) {
                let (key, item) = self.interface(interface, &sets, parent, &at)?;
                self.beside_root.push(item);
                implemented.push((interface, key));
            }
            self.asked.push(Asked {
                way: self.way.iter().map(Name::new).collect(),
                interfaces: Name::new(field.response_key()),
                name,
                implemented,
            });
        }
        Ok(())
    }

    /// `__type` for an interface, with these selections.
    fn interface(
        &mut self,
        interface: TypeId,
        sets: &[&'d ast::SelectionSet<'d>],
        parent: TypeId,
        at: &types::Field,
    ) -> Result<(Name, Positioned<Selection>), Unwritten> {
        let position = &at.name;
        let argument = Argument::String(self.schema.ty(interface).name.to_string());
        let mut asked = types::Field {
            name: position.position_node(Name::new("__type")),
            arguments: vec![(position.clone(), position.position_node(argument))],
            ..at.clone()
        };
        let (key, _) = self.beside(&asked);
        let there = vec![Cow::Owned(key.to_string())];
        let here = std::mem::replace(&mut self.way, there);
        let items = self.sets(sets, parent)?;
        self.way = here;
        asked.alias = Some(position.position_node(key.clone()));
        asked.selection_set = position.position_node(types::SelectionSet { items });
        let item = Selection::Field(position.position_node(asked));
        Ok((key, position.position_node(item)))
    }

    /// A field under a response key that the document does not have.
    fn beside(&mut self, field: &types::Field) -> (Name, Positioned<Selection>) {
        let prefix = self.beside_prefix.get_or_insert_with(|| {
            let mut prefix = BESIDE.to_owned();
            while self.document.has_key_like(&prefix) {
                prefix.push('_');
            }
            prefix
        });
        self.fields += 1;
        let key = Name::new(format!("{prefix}{}", self.fields));
        let mut field = field.clone();
        let position = field.name.clone();
        field.alias = Some(position.position_node(key.clone()));
        let item = Selection::Field(position.position_node(field));
        (key, position.position_node(item))
    }
}

/// The interfaces that other interfaces implement.
fn implemented_by_interfaces(schema: &Schema) -> Vec<TypeId> {
    let interfaces = schema
        .types()
        .filter(|(_, ty)| ty.kind == Kind::Interface)
        .flat_map(|(_, ty)| ty.interfaces.iter().copied());
    let mut interfaces: Vec<_> = interfaces.collect();
    interfaces.sort_unstable();
    interfaces.dedup();
    interfaces
}

/// Puts right what was answered, and takes out what was asked for beside it.
pub(crate) fn put_right(response: &mut Response, schema: &Schema, asked: &[Asked]) {
    // What is asked for inside other interfaces stands before those.
    for one in asked {
        let Value::Object(root) = &mut response.data else {
            return;
        };
        let implemented: Vec<(TypeId, Value)> = one
            .implemented
            .iter()
            .filter_map(|(interface, key)| Some((*interface, root.shift_remove(key)?)))
            .collect();
        each(&mut response.data, &one.way, &mut |ty| {
            of_type(ty, schema, one, &implemented);
        });
    }
}

fn of_type(ty: &mut Value, schema: &Schema, asked: &Asked, implemented: &[(TypeId, Value)]) {
    let Value::Object(fields) = ty else {
        return;
    };
    let Some(Value::String(name)) = fields.shift_remove(&asked.name) else {
        return;
    };
    let ty = schema.find(&name).map(|id| schema.ty(id));
    let (Some(ty), Some(interfaces)) = (ty, fields.get_mut(&asked.interfaces)) else {
        return;
    };
    if ty.kind == Kind::Interface && *interfaces == Value::Null {
        let of = |id: &TypeId| implemented.iter().find(|(interface, _)| interface == id);
        let interfaces_of_it = ty.interfaces.iter().filter_map(of);
        *interfaces = Value::List(interfaces_of_it.map(|(_, value)| value.clone()).collect());
    }
}

/// Calls `work` with each value at the end of a way of response keys, through lists.
fn each(value: &mut Value, way: &[Name], work: &mut impl FnMut(&mut Value)) {
    match (value, way) {
        (Value::List(items), _) => items.iter_mut().for_each(|item| each(item, way, work)),
        (value, []) => work(value),
        (Value::Object(fields), [key, further @ ..]) => {
            if let Some(value) = fields.get_mut(key) {
                each(value, further, work);
            }
        }
        _ => {}
    }
}
