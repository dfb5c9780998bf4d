//! Literals as values of the engine.

use async_graphql::{Name, Value as ConstValue};
use async_graphql_value::{Number, Value};

use crate::{
    ast::{self, ValueKind},
    coerce::{self, with_defaults},
    schema::{Kind, Schema, Ty},
};

/// A number as it is written. One that is greater than all numbers of the engine is null, and validation refuses it.
pub(crate) fn number(text: &str) -> Option<Number> {
    // The engine takes `-0` for a number with a fraction, which no `Int` is.
    if text == "-0" {
        return Some(0.into());
    }
    serde_json::from_str(text).ok()
}

/// A constant of a type that is not known, or that takes anything.
pub(crate) fn untyped_constant(value: &ast::Value<'_>) -> ConstValue {
    untyped(value).into_const().unwrap_or_default()
}

/// A literal of a type that is not known, or that takes anything.
pub(crate) fn untyped(value: &ast::Value<'_>) -> Value {
    match &value.kind {
        ValueKind::Variable(name) => Value::Variable(Name::new(name)),
        ValueKind::Int(text) | ValueKind::Float(text) => {
            number(text).map_or(Value::Null, Value::Number)
        }
        ValueKind::String(text, _) => Value::String(text.clone().into_owned()),
        ValueKind::Boolean(boolean) => Value::Boolean(*boolean),
        ValueKind::Null => Value::Null,
        ValueKind::Enum(name) => Value::Enum(Name::new(name)),
        ValueKind::List(items) => Value::List(items.iter().map(untyped).collect()),
        ValueKind::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|field| (Name::new(field.name.text), untyped(&field.value)))
                .collect(),
        ),
    }
}

/// A valid literal of this type: one item is a list where a list is wanted, a number is a string where an `ID` is.
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

/// A valid constant of this type, with the defaults of what it leaves out.
pub(crate) fn typed_constant(schema: &Schema, value: &ast::Value<'_>, ty: &Ty) -> ConstValue {
    let value = typed(schema, value, ty).into_const().unwrap_or_default();
    with_defaults(schema, value, ty)
}

/// Makes the schema's default values, as they were read, values of their types.
pub(crate) fn read_defaults(schema: &mut Schema) {
    let read: Vec<_> = schema
        .inputs()
        .map(|input| {
            let default = input.default.clone()?;
            Some(coerce::default(schema, default, &input.ty))
        })
        .collect();
    for (input, default) in schema.inputs_mut().zip(read) {
        input.default = default;
    }
}

/// Whether a literal can be a value of the scalar, and what it is not if it cannot.
pub(crate) fn refusal_of_scalar(name: &str, kind: Kind, value: &ast::Value<'_>) -> Option<String> {
    debug_assert_eq!(kind, Kind::Scalar);
    let shown = || crate::print::literal(value);
    match (name, &value.kind) {
        ("Int", ValueKind::Int(text)) => match text.parse::<i32>() {
            Ok(_) => None,
            Err(_) => Some(format!(
                "Int cannot represent non 32-bit signed integer value: {text}"
            )),
        },
        ("Int", _) => Some(format!(
            "Int cannot represent non-integer value: {}",
            shown()
        )),
        ("Float", ValueKind::Int(text) | ValueKind::Float(text)) => {
            let is_finite = number(text).is_some();
            (!is_finite).then(|| format!("Float cannot represent non numeric value: {text}"))
        }
        ("Float", _) => Some(format!(
            "Float cannot represent non numeric value: {}",
            shown()
        )),
        ("String", ValueKind::String(..)) | ("Boolean", ValueKind::Boolean(_)) => None,
        ("String", _) => Some(format!(
            "String cannot represent a non string value: {}",
            shown()
        )),
        ("Boolean", _) => Some(format!(
            "Boolean cannot represent a non boolean value: {}",
            shown()
        )),
        ("ID", ValueKind::String(..) | ValueKind::Int(_)) => None,
        ("ID", _) => Some(format!(
            "ID cannot represent a non-string and non-integer value: {}",
            shown()
        )),
        _ => None,
    }
}
