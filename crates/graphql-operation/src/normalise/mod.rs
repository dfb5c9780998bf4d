//! Writes an operation anew, so that an engine has nothing left to read wrongly.
//!
//! At every level the fields are collected as execution collects them (specification, "Field Collection"): `@skip` and
//! `@include` are applied, fragments are opened, and fields with one response key are one field, whose selections are merged. Where
//! the type is an interface or a union, fields that only some objects have stand in one inline fragment per object. What the
//! response has, and in which order, does not change; positions are those of the first field of a group.

mod abstract_type;
mod interfaces;
mod values;

pub(crate) use self::interfaces::{Asked, put_right};

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use async_graphql::{
    Name, Positioned, Variables,
    parser::types::{self, DocumentOperations, ExecutableDocument, OperationDefinition},
};

use crate::{
    ast::{Directive, Document, Field, Fragment, Operation, Selection, SelectionSet, ValueKind},
    error::Pos,
    schema::{Schema, Ty, TypeId},
};

/// How many fields a normalised operation may have. What its limits let through has less, unless nothing limits it.
const MOST_FIELDS: usize = 200_000;

/// An operation that cannot be written so that the engine executes it rightly.
#[derive(Debug)]
pub(crate) enum Unwritten {
    /// It asks for more fields than can be written down.
    TooLarge,
    /// It asks for the schema (with this field) further below. The engine answers that at the top alone, and null elsewhere.
    NotAtTop(String, Pos),
}

/// A normalised operation, for one choice of what its conditions say.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) document: ExecutableDocument,
    /// The response key and the name of each root field, in order.
    pub(crate) root_fields: Vec<(Name, Name)>,
    /// Variables that may have no value, and are the whole of an argument's: that argument is then not there.
    optional: Vec<Name>,
    /// Variables that may be null, where null cannot stand, and where the first of these places is.
    pub(crate) not_null: Vec<(Name, Pos)>,
    /// What [`put_right`] puts right in the answer.
    pub(crate) asked: Vec<Asked>,
    fields: usize,
    /// Of texts inside it.
    text: usize,
}

impl Template {
    /// The document for these variables, which were coerced.
    pub(crate) fn document(&self, variables: &Variables) -> ExecutableDocument {
        let mut document = self.document.clone();
        let is_absent = |name: &Name| !variables.contains_key(name);
        if self.optional.iter().any(is_absent) {
            values::leave_out(&mut document, &is_absent);
        }
        document
    }

    /// Roughly what it takes to keep it.
    pub(crate) fn bytes(&self) -> usize {
        500 + 500 * self.fields + self.text
    }
}

/// Normalises one operation of a valid document. `conditions` has the value of each variable of `@skip` and `@include`.
pub(crate) fn normalise<'d>(
    schema: &'d Schema,
    document: &'d Document<'d>,
    operation: &'d Operation<'d>,
    conditions: &'d HashMap<Name, bool>,
) -> Result<Template, Unwritten> {
    let fragments = document.fragments.iter();
    let mut normalising = Normalising {
        schema,
        document,
        conditions,
        fragments: fragments.map(|one| (one.name.text, one)).collect(),
        variables: HashMap::new(),
        used: HashSet::new(),
        optional: Vec::new(),
        not_null: Vec::new(),
        way: Vec::new(),
        beside_prefix: None,
        beside_root: Items::new(),
        asked: Vec::new(),
        fields: 0,
        text: 0,
    };
    for variable in &operation.variables {
        if let Some(ty) = schema.resolve(&variable.ty) {
            let is_optional = !ty.is_non_null() && variable.default.is_none();
            normalising
                .variables
                .insert(variable.name.text, (ty, is_optional));
        }
    }
    let Some(root) = schema.root(operation.kind) else {
        return Err(Unwritten::TooLarge);
    };
    let items = normalising.sets(&[&operation.selections], root)?;
    let mut selection_set = positioned(operation.selections.pos, types::SelectionSet { items });
    let root_fields = root_fields(&selection_set.node);
    selection_set
        .node
        .items
        .append(&mut normalising.beside_root);
    let directives = normalising.directives(&operation.directives);
    let variable_definitions = normalising.definitions(operation);
    let definition = OperationDefinition {
        ty: operation.kind,
        variable_definitions,
        directives,
        selection_set,
    };
    let definition = positioned(operation.pos, definition);
    let operations = match operation.name {
        Some(name) => {
            let named = (Name::new(name.text), definition);
            DocumentOperations::Multiple(std::iter::once(named).collect())
        }
        None => DocumentOperations::Single(definition),
    };
    Ok(Template {
        document: ExecutableDocument {
            operations,
            fragments: std::collections::HashMap::default(),
        },
        root_fields,
        optional: normalising.optional,
        not_null: normalising.not_null,
        asked: normalising.asked,
        fields: normalising.fields,
        text: normalising.text,
    })
}

/// The variables that decide what `@skip` and `@include` do, in an operation and the fragments that it spreads.
pub(crate) fn conditions<'d>(
    document: &'d Document<'d>,
    operation: &'d Operation<'d>,
) -> Vec<Name> {
    let fragments: HashMap<_, _> = document
        .fragments
        .iter()
        .map(|fragment| (fragment.name.text, fragment))
        .collect();
    let mut names: Vec<&str> = Vec::new();
    let mut seen = HashSet::new();
    let mut open = vec![&operation.selections];
    while let Some(set) = open.pop() {
        for selection in &set.items {
            let directives = match selection {
                Selection::Field(field) => {
                    open.extend(&field.selections);
                    &field.directives
                }
                Selection::Inline(inline) => {
                    open.push(&inline.selections);
                    &inline.directives
                }
                Selection::Spread(spread) => {
                    if let Some(fragment) = fragments.get(spread.name.text)
                        && seen.insert(spread.name.text)
                    {
                        open.push(&fragment.selections);
                    }
                    &spread.directives
                }
            };
            names.extend(
                directives
                    .iter()
                    .filter_map(|directive| match condition(directive)? {
                        (_, ValueKind::Variable(name)) => Some(name),
                        _ => None,
                    }),
            );
        }
    }
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(Name::new).collect()
}

/// Whether a directive skips or includes, and its condition.
fn condition<'d>(directive: &'d Directive<'d>) -> Option<(bool, &'d ValueKind<'d>)> {
    let includes = match directive.name.text {
        "include" => true,
        "skip" => false,
        _ => return None,
    };
    let argument = directive
        .arguments
        .iter()
        .find(|argument| argument.name.text == "if")?;
    Some((includes, &argument.value.kind))
}

struct Normalising<'d> {
    schema: &'d Schema,
    document: &'d Document<'d>,
    conditions: &'d HashMap<Name, bool>,
    fragments: HashMap<&'d str, &'d Fragment<'d>>,
    /// The type of each variable, and whether it may have no value.
    variables: HashMap<&'d str, (Ty, bool)>,
    used: HashSet<&'d str>,
    optional: Vec<Name>,
    not_null: Vec<(Name, Pos)>,
    /// The response keys that lead to the selections that are written.
    way: Vec<Cow<'d, str>>,
    /// What the response keys start with that no client has asked for, once there is one.
    beside_prefix: Option<String>,
    /// Fields that are to stand at the root, beside those that were asked for.
    beside_root: Items,
    asked: Vec<Asked>,
    fields: usize,
    text: usize,
}

type Items = Vec<Positioned<types::Selection>>;

impl<'d> Normalising<'d> {
    /// What several selection sets, all on one type, select together.
    fn sets(&mut self, sets: &[&'d SelectionSet<'d>], parent: TypeId) -> Result<Items, Unwritten> {
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

    /// Collects the fields of a set that an object has.
    fn collect(
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

    /// Whether objects of a type are of another one.
    fn is_of(&self, object: TypeId, name: &str) -> bool {
        let condition = self.schema.find(name);
        condition.is_some_and(|condition| self.schema.is_subtype(object, condition))
    }

    fn is_included(&self, directives: &'d [Directive<'d>]) -> bool {
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

    /// One field of the response: its group has all fields with its response key.
    fn field(
        &mut self,
        group: &[&'d Field<'d>],
        parent: TypeId,
    ) -> Result<Positioned<types::Selection>, Unwritten> {
        self.fields += 1;
        if self.fields > MOST_FIELDS {
            return Err(Unwritten::TooLarge);
        }
        let field = group[0];
        let definition = self.schema.field(parent, field.name.text);
        let (arguments, items) = match definition {
            Some(definition) => {
                let sets: Vec<_> = group
                    .iter()
                    .filter_map(|one| one.selections.as_ref())
                    .collect();
                if matches!(field.name.text, "__schema" | "__type") && !self.way.is_empty() {
                    return Err(Unwritten::NotAtTop(field.name.text.to_owned(), field.pos));
                }
                self.way.push(Cow::Borrowed(field.response_key()));
                let items = self.sets(&sets, definition.ty.base())?;
                self.way.pop();
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
struct Groups<'d> {
    list: Vec<Vec<&'d Field<'d>>>,
    places: HashMap<&'d str, usize>,
}

impl<'d> Groups<'d> {
    fn add(&mut self, field: &'d Field<'d>) {
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

fn root_fields(set: &types::SelectionSet) -> Vec<(Name, Name)> {
    let fields = set.items.iter().filter_map(|item| match &item.node {
        types::Selection::Field(field) => Some((
            field.node.response_key().node.clone(),
            field.node.name.node.clone(),
        )),
        _ => None,
    });
    fields.collect()
}

fn positioned<T>(pos: Pos, node: T) -> Positioned<T> {
    Positioned::new(node, pos.into())
}
