//! Coerces the variables of a request to their types (specification, "Coercing Variable Values" and "Input Coercion" of each type).
//!
//! Coercing a coerced value changes nothing, so an operation that is run again may be coerced again.

use async_graphql::{Name, Value, indexmap::IndexMap};

use crate::{
    built_in::{self, shown, whole},
    scalars::Scalars,
    schema::{Kind, Schema, Ty, TypeId},
    suggest,
};

/// The most errors that are reported.
const MOST_ERRORS: usize = 20;

/// A value that is not of its type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InputError {
    pub(crate) path: Vec<Segment>,
    /// The value, shortened.
    pub(crate) value: String,
    pub(crate) message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Name(String),
    Index(usize),
}

/// `input.lines[0].amount`
pub(crate) fn show_path(path: &[Segment]) -> String {
    use std::fmt::Write;
    let mut shown = String::new();
    for segment in path {
        match segment {
            Segment::Name(name) => {
                if !shown.is_empty() {
                    shown.push('.');
                }
                shown.push_str(name);
            }
            Segment::Index(index) => {
                // Writing to a string cannot fail.
                let _ = write!(shown, "[{index}]");
            }
        }
    }
    shown
}

/// The path as a value, for `extensions`.
pub(crate) fn path_value(path: &[Segment]) -> Value {
    let segments = path.iter().map(|segment| match segment {
        Segment::Name(name) => Value::String(name.clone()),
        Segment::Index(index) => Value::from(*index),
    });
    Value::List(segments.collect())
}

/// Coerces values, and collects errors.
pub(crate) struct Coercing<'s> {
    pub(crate) schema: &'s Schema,
    pub(crate) scalars: &'s Scalars,
    pub(crate) path: Vec<Segment>,
    pub(crate) errors: Vec<InputError>,
}

impl Coercing<'_> {
    pub(crate) fn value(&mut self, value: Value, ty: &Ty) -> Value {
        match (value, ty) {
            (Value::Null, Ty::NonNull(_)) => {
                let shown = self.schema.show(ty);
                self.wrong(
                    &Value::Null,
                    format!("Expected non-nullable type \"{shown}\" not to be null."),
                )
            }
            (value, Ty::NonNull(inner)) => self.value(value, inner),
            (Value::Null, _) => Value::Null,
            (Value::List(items), Ty::List(inner)) => {
                let items = items.into_iter().enumerate().map(|(index, item)| {
                    self.path.push(Segment::Index(index));
                    let item = self.value(item, inner);
                    self.path.pop();
                    item
                });
                Value::List(items.collect())
            }
            (value, Ty::List(inner)) => Value::List(vec![self.value(value, inner)]),
            (value, Ty::Named(id)) => match self.schema.ty(*id).kind {
                Kind::InputObject => self.object(value, *id),
                Kind::Enum => self.enumeration(&value, *id),
                _ => self.scalar(value, *id),
            },
        }
    }

    fn object(&mut self, value: Value, id: TypeId) -> Value {
        let schema = self.schema;
        let definition = schema.ty(id);
        let name = &definition.name;
        let Value::Object(mut given) = value else {
            return self.wrong(&value, format!("Expected type \"{name}\" to be an object."));
        };
        let mut coerced = IndexMap::with_capacity(given.len());
        for input in definition.inputs.iter() {
            let Some(value) = given.shift_remove(&*input.name) else {
                if let Some(default) = &input.default {
                    coerced.insert(Name::new(&input.name), default.clone());
                } else if input.ty.is_non_null() {
                    let (ty, field) = (schema.show(&input.ty), &input.name);
                    let message =
                        format!("Field \"{field}\" of required type \"{ty}\" was not provided.");
                    self.wrong(&Value::Object(coerced.clone()), message);
                }
                continue;
            };
            self.path.push(Segment::Name(input.name.to_string()));
            let value = self.value(value, &input.ty);
            self.path.pop();
            coerced.insert(Name::new(&input.name), value);
        }
        for unknown in given.keys() {
            let message = unknown_field(schema, id, unknown);
            self.wrong(&Value::Null, message);
        }
        if definition.is_one_of {
            let mut given = coerced.iter();
            match (given.next(), given.next()) {
                (Some((field, Value::Null)), None) => {
                    let message = format!("Field \"{field}\" must be non-null.");
                    self.path.push(Segment::Name(field.to_string()));
                    self.wrong(&Value::Null, message);
                    self.path.pop();
                }
                (Some(_), None) => {}
                _ => {
                    let message =
                        format!("Exactly one key must be specified for OneOf type \"{name}\".");
                    self.wrong(&Value::Object(coerced.clone()), message);
                }
            }
        }
        Value::Object(coerced)
    }

    fn enumeration(&mut self, value: &Value, id: TypeId) -> Value {
        let definition = self.schema.ty(id);
        let name = match value {
            Value::String(name) => name.as_str(),
            Value::Enum(name) => name.as_str(),
            other => {
                let message = format!(
                    "Enum \"{}\" cannot represent non-string value: {}.",
                    definition.name,
                    shown(other)
                );
                return self.wrong(value, message);
            }
        };
        if definition.values.iter().any(|known| **known == *name) {
            return Value::Enum(Name::new(name));
        }
        let message = unknown_enum_value(self.schema, id, name);
        self.wrong(value, message)
    }

    fn scalar(&mut self, value: Value, id: TypeId) -> Value {
        let name = &*self.schema.ty(id).name;
        match built_in::coerce(name, value) {
            Ok(value) => {
                let Some(message) = self.scalars.refusal(name, &value) else {
                    return value;
                };
                // JSON has one kind of number: `1e2` and `100.0` are 100, whichever way a client's library writes it.
                let whole = match &value {
                    Value::Number(number) if number.is_f64() => whole(number).map(Value::from),
                    _ => None,
                };
                match whole {
                    Some(whole) if self.scalars.refusal(name, &whole).is_none() => whole,
                    _ => self.wrong(&value, message),
                }
            }
            Err((value, message)) => self.wrong(&value, message),
        }
    }

    fn wrong(&mut self, value: &Value, message: String) -> Value {
        if self.errors.len() < MOST_ERRORS {
            self.errors.push(InputError {
                path: self.path.clone(),
                value: shown(value),
                message,
            });
        }
        Value::Null
    }
}

pub(crate) fn unknown_field(schema: &Schema, id: TypeId, field: &str) -> String {
    let definition = schema.ty(id);
    let names = || definition.inputs.iter().map(|input| &*input.name);
    let hint = match suggest::did_you_mean(field, names()) {
        hint if hint.is_empty() => {
            let names: Vec<_> = names().take(30).map(|name| format!("\"{name}\"")).collect();
            format!(" Its fields are {}.", names.join(", "))
        }
        hint => hint,
    };
    format!(
        "Field \"{field}\" is not defined by type \"{}\".{hint}",
        definition.name
    )
}

pub(crate) fn unknown_enum_value(schema: &Schema, id: TypeId, value: &str) -> String {
    let definition = schema.ty(id);
    let names = || definition.values.iter().map(|value| &**value);
    let hint = match suggest::did_you_mean(value, names()) {
        hint if hint.is_empty() => {
            let names: Vec<_> = names().take(30).collect();
            format!(" Its values are {}.", names.join(", "))
        }
        hint => hint.replacen("Did you mean", "Did you mean the enum value", 1),
    };
    format!(
        "Value \"{value}\" does not exist in \"{}\" enum.{hint}",
        definition.name
    )
}
