//! Default values of arguments and of the fields of input objects.

use async_graphql::{Name, Value, indexmap::IndexMap};

use super::definition::{InputDefinition, Kind, Schema, Ty};
use crate::built_in;

/// How deep the defaults of input objects may be nested. It ends the recursion for a wrong schema whose defaults contain themselves.
const MOST_DEFAULTS: usize = 32;

/// Coerces the schema's default values to their types.
pub(super) fn read(schema: &mut Schema) {
    let read: Vec<_> = schema
        .inputs()
        .map(|input| {
            let default = input.default.clone()?;
            Some(with_defaults(schema, default, &input.ty))
        })
        .collect();
    for (input, default) in schema.inputs_mut().zip(read) {
        input.default = default;
    }
}

/// A valid value, with the defaults of the fields that its input objects leave out.
pub(crate) fn with_defaults(schema: &Schema, value: Value, ty: &Ty) -> Value {
    with_defaults_within(schema, value, ty, MOST_DEFAULTS)
}

fn with_defaults_within(schema: &Schema, value: Value, ty: &Ty, further: usize) -> Value {
    match (value, ty.nullable()) {
        (Value::Null, _) => Value::Null,
        (Value::List(items), Ty::List(inner)) => {
            let items = items.into_iter();
            Value::List(
                items
                    .map(|item| with_defaults_within(schema, item, inner, further))
                    .collect(),
            )
        }
        (value, Ty::List(inner)) => {
            Value::List(vec![with_defaults_within(schema, value, inner, further)])
        }
        (Value::Object(mut given), Ty::Named(id)) if further > 0 => {
            let definition = schema.ty(*id);
            if definition.kind != Kind::InputObject {
                return Value::Object(given);
            }
            let mut read = IndexMap::with_capacity(given.len());
            for input in definition.inputs.iter() {
                let value = given
                    .shift_remove(&*input.name)
                    .or_else(|| input.default.clone());
                if let Some(value) = value {
                    let value = with_defaults_within(schema, value, &input.ty, further - 1);
                    read.insert(Name::new(&input.name), value);
                }
            }
            Value::Object(read)
        }
        (value, Ty::Named(id)) => {
            built_in::coerce(&schema.ty(*id).name, value).unwrap_or_else(|(value, _)| value)
        }
        (value, Ty::NonNull(_)) => value,
    }
}

impl Schema {
    /// As [`Schema::inputs_mut`], in the same order.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &InputDefinition> {
        let of_types = self.types.iter().flat_map(|ty| {
            let arguments = ty.fields.iter().flat_map(|field| field.arguments.iter());
            arguments.chain(ty.inputs.iter())
        });
        let of_directives = self
            .directives
            .values()
            .flat_map(|directive| directive.arguments.iter());
        of_types.chain(of_directives)
    }

    /// Everything that can have a default value: arguments of fields and directives, and fields of input objects.
    pub(crate) fn inputs_mut(&mut self) -> impl Iterator<Item = &mut InputDefinition> {
        let of_types = self.types.iter_mut().flat_map(|ty| {
            let arguments = ty
                .fields
                .iter_mut()
                .flat_map(|field| field.arguments.iter_mut());
            arguments.chain(ty.inputs.iter_mut())
        });
        let of_directives = self
            .directives
            .values_mut()
            .flat_map(|directive| directive.arguments.iter_mut());
        of_types.chain(of_directives)
    }
}
