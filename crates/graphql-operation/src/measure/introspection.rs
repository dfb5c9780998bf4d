//! Counts the fields of an answer to introspection.
//!
//! The schema is known, so the count is exact: `fields { type { fields { … } } }` is as large as the schema makes it. The answer of a
//! selection set about one item of the schema is counted once, and then reused.

use std::collections::HashMap;

use crate::{
    ast::{Document, Field, Selection, SelectionSet, ValueKind},
    schema::{DirectiveDefinition, FieldDefinition, InputDefinition, Kind, Schema, Ty, TypeId},
};

/// How many answers are counted before a document counts as too large.
const MOST_LOOKS: usize = 500_000;

pub(super) struct Introspection<'d> {
    schema: &'d Schema,
    document: &'d Document<'d>,
    fragments: HashMap<&'d str, usize>,
    counted: HashMap<(usize, (u8, usize)), usize>,
    looks: usize,
}

/// An item of the schema that introspection can ask about.
#[derive(Clone, Copy)]
enum SchemaItem<'d> {
    Schema,
    Type(TypeId),
    /// A list or a non-null.
    Wrapped(&'d Ty),
    Field(&'d FieldDefinition),
    Input(&'d InputDefinition),
    EnumValue,
    Directive(&'d DirectiveDefinition),
}

impl<'d> SchemaItem<'d> {
    fn of(ty: &'d Ty) -> Self {
        match ty {
            Ty::Named(id) => Self::Type(*id),
            wrapped => Self::Wrapped(wrapped),
        }
    }

    /// A key that distinguishes the items of one schema: its address, which does not change.
    fn key(self) -> (u8, usize) {
        match self {
            Self::Schema => (0, 0),
            Self::Type(id) => (1, id),
            Self::Wrapped(ty) => (2, std::ptr::from_ref(ty).addr()),
            Self::Field(field) => (3, std::ptr::from_ref(field).addr()),
            Self::Input(input) => (4, std::ptr::from_ref(input).addr()),
            Self::EnumValue => (5, 0),
            Self::Directive(directive) => (6, std::ptr::from_ref(directive).addr()),
        }
    }
}

impl<'d> Introspection<'d> {
    pub(super) fn new(
        schema: &'d Schema,
        document: &'d Document<'d>,
        fragments: HashMap<&'d str, usize>,
    ) -> Self {
        Self {
            schema,
            document,
            fragments,
            counted: HashMap::new(),
            looks: 0,
        }
    }

    /// The fields below `__schema` or `__type`.
    pub(super) fn count(&mut self, field: &'d Field<'d>, set: &'d SelectionSet<'d>) -> usize {
        if field.name.text == "__schema" {
            return self.set(set, SchemaItem::Schema);
        }
        let schema = self.schema;
        let named = field.arguments.first().map(|argument| &argument.value.kind);
        match named {
            Some(ValueKind::String(name, _)) => schema
                .find(name)
                .map_or(0, |id| self.set(set, SchemaItem::Type(id))),
            // A variable can name any type: the one with the longest answer counts.
            _ => {
                let counts: Vec<_> = schema
                    .types()
                    .map(|(id, _)| self.set(set, SchemaItem::Type(id)))
                    .collect();
                counts.into_iter().max().unwrap_or(0)
            }
        }
    }

    fn set(&mut self, set: &'d SelectionSet<'d>, thing: SchemaItem<'d>) -> usize {
        if self.looks >= MOST_LOOKS {
            return usize::MAX;
        }
        let key = (set.number, thing.key());
        if let Some(counted) = self.counted.get(&key) {
            return *counted;
        }
        let mut total: usize = 0;
        for selection in &set.items {
            self.looks += 1;
            let one = match selection {
                Selection::Field(field) => {
                    let below = match &field.selections {
                        Some(set) => self
                            .answers(thing, field.name.text)
                            .into_iter()
                            .fold(0, |sum: usize, thing| {
                                sum.saturating_add(self.set(set, thing))
                            }),
                        None => 0,
                    };
                    below.saturating_add(1)
                }
                Selection::Inline(inline) => self.set(&inline.selections, thing),
                Selection::Spread(spread) => match self.fragments.get(spread.name.text) {
                    Some(&number) => {
                        let document = self.document;
                        self.set(&document.fragments[number].selections, thing)
                    }
                    None => 0,
                },
            };
            total = total.saturating_add(one);
        }
        self.counted.insert(key, total);
        total
    }

    /// The items that a field of an item answers with.
    fn answers(&self, thing: SchemaItem<'d>, field: &str) -> Vec<SchemaItem<'d>> {
        let schema = self.schema;
        let types = |ids: &[TypeId]| ids.iter().map(|&id| SchemaItem::Type(id)).collect();
        match (thing, field) {
            (SchemaItem::Schema, "types") => {
                schema.types().map(|(id, _)| SchemaItem::Type(id)).collect()
            }
            (SchemaItem::Schema, "directives") => schema
                .directives()
                .map(|(_, directive)| SchemaItem::Directive(directive))
                .collect(),
            (SchemaItem::Schema, root) => {
                use async_graphql::parser::types::OperationType as Root;
                let root = match root {
                    "queryType" => schema.root(Root::Query),
                    "mutationType" => schema.root(Root::Mutation),
                    "subscriptionType" => schema.root(Root::Subscription),
                    _ => None,
                };
                root.map(SchemaItem::Type).into_iter().collect()
            }
            (SchemaItem::Type(id), field) => {
                let ty = schema.ty(id);
                match field {
                    "fields" => ty.fields.iter().map(SchemaItem::Field).collect(),
                    "interfaces" => types(&ty.interfaces),
                    "possibleTypes" if ty.kind != Kind::Object => types(&ty.possible),
                    "enumValues" => vec![SchemaItem::EnumValue; ty.values.len()],
                    "inputFields" => ty.inputs.iter().map(SchemaItem::Input).collect(),
                    _ => Vec::new(),
                }
            }
            (SchemaItem::Wrapped(Ty::List(inner) | Ty::NonNull(inner)), "ofType") => {
                vec![SchemaItem::of(inner)]
            }
            (SchemaItem::Field(field), "type") => vec![SchemaItem::of(&field.ty)],
            (SchemaItem::Field(field), "args") => {
                field.arguments.iter().map(SchemaItem::Input).collect()
            }
            (SchemaItem::Input(input), "type") => vec![SchemaItem::of(&input.ty)],
            (SchemaItem::Directive(directive), "args") => {
                directive.arguments.iter().map(SchemaItem::Input).collect()
            }
            _ => Vec::new(),
        }
    }
}
