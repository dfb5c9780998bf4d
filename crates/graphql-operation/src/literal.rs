//! Literals as values of the engine, if their type is not known. `typed_literal` is for those of a known type.

use async_graphql::{Name, Value as ConstValue};
use async_graphql_value::{Number, Value};

use crate::ast::{self, ValueKind};

/// The number that a literal writes. `None` for one that is beyond the engine's numbers, which validation refuses.
pub(crate) fn number(text: &str) -> Option<Number> {
    // The engine reads `-0` as a number with a fraction, which is not an `Int`.
    if text == "-0" {
        return Some(0.into());
    }
    serde_json::from_str(text).ok()
}

/// A constant whose type is not known, or accepts anything.
pub(crate) fn untyped_constant(value: &ast::Value<'_>) -> ConstValue {
    untyped(value).into_const().unwrap_or_default()
}

/// A literal whose type is not known, or accepts anything.
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

/// The error of a literal that cannot be a value of the scalar; `None` if it can.
pub(crate) fn refusal_of_scalar(name: &str, value: &ast::Value<'_>) -> Option<String> {
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
