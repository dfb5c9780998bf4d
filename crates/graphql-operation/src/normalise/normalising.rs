//! Collects the fields of each level, and writes them.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use async_graphql::{Name, Positioned, parser::types};

use super::{conditions::condition, interfaces::InterfacesField};
use crate::{
    ast::{Directive, Document, Field, Fragment, Selection, SelectionSet, ValueKind},
    error::Pos,
    schema::{Schema, Ty, TypeId},
};

/// How many fields a normalised operation may have. Operations within the usual limits have fewer.
const MOST_FIELDS: usize = 200_000;

/// Why an operation cannot be normalised.
#[derive(Debug)]
pub(crate) enum NotNormalised {
    /// It has too many fields.
    TooLarge,
    /// It selects `__schema` or `__type` below the root. The engine answers these only at the root, and null elsewhere.
    NotAtTop(String, Pos),
}

pub(super) struct Normalising<'d> {
    pub(super) schema: &'d Schema,
    pub(super) document: &'d Document<'d>,
    pub(super) conditions: &'d HashMap<Name, bool>,
    pub(super) fragments: HashMap<&'d str, &'d Fragment<'d>>,
    /// The type of each variable, and whether it may have no value.
    pub(super) variables: HashMap<&'d str, (Ty, bool)>,
    pub(super) used: HashSet<&'d str>,
    pub(super) optional: Vec<Name>,
    pub(super) not_null: Vec<(Name, Pos)>,
    /// The response keys of the path to the current selections.
    pub(super) path: Vec<Cow<'d, str>>,
    /// The prefix of the response keys of additional fields, once there is one.
    pub(super) beside_prefix: Option<String>,
    /// Additional fields for the root.
    pub(super) beside_root: Items,
    pub(super) asked: Vec<InterfacesField>,
    pub(super) fields: usize,
    pub(super) text: usize,
}

/// Selections of a normalised operation.
pub(super) type Items = Vec<Positioned<types::Selection>>;

impl<'d> Normalising<'d> {
    /// Merges several selection sets on one type.
    pub(super) fn sets(
        &mut self,
        sets: &[&'d SelectionSet<'d>],
        parent: TypeId,
    ) -> Result<Items, NotNormalised> {
        if sets.is_empty() {
            return Ok(Vec::new());
        }
        if self.schema.ty(parent).is_abstract() {
            return self.abstract_sets(sets, parent);
        }
        let mut groups = Groups::default();
        let mut visited = HashSet::new();
        for set in sets {
            self.collect(set, parent, &mut groups, &mut visited);
        }
        let mut items = Vec::with_capacity(groups.list.len());
        for group in &groups.list {
            items.push(self.field(group, parent)?);
        }
        if &*self.schema.ty(parent).name == "__Type" {
            self.ask_beside_interfaces(&groups, parent, &mut items)?;
        }
        Ok(items)
    }

    /// Collects the fields of a set for an object.
    pub(super) fn collect(
        &mut self,
        set: &'d SelectionSet<'d>,
        object: TypeId,
        groups: &mut Groups<'d>,
        visited: &mut HashSet<&'d str>,
    ) {
        for selection in &set.items {
            match selection {
                Selection::Field(field) => {
                    if self.is_included(&field.directives) {
                        groups.add(field);
                    }
                }
                Selection::Inline(inline) => {
                    let applies = |name: &str| self.is_of(object, name);
                    if self.is_included(&inline.directives)
                        && inline.condition.is_none_or(|name| applies(name.text))
                    {
                        self.collect(&inline.selections, object, groups, visited);
                    }
                }
                Selection::Spread(spread) => {
                    if self.is_included(&spread.directives)
                        && visited.insert(spread.name.text)
                        && let Some(&fragment) = self.fragments.get(spread.name.text)
                        && self.is_of(object, fragment.condition.text)
                    {
                        self.collect(&fragment.selections, object, groups, visited);
                    }
                }
            }
        }
    }

    /// Whether objects of a type satisfy a type condition.
    pub(super) fn is_of(&self, object: TypeId, name: &str) -> bool {
        let condition = self.schema.find(name);
        condition.is_some_and(|condition| self.schema.is_subtype(object, condition))
    }

    pub(super) fn is_included(&self, directives: &'d [Directive<'d>]) -> bool {
        directives.iter().all(|directive| {
            let Some((includes, value)) = condition(directive) else {
                return true;
            };
            let is_true = match value {
                ValueKind::Boolean(boolean) => *boolean,
                ValueKind::Variable(name) => self.conditions.get(*name).copied().unwrap_or(false),
                _ => false,
            };
            is_true == includes
        })
    }

    /// Writes one field of the response. `group` has all fields with its response key.
    pub(super) fn field(
        &mut self,
        group: &[&'d Field<'d>],
        parent: TypeId,
    ) -> Result<Positioned<types::Selection>, NotNormalised> {
        self.fields += 1;
        if self.fields > MOST_FIELDS {
            return Err(NotNormalised::TooLarge);
        }
        let field = group[0];
        let definition = self.schema.field(parent, field.name.text);
        let (arguments, items) = match definition {
            Some(definition) => {
                let sets: Vec<_> = group
                    .iter()
                    .filter_map(|one| one.selections.as_ref())
                    .collect();
                if matches!(field.name.text, "__schema" | "__type") && !self.path.is_empty() {
                    return Err(NotNormalised::NotAtTop(
                        field.name.text.to_owned(),
                        field.pos,
                    ));
                }
                self.path.push(Cow::Borrowed(field.response_key()));
                let items = self.sets(&sets, definition.ty.base())?;
                self.path.pop();
                (
                    self.arguments(&field.arguments, &definition.arguments),
                    items,
                )
            }
            None => (Vec::new(), Vec::new()),
        };
        let directives = if field.name.text == "__typename" {
            Vec::new()
        } else {
            self.directives(&field.directives)
        };
        let name = |name: &crate::ast::Name<'_>| positioned(name.pos, Name::new(name.text));
        self.text += field.name.text.len() + field.alias.map_or(0, |alias| alias.text.len());
        let set = field.selections.as_ref().map_or(field.pos, |set| set.pos);
        let normalised = types::Field {
            alias: field.alias.as_ref().map(name),
            name: name(&field.name),
            arguments,
            directives,
            selection_set: positioned(set, types::SelectionSet { items }),
        };
        let selection = types::Selection::Field(positioned(field.pos, normalised));
        Ok(positioned(field.pos, selection))
    }
}

/// Fields in groups by their response key, in the order of the first of each.
#[derive(Default)]
pub(super) struct Groups<'d> {
    pub(super) list: Vec<Vec<&'d Field<'d>>>,
    places: HashMap<&'d str, usize>,
}

impl<'d> Groups<'d> {
    pub(super) fn add(&mut self, field: &'d Field<'d>) {
        let place = *self
            .places
            .entry(field.response_key())
            .or_insert(self.list.len());
        if place == self.list.len() {
            self.list.push(vec![field]);
        } else {
            self.list[place].push(field);
        }
    }
}

pub(super) fn positioned<T>(pos: Pos, node: T) -> Positioned<T> {
    Positioned::new(node, pos.into())
}
