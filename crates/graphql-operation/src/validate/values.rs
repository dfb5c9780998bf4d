//! Rules of literals.

use super::validator::{Use, Validator};
use crate::{
    ast::{Argument, Value, ValueKind},
    coerce::{Segment, path_value, show_path, unknown_enum_value, unknown_field},
    error::{Pos, Stage},
    literal, print,
    schema::{InputDefinition, Kind, Ty, TypeId},
};

/// The place of a value.
#[derive(Clone, Copy)]
struct Place<'d> {
    /// The definition whose variables it uses; `None` for a constant.
    definition: Option<usize>,
    ty: &'d Ty,
    /// Whether the place has a default, so that a variable without a value is allowed.
    has_default: bool,
    /// If the value is the only field of a OneOf input object, that input object.
    one_of: Option<TypeId>,
}

impl<'d> Validator<'d> {
    /// Checks the value of an argument.
    pub(super) fn argument_value(
        &mut self,
        value: &'d Value<'d>,
        definition: &'d InputDefinition,
        place: usize,
    ) {
        let mut path = vec![Segment::Name(definition.name.to_string())];
        let place = Place {
            definition: Some(place),
            ty: &definition.ty,
            has_default: definition.default.is_some(),
            one_of: None,
        };
        self.value(value, place, &mut path);
    }

    /// Checks a constant: the default of a variable.
    pub(super) fn literal(&mut self, value: &'d Value<'d>, ty: &Ty, name: &str) {
        // Constants have no variables, so the type need not outlive this call.
        let mut path = vec![Segment::Name(name.to_owned())];
        self.constant(value, ty, &mut path);
    }

    fn value(&mut self, value: &'d Value<'d>, place: Place<'d>, path: &mut Vec<Segment>) {
        let ty = place.ty;
        match &value.kind {
            ValueKind::Variable(name) => {
                if let Some(definition) = place.definition {
                    self.uses[definition].push(Use {
                        name,
                        pos: value.pos,
                        ty: Some(ty),
                        has_default: place.has_default,
                        one_of: place.one_of,
                    });
                }
            }
            ValueKind::List(items) if ty.is_list() => {
                let Ty::List(inner) = ty.nullable() else {
                    return;
                };
                for (index, item) in items.iter().enumerate() {
                    path.push(Segment::Index(index));
                    let place = Place {
                        ty: inner,
                        has_default: false,
                        one_of: None,
                        ..place
                    };
                    self.value(item, place, path);
                    path.pop();
                }
            }
            ValueKind::Object(fields) if self.is_object(ty) => {
                let id = ty.base();
                let schema = self.schema;
                self.object(fields, value.pos, id);
                for field in fields {
                    let Some(input) = schema.ty(id).inputs.get(field.name.text) else {
                        self.untyped_in(&field.value, place.definition);
                        continue;
                    };
                    path.push(Segment::Name(input.name.to_string()));
                    let place = Place {
                        definition: place.definition,
                        ty: &input.ty,
                        has_default: input.default.is_some(),
                        one_of: schema.ty(id).is_one_of.then_some(id),
                    };
                    self.value(&field.value, place, path);
                    path.pop();
                }
            }
            _ => {
                self.leaf(value, ty, path);
                self.untyped_in(value, place.definition);
            }
        }
    }

    fn constant(&mut self, value: &'d Value<'d>, ty: &Ty, path: &mut Vec<Segment>) {
        match &value.kind {
            ValueKind::List(items) if ty.is_list() => {
                let Ty::List(inner) = ty.nullable() else {
                    return;
                };
                for (index, item) in items.iter().enumerate() {
                    path.push(Segment::Index(index));
                    self.constant(item, inner, path);
                    path.pop();
                }
            }
            ValueKind::Object(fields) if self.is_object(ty) => {
                let id = ty.base();
                let schema = self.schema;
                self.object(fields, value.pos, id);
                for field in fields {
                    if let Some(input) = schema.ty(id).inputs.get(field.name.text) {
                        path.push(Segment::Name(input.name.to_string()));
                        self.constant(&field.value, &input.ty, path);
                        path.pop();
                    }
                }
            }
            _ => {
                self.leaf(value, ty, path);
                self.untyped_in(value, None);
            }
        }
    }

    fn is_object(&self, ty: &Ty) -> bool {
        self.schema.ty(ty.base()).kind == Kind::InputObject
    }

    /// Checks the fields of an input object: each must be known and appear once, and required ones must be there.
    fn object(&mut self, fields: &'d [Argument<'d>], pos: Pos, id: TypeId) {
        let schema = self.schema;
        let definition = schema.ty(id);
        self.unique_fields(fields);
        for field in fields {
            if definition.inputs.get(field.name.text).is_none() {
                let message = unknown_field(schema, id, field.name.text);
                self.error(message, &[field.name.pos]);
            }
        }
        let is_given = |name: &str| fields.iter().any(|field| field.name.text == name);
        for input in definition.inputs.iter() {
            if input.is_required() && !is_given(&input.name) {
                let ty = schema.show(&input.ty);
                self.error(
                    format!(
                        "Field \"{}.{}\" of required type \"{ty}\" was not provided.",
                        definition.name, input.name
                    ),
                    &[pos],
                );
            }
        }
        if definition.is_one_of {
            match fields {
                [one] => {
                    if matches!(one.value.kind, ValueKind::Null) {
                        let (ty, field) = (&definition.name, one.name.text);
                        self.error(format!("Field \"{ty}.{field}\" must be non-null."), &[pos]);
                    }
                }
                _ => self.error(
                    format!(
                        "OneOf Input Object \"{}\" must specify exactly one key.",
                        definition.name
                    ),
                    &[pos],
                ),
            }
        }
    }

    fn unique_fields(&mut self, fields: &'d [Argument<'d>]) {
        let names = fields.iter().map(|field| field.name);
        self.unique(names, |name| {
            format!("There can be only one input field named \"{name}\".")
        });
    }

    /// Checks a value that is not a variable, a list or an input object.
    fn leaf(&mut self, value: &'d Value<'d>, ty: &Ty, path: &[Segment]) {
        let schema = self.schema;
        if matches!(value.kind, ValueKind::Null) {
            if ty.is_non_null() {
                let ty = schema.show(ty);
                self.error(
                    format!("Expected value of type \"{ty}\", found null."),
                    &[value.pos],
                );
            }
            return;
        }
        let id = ty.base();
        let definition = schema.ty(id);
        let refusal = match definition.kind {
            Kind::Scalar => literal::refusal_of_scalar(&definition.name, value),
            Kind::Enum => match &value.kind {
                ValueKind::Enum(name) => {
                    let is_known = definition.values.iter().any(|known| **known == **name);
                    (!is_known).then(|| unknown_enum_value(schema, id, name))
                }
                _ => Some(format!(
                    "Enum \"{}\" cannot represent non-enum value: {}.",
                    definition.name,
                    print::literal(value)
                )),
            },
            _ => Some(format!(
                "Expected value of type \"{}\", found {}.",
                schema.show(ty),
                print::literal(value)
            )),
        };
        if let Some(message) = refusal {
            self.error(message, &[value.pos]);
        } else if definition.kind == Kind::Scalar {
            self.custom_scalar(value, &definition.name, path);
        }
    }

    /// Checks a value of a custom scalar with the scalar's own check.
    fn custom_scalar(&mut self, value: &'d Value<'d>, name: &str, path: &[Segment]) {
        if !self.scalars.knows(name) {
            return;
        }
        // The value of a variable inside it is not known yet, so null is checked in its place.
        let null = |_| Ok::<_, ()>(async_graphql::Value::Null);
        let Ok(constant) = literal::untyped(value).into_const_with(null) else {
            return;
        };
        let Some(message) = self.scalars.refusal(name, &constant) else {
            return;
        };
        let message = format!("Invalid value at `{}`: {message}", show_path(path));
        let error = self.push(Stage::UserInput, message, &[value.pos]);
        if let Some(extensions) = error.and_then(|error| error.extensions.as_mut()) {
            extensions.set("path", path_value(path));
        }
    }

    /// Checks a value whose type is unknown or accepts anything: notes its variables, and refuses objects with a field twice.
    pub(super) fn untyped(&mut self, value: &'d Value<'d>, place: usize) {
        self.untyped_in(value, Some(place));
    }

    fn untyped_in(&mut self, value: &'d Value<'d>, place: Option<usize>) {
        match &value.kind {
            ValueKind::Variable(name) => {
                if let Some(place) = place {
                    self.uses[place].push(Use {
                        name,
                        pos: value.pos,
                        ty: None,
                        has_default: false,
                        one_of: None,
                    });
                }
            }
            ValueKind::List(items) => {
                for item in items {
                    self.untyped_in(item, place);
                }
            }
            ValueKind::Object(fields) => {
                self.unique_fields(fields);
                for field in fields {
                    self.untyped_in(&field.value, place);
                }
            }
            ValueKind::Int(text) | ValueKind::Float(text) if literal::number(text).is_none() => {
                self.error(format!("The number {text} is too great."), &[value.pos]);
            }
            _ => {}
        }
    }
}
