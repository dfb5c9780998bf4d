//! What changed between two schemas, and what that means for clients, by the rules of graphql-inspector.
//!
//! A breaking change makes a valid operation invalid, or gives a response another shape. After a dangerous change, every operation is as
//! valid as before, but a client may get a value that it has never seen, such as a new value of an enum. Directives are compared;
//! descriptions are not.
//!
//! Why not graphql-schema-diff: version 0.6 lists changes, but does not say which of them break clients, which is most of the work here. It
//! would also bring a second parser of schemas.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    mem::discriminant,
};

use async_graphql::{
    Name, Positioned,
    parser::{
        self, parse_schema,
        types::{
            BaseType, DirectiveDefinition, EnumValueDefinition, FieldDefinition,
            InputValueDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition,
        },
    },
};

mod directives;

/// What a change means for clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// What worked may no longer work.
    Breaking,
    /// A client may get something that it has never seen.
    Dangerous,
    /// No client notices.
    Safe,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// What it means for clients.
    pub severity: Severity,
    /// The place, as `Type.field(argument)`, and what changed there.
    pub what: String,
}

impl Display for Change {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Breaking => "breaking",
            Severity::Dangerous => "dangerous",
            Severity::Safe => "safe",
        };
        write!(f, "{severity}: {}", self.what)
    }
}

/// The changes from one schema to another, both in the schema definition language; the worst come first.
///
/// # Errors
/// If one of the texts is not a schema.
pub fn compare(before: &str, after: &str) -> Result<Vec<Change>, parser::Error> {
    let (before, after) = (Schema::parse(before)?, Schema::parse(after)?);
    let mut changes = Changes::default();
    pair_up(&before.types, &after.types, |name, pair| match pair {
        Pair::Removed(_) => changes.breaking(format!("{name}: the type was removed")),
        Pair::Added(_) => changes.safe(format!("{name}: the type was added")),
        Pair::Both(before, after) => changes.of_type(name, before, after),
    });
    pair_up(
        &before.directives,
        &after.directives,
        |name, pair| match pair {
            Pair::Removed(_) => changes.breaking(format!("@{name}: the directive was removed")),
            Pair::Added(_) => changes.safe(format!("@{name}: the directive was added")),
            Pair::Both(before, after) => changes.of_directive(name, before, after),
        },
    );
    changes.0.sort();
    Ok(changes.0)
}

/// What a schema defines, by name.
#[derive(Default)]
struct Schema {
    types: BTreeMap<String, TypeDefinition>,
    directives: BTreeMap<String, DirectiveDefinition>,
}

impl Schema {
    fn parse(text: &str) -> Result<Self, parser::Error> {
        let mut schema = Self::default();
        for definition in parse_schema(text)?.definitions {
            match definition {
                TypeSystemDefinition::Type(definition) => {
                    let name = definition.node.name.node.to_string();
                    schema.types.insert(name, definition.node);
                }
                TypeSystemDefinition::Directive(definition) => {
                    let name = definition.node.name.node.to_string();
                    schema.directives.insert(name, definition.node);
                }
                TypeSystemDefinition::Schema(_) => {}
            }
        }
        Ok(schema)
    }
}

enum Pair<'a, T> {
    Removed(&'a T),
    Added(&'a T),
    Both(&'a T, &'a T),
}

/// Calls `each` for every name, in order, with the item before and after.
fn pair_up<T>(
    before: &BTreeMap<String, T>,
    after: &BTreeMap<String, T>,
    mut each: impl FnMut(&str, Pair<'_, T>),
) {
    for (name, item) in before {
        match after.get(name) {
            Some(other) => each(name, Pair::Both(item, other)),
            None => each(name, Pair::Removed(item)),
        }
    }
    for (name, item) in after {
        if !before.contains_key(name) {
            each(name, Pair::Added(item));
        }
    }
}

fn by_name<'a, T>(
    items: &'a [Positioned<T>],
    name: impl Fn(&'a T) -> &'a Name,
) -> BTreeMap<String, &'a T> {
    items
        .iter()
        .map(|item| (name(&item.node).to_string(), &item.node))
        .collect()
}

#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn note(&mut self, severity: Severity, what: String) {
        self.0.push(Change { severity, what });
    }

    fn breaking(&mut self, what: String) {
        self.note(Severity::Breaking, what);
    }

    fn dangerous(&mut self, what: String) {
        self.note(Severity::Dangerous, what);
    }

    fn safe(&mut self, what: String) {
        self.note(Severity::Safe, what);
    }

    fn of_type(&mut self, name: &str, before: &TypeDefinition, after: &TypeDefinition) {
        if discriminant(&before.kind) == discriminant(&after.kind) {
            self.of_applied(name, &before.directives, &after.directives);
        }
        match (&before.kind, &after.kind) {
            (TypeKind::Scalar, TypeKind::Scalar) => {}
            (TypeKind::Object(before), TypeKind::Object(after)) => {
                self.of_names(name, "interface", &before.implements, &after.implements);
                self.of_fields(name, &before.fields, &after.fields);
            }
            (TypeKind::Interface(before), TypeKind::Interface(after)) => {
                self.of_names(name, "interface", &before.implements, &after.implements);
                self.of_fields(name, &before.fields, &after.fields);
            }
            (TypeKind::Union(before), TypeKind::Union(after)) => {
                self.of_names(name, "member", &before.members, &after.members);
            }
            (TypeKind::Enum(before), TypeKind::Enum(after)) => {
                self.of_values(name, &before.values, &after.values);
            }
            (TypeKind::InputObject(before), TypeKind::InputObject(after)) => {
                let inside = |field: &str| format!("{name}.{field}");
                self.of_inputs(&before.fields, &after.fields, inside);
            }
            _ => self.breaking(format!("{name}: the kind of the type changed")),
        }
    }

    /// Interfaces of a type, or members of a union. Removing one breaks clients; adding one is dangerous.
    fn of_names(
        &mut self,
        owner: &str,
        what: &str,
        before: &[Positioned<Name>],
        after: &[Positioned<Name>],
    ) {
        let set = |names: &[Positioned<Name>]| -> BTreeMap<String, ()> {
            names
                .iter()
                .map(|name| (name.node.to_string(), ()))
                .collect()
        };
        pair_up(&set(before), &set(after), |name, pair| match pair {
            Pair::Removed(()) => self.breaking(format!("{owner}: the {what} {name} was removed")),
            Pair::Added(()) => self.dangerous(format!("{owner}: the {what} {name} was added")),
            Pair::Both((), ()) => {}
        });
    }

    fn of_values(
        &mut self,
        owner: &str,
        before: &[Positioned<EnumValueDefinition>],
        after: &[Positioned<EnumValueDefinition>],
    ) {
        let before = by_name(before, |value| &value.value.node);
        let after = by_name(after, |value| &value.value.node);
        pair_up(&before, &after, |name, pair| match pair {
            Pair::Removed(_) => self.breaking(format!("{owner}: the value {name} was removed")),
            Pair::Added(_) => self.dangerous(format!("{owner}: the value {name} was added")),
            Pair::Both(before, after) => {
                let place = format!("{owner}.{name}");
                self.of_applied(&place, &before.directives, &after.directives);
            }
        });
    }

    fn of_fields(
        &mut self,
        owner: &str,
        before: &[Positioned<FieldDefinition>],
        after: &[Positioned<FieldDefinition>],
    ) {
        let before = by_name(before, |field| &field.name.node);
        let after = by_name(after, |field| &field.name.node);
        pair_up(&before, &after, |name, pair| match pair {
            Pair::Removed(_) => self.breaking(format!("{owner}.{name}: the field was removed")),
            Pair::Added(_) => self.safe(format!("{owner}.{name}: the field was added")),
            Pair::Both(before, after) => {
                let (old, new) = (&before.ty.node, &after.ty.node);
                if old != new {
                    // A response may promise more than before, such as not to be null.
                    let severity = if is_narrower(new, old) {
                        Severity::Safe
                    } else {
                        Severity::Breaking
                    };
                    let what = format!("{owner}.{name}: the type changed from {old} to {new}");
                    self.note(severity, what);
                }
                let place = format!("{owner}.{name}");
                self.of_applied(&place, &before.directives, &after.directives);
                let inside = |argument: &str| format!("{owner}.{name}({argument})");
                self.of_inputs(&before.arguments, &after.arguments, inside);
            }
        });
    }

    /// Arguments, and fields of input objects.
    fn of_inputs(
        &mut self,
        before: &[Positioned<InputValueDefinition>],
        after: &[Positioned<InputValueDefinition>],
        place: impl Fn(&str) -> String,
    ) {
        let before = by_name(before, |input| &input.name.node);
        let after = by_name(after, |input| &input.name.node);
        pair_up(&before, &after, |name, pair| {
            let place = place(name);
            match pair {
                Pair::Removed(_) => self.breaking(format!("{place} was removed")),
                Pair::Added(input) if !input.ty.node.nullable && input.default_value.is_none() => {
                    self.breaking(format!("{place} was added, and has to be given"));
                }
                Pair::Added(_) => self.dangerous(format!("{place} was added, and may be given")),
                Pair::Both(before, after) => {
                    let (old, new) = (&before.ty.node, &after.ty.node);
                    if old != new {
                        // An input may accept more than before, such as null.
                        let severity = if is_narrower(old, new) {
                            Severity::Safe
                        } else {
                            Severity::Breaking
                        };
                        let what = format!("{place}: the type changed from {old} to {new}");
                        self.note(severity, what);
                    }
                    self.of_applied(&place, &before.directives, &after.directives);
                    let default = |input: &InputValueDefinition| {
                        input.default_value.as_ref().map(|value| value.node.clone())
                    };
                    if default(before) != default(after) {
                        self.dangerous(format!("{place}: the default changed"));
                    }
                }
            }
        });
    }
}

/// Whether every value of the first type is one of the second: the types are the same, but the second allows null in more places.
fn is_narrower(one: &Type, other: &Type) -> bool {
    let base = match (&one.base, &other.base) {
        (BaseType::Named(one), BaseType::Named(other)) => one == other,
        (BaseType::List(one), BaseType::List(other)) => is_narrower(one, other),
        _ => false,
    };
    base && (other.nullable || !one.nullable)
}

#[cfg(test)]
mod tests;
