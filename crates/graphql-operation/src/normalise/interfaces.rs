//! `interfaces` of an interface, about which the engine says nothing.
//!
//! The specification asks for a list, which is empty for most interfaces; the engine answers null, as for types that cannot have
//! any. So a normalised operation also asks for the kind of each type whose interfaces it asks for, under a name that no client may
//! use, and the answer is put right before anybody sees it.

use async_graphql::{
    Name, Positioned, Response, Value,
    parser::types::{self, Selection},
};

use super::{Items, Normalising};
use crate::schema::TypeId;

/// Before the response key of the `interfaces` that are meant.
const KIND_OF: &str = "__kindOf_";

impl Normalising<'_> {
    /// Adds what is asked for beside `interfaces`.
    pub(super) fn ask_for_kinds(&mut self, parent: TypeId, items: &mut Items) {
        if &*self.schema.ty(parent).name != "__Type" {
            return;
        }
        let kinds = items.iter().filter_map(|item| match &item.node {
            Selection::Field(field) if field.node.name.node.as_str() == "interfaces" => {
                let key = field.node.response_key();
                let name = |name: String| key.position_node(Name::new(name));
                let kind = types::Field {
                    alias: Some(name(format!("{KIND_OF}{}", key.node))),
                    name: name("kind".to_owned()),
                    arguments: Vec::new(),
                    directives: Vec::new(),
                    selection_set: Positioned::default(),
                };
                let field = key.position_node(kind);
                Some(key.position_node(Selection::Field(field)))
            }
            _ => None,
        });
        let kinds: Vec<_> = kinds.collect();
        self.asks_for_kinds |= !kinds.is_empty();
        items.extend(kinds);
    }
}

/// Puts right what was answered, and takes out what was asked for beside it.
pub(crate) fn put_right(response: &mut Response) {
    of_value(&mut response.data);
}

fn of_value(value: &mut Value) {
    match value {
        Value::List(items) => items.iter_mut().for_each(of_value),
        Value::Object(fields) => {
            let kinds = fields.keys().filter(|key| key.starts_with(KIND_OF));
            for key in kinds.cloned().collect::<Vec<_>>() {
                let kind = fields.shift_remove(&key);
                let is_interface = match &kind {
                    Some(Value::Enum(kind)) => kind.as_str() == "INTERFACE",
                    Some(Value::String(kind)) => kind == "INTERFACE",
                    _ => false,
                };
                if is_interface
                    && let Some(interfaces) = fields.get_mut(&key.as_str()[KIND_OF.len()..])
                    && *interfaces == Value::Null
                {
                    *interfaces = Value::List(Vec::new());
                }
            }
            fields.values_mut().for_each(of_value);
        }
        _ => {}
    }
}
