//! Completes the introspection field `interfaces` of interfaces.
//!
//! By the specification it is a list, which is empty for most interfaces. The engine answers null. So a normalised operation also selects
//! the name of each type whose `interfaces` it selects. And for each interface that another one implements, it selects at the root, by
//! `__type`, what it selects on `interfaces`. From this the list is made, and the additional fields are removed, before anybody sees the
//! response.

use async_graphql::{Name, Response, Value};

use crate::schema::{Kind, Schema, TypeId};

/// A selection of `interfaces`, and the additional fields for it.
#[derive(Debug)]
pub(crate) struct InterfacesField {
    /// The response keys of the path to the type.
    pub(super) path: Vec<Name>,
    /// The response key of its `interfaces`.
    pub(super) interfaces: Name,
    /// The response key of the type's name, an additional field.
    pub(super) name: Name,
    /// The interfaces that other interfaces implement, each with the response key of its additional field at the root.
    pub(super) implemented: Vec<(TypeId, Name)>,
}

/// Completes the response, and removes the additional fields.
pub(crate) fn complete(response: &mut Response, schema: &Schema, asked: &[InterfacesField]) {
    // In order: selections inside other interfaces come before those.
    for one in asked {
        let Value::Object(root) = &mut response.data else {
            return;
        };
        let implemented: Vec<(TypeId, Value)> = one
            .implemented
            .iter()
            .filter_map(|(interface, key)| Some((*interface, root.shift_remove(key)?)))
            .collect();
        each(&mut response.data, &one.path, &mut |ty| {
            of_type(ty, schema, one, &implemented);
        });
    }
}

fn of_type(
    ty: &mut Value,
    schema: &Schema,
    asked: &InterfacesField,
    implemented: &[(TypeId, Value)],
) {
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

/// Calls `work` with each value at a path of response keys, through lists.
fn each(value: &mut Value, path: &[Name], work: &mut impl FnMut(&mut Value)) {
    match (value, path) {
        (Value::List(items), _) => items.iter_mut().for_each(|item| each(item, path, work)),
        (value, []) => work(value),
        (Value::Object(fields), [key, further @ ..]) => {
            if let Some(value) = fields.get_mut(key) {
                each(value, further, work);
            }
        }
        _ => {}
    }
}
