//! Literals as values of the engine, if their type is known.

use async_graphql::{Name, Value as ConstValue};
use async_graphql_value::Value;

use crate::{
    ast::{self, ValueKind},
    literal::untyped,
    schema::{Schema, Ty, with_defaults},
};

/// A valid literal of this type. A single item becomes a list if a list is expected, and a number becomes a string if an `ID` is expected.
pub(crate) fn typed(schema: &Schema, value: &ast::Value<'_>, ty: &Ty) -> Value {
    match (&value.kind, ty.nullable()) {
        (ValueKind::Variable(_) | ValueKind::Null, _) => untyped(value),
        (ValueKind::List(items), Ty::List(inner)) => {
            let items = items.iter().map(|item| typed(schema, item, inner));
            Value::List(items.collect())
        }
        (_, Ty::List(inner)) => Value::List(vec![typed(schema, value, inner)]),
        (ValueKind::Object(fields), Ty::Named(id)) => {
            let definition = schema.ty(*id);
            let fields = fields.iter().map(|field| {
                let name = field.name.text;
                let value = match definition.inputs.get(name) {
                    Some(input) => typed(schema, &field.value, &input.ty),
                    None => untyped(&field.value),
                };
                (Name::new(name), value)
            });
            Value::Object(fields.collect())
        }
        (ValueKind::Int(text), Ty::Named(id)) if &*schema.ty(*id).name == "ID" => {
            Value::String((*text).to_owned())
        }
        (_, Ty::Named(_) | Ty::NonNull(_)) => untyped(value),
    }
}

/// A valid constant of this type, with the defaults of the fields that it leaves out.
pub(crate) fn typed_constant(schema: &Schema, value: &ast::Value<'_>, ty: &Ty) -> ConstValue {
    let value = typed(schema, value, ty).into_const().unwrap_or_default();
    with_defaults(schema, value, ty)
}
