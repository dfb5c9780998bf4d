//! `interfaces` of an interface, about which the engine says nothing.
//!
//! The specification asks for a list, which is empty for most interfaces; the engine answers null, as for types that cannot have
//! any. So a normalised operation also asks for the name of each type whose `interfaces` it asks for; and, for each interface that
//! another one implements, it asks at the root what it asks of those `interfaces`. The answer is put together, and
//! what the client did not ask for is taken out, before anybody sees it.

use async_graphql::{Name, Response, Value};

use crate::schema::{Kind, Schema, TypeId};

/// The `interfaces` of a type that an operation asks for, and what is asked for beside them.
#[derive(Debug)]
pub(crate) struct InterfacesField {
    /// The response keys that lead to the type.
    pub(super) way: Vec<Name>,
    /// The response key of its `interfaces`.
    pub(super) interfaces: Name,
    /// The response key of its name, which is asked for beside.
    pub(super) name: Name,
    /// Interfaces that others implement, each with the response key at the root under which it is asked for.
    pub(super) implemented: Vec<(TypeId, Name)>,
}

/// Puts right what was answered, and takes out what was asked for beside it.
pub(crate) fn complete(response: &mut Response, schema: &Schema, asked: &[InterfacesField]) {
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
