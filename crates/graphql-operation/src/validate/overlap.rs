//! Fields with the same response key must be the same field (specification, "Field Selection Merging").
//!
//! The specification compares all pairs of fields, and again for each pair of parents. That takes a time that grows with the square of the
//! text, and faster through fragments. Here, fields are compared in groups: the fields with one response key are a group, their selections
//! together are one set, and each set is visited once, however many paths lead to it.
//!
//! Two questions are asked of each set and of the sets below it:
//!
//! 1. *Shape*: do all fields of a group have the same type, whatever objects they are selected on?
//! 2. *Parents*: are all fields of a group that can be selected on the same object the same field, with the same arguments? Fields on two
//!    different objects are never merged, so each object is checked separately, together with interfaces and unions.

use std::collections::{HashMap, HashSet};

use super::validator::Validator;
use crate::{
    ast::{Argument, Field, Selection, SelectionSet, Value, ValueKind},
    schema::{Kind, Schema, Ty, TypeId},
};

/// How many visits are made before a document is refused as an attack. Ordinary documents need a few visits for each field.
const MOST_LOOKS: usize = 2_000_000;

/// A field, and the type that it is selected on.
#[derive(Clone, Copy)]
struct Placed<'d> {
    field: &'d Field<'d>,
    parent: TypeId,
    ty: &'d Ty,
}

/// A set of selections, each with the type that it is on.
type Sets<'d> = Vec<(&'d SelectionSet<'d>, TypeId)>;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Question {
    Shape,
    Parents,
}

struct Overlap<'v, 'd> {
    validator: &'v Validator<'d>,
    asked: HashSet<(Question, Vec<usize>)>,
    looks: usize,
}

struct Conflict<'d> {
    message: String,
    one: &'d Field<'d>,
    other: &'d Field<'d>,
}

impl<'d> Validator<'d> {
    pub(super) fn overlap(&mut self) {
        let mut overlap = Overlap {
            validator: self,
            asked: HashSet::new(),
            looks: 0,
        };
        let mut conflicts = Vec::new();
        let operations = self.document.operations.iter().filter_map(|operation| {
            Some((&operation.selections, self.schema.root(operation.kind)?))
        });
        // Fragments are checked where they are spread. Every fragment is, since unused ones were refused.
        for operation in operations {
            if let Err(conflict) = overlap.set(&vec![operation]) {
                conflicts.push(conflict);
            }
        }
        let is_over = overlap.looks >= MOST_LOOKS;
        for conflict in conflicts {
            self.error(conflict.message, &[conflict.one.pos, conflict.other.pos]);
        }
        if is_over && let Some(first) = self.document.operations.first() {
            self.error(
                "The fragments of this document are spread in each other in too many ways to be compared.",
                &[first.pos],
            );
        }
    }
}

impl<'d> Overlap<'_, 'd> {
    fn set(&mut self, sets: &Sets<'d>) -> Result<(), Conflict<'d>> {
        self.ask(Question::Shape, sets)?;
        self.ask(Question::Parents, sets)
    }

    fn ask(&mut self, question: Question, sets: &Sets<'d>) -> Result<(), Conflict<'d>> {
        let mut key: Vec<_> = sets.iter().map(|(set, _)| set.number).collect();
        key.sort_unstable();
        key.dedup();
        if self.looks >= MOST_LOOKS || !self.asked.insert((question, key)) {
            return Ok(());
        }
        let groups = self.collect(sets);
        for group in &groups {
            if group.len() < 2 && group[0].field.selections.is_none() {
                continue;
            }
            match question {
                Question::Shape => {
                    for other in &group[1..] {
                        if let Some(message) = self.shapes_differ(group[0], *other) {
                            return Err(conflict(&message, group[0], *other));
                        }
                    }
                    self.ask(question, &inner(group))?;
                }
                Question::Parents => {
                    for met in self.by_parent(group) {
                        for other in &met[1..] {
                            if let Some(message) = differ(met[0], *other) {
                                return Err(conflict(&message, met[0], *other));
                            }
                        }
                        self.ask(question, &inner(&met))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The fields of a set, through fragments, in groups by their response key.
    fn collect(&mut self, sets: &Sets<'d>) -> Vec<Vec<Placed<'d>>> {
        let mut collected = Collected {
            groups: Vec::new(),
            places: HashMap::new(),
            fragments: HashSet::new(),
            sets: HashSet::new(),
        };
        for &(set, parent) in sets {
            self.selections(set, parent, &mut collected);
        }
        collected.groups
    }

    fn selections(
        &mut self,
        set: &'d SelectionSet<'d>,
        parent: TypeId,
        collected: &mut Collected<'d>,
    ) {
        if !collected.sets.insert(set.number) {
            return;
        }
        let schema = self.validator.schema;
        for selection in &set.items {
            self.looks += 1;
            match selection {
                Selection::Field(field) => {
                    if let Some(definition) = schema.field(parent, field.name.text) {
                        collected.add(Placed {
                            field,
                            parent,
                            ty: &definition.ty,
                        });
                    }
                }
                Selection::Inline(inline) => {
                    let condition = inline.condition.and_then(|name| schema.find(name.text));
                    self.selections(&inline.selections, condition.unwrap_or(parent), collected);
                }
                Selection::Spread(spread) => {
                    if collected.fragments.insert(spread.name.text)
                        && let Some(fragment) = self.validator.fragment_named(spread.name.text)
                        && let Some(condition) = schema.find(fragment.condition.text)
                    {
                        self.selections(&fragment.selections, condition, collected);
                    }
                }
            }
        }
    }

    fn shapes_differ(&self, one: Placed<'d>, other: Placed<'d>) -> Option<String> {
        let schema = self.validator.schema;
        differ_in_shape(schema, one.ty, other.ty).then(|| {
            format!(
                "they return conflicting types \"{}\" and \"{}\"",
                schema.show(one.ty),
                schema.show(other.ty)
            )
        })
    }

    /// The fields of a group that can be selected on the same object: for each object, those on it and those on interfaces and unions.
    fn by_parent(&self, group: &[Placed<'d>]) -> Vec<Vec<Placed<'d>>> {
        let schema = self.validator.schema;
        let is_object = |placed: &&Placed<'d>| schema.ty(placed.parent).kind == Kind::Object;
        let mut objects: Vec<TypeId> = Vec::new();
        for placed in group.iter().filter(is_object) {
            if objects.last() != Some(&placed.parent) {
                objects.push(placed.parent);
            }
        }
        objects.sort_unstable();
        objects.dedup();
        match objects.as_slice() {
            [] | [_] => vec![group.to_vec()],
            several => several
                .iter()
                .map(|&object| {
                    let meets =
                        |placed: &&Placed<'d>| placed.parent == object || !is_object(placed);
                    group.iter().filter(meets).copied().collect()
                })
                .collect(),
        }
    }
}

struct Collected<'d> {
    groups: Vec<Vec<Placed<'d>>>,
    /// The index of the group of each response key.
    places: HashMap<&'d str, usize>,
    fragments: HashSet<&'d str>,
    sets: HashSet<usize>,
}

impl<'d> Collected<'d> {
    fn add(&mut self, placed: Placed<'d>) {
        let place = *self
            .places
            .entry(placed.field.response_key())
            .or_insert(self.groups.len());
        if place == self.groups.len() {
            self.groups.push(Vec::new());
        }
        self.groups[place].push(placed);
    }
}

/// The selections of all fields of a group.
fn inner<'d>(group: &[Placed<'d>]) -> Sets<'d> {
    let sets = group.iter().filter_map(|placed| {
        let selections = placed.field.selections.as_ref()?;
        Some((selections, placed.ty.base()))
    });
    sets.collect()
}

fn conflict<'d>(message: &str, one: Placed<'d>, other: Placed<'d>) -> Conflict<'d> {
    let key = one.field.response_key();
    Conflict {
        message: format!(
            "Fields \"{key}\" conflict because {message}. Use different aliases on the fields to fetch both if this was intentional."
        ),
        one: one.field,
        other: other.field,
    }
}

fn differ_in_shape(schema: &Schema, one: &Ty, other: &Ty) -> bool {
    match (one, other) {
        (Ty::NonNull(one), Ty::NonNull(other)) | (Ty::List(one), Ty::List(other)) => {
            differ_in_shape(schema, one, other)
        }
        (Ty::Named(one), Ty::Named(other)) => {
            let is_leaf = |id: &TypeId| !schema.ty(*id).is_composite();
            (is_leaf(one) || is_leaf(other)) && one != other
        }
        _ => true,
    }
}

fn differ(one: Placed<'_>, other: Placed<'_>) -> Option<String> {
    let (one, other) = (one.field, other.field);
    if one.name.text != other.name.text {
        return Some(format!(
            "\"{}\" and \"{}\" are different fields",
            one.name.text, other.name.text
        ));
    }
    (!same_arguments(&one.arguments, &other.arguments))
        .then(|| "they have differing arguments".to_owned())
}

/// Whether arguments, or fields of input objects, are the same, in any order.
fn same_arguments(one: &[Argument<'_>], other: &[Argument<'_>]) -> bool {
    one.len() == other.len()
        && one.iter().enumerate().all(|(at, argument)| {
            // Usually both have the same order.
            let name = argument.name.text;
            let there = other.get(at).filter(|there| there.name.text == name);
            let there = there.or_else(|| other.iter().find(|there| there.name.text == name));
            there.is_some_and(|there| same_value(&argument.value, &there.value))
        })
}

fn same_value(one: &Value<'_>, other: &Value<'_>) -> bool {
    match (&one.kind, &other.kind) {
        (ValueKind::Variable(one), ValueKind::Variable(other))
        | (ValueKind::Int(one), ValueKind::Int(other))
        | (ValueKind::Float(one), ValueKind::Float(other))
        | (ValueKind::Enum(one), ValueKind::Enum(other)) => one == other,
        // graphql-js distinguishes strings from block strings, and clients' tools use it.
        (ValueKind::String(one, one_is), ValueKind::String(other, other_is)) => {
            one == other && one_is == other_is
        }
        (ValueKind::Boolean(one), ValueKind::Boolean(other)) => one == other,
        (ValueKind::Null, ValueKind::Null) => true,
        (ValueKind::List(one), ValueKind::List(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| same_value(one, other))
        }
        (ValueKind::Object(one), ValueKind::Object(other)) => same_arguments(one, other),
        _ => false,
    }
}
