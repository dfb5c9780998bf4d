//! Selections on interfaces and unions.
//!
//! Which fields an object gets, and with which selections, depends on the object's type. A field that all possible objects get alike is
//! written directly. Any other is written in an inline fragment for each object, or for an interface that has exactly these objects. The
//! engine handles inline fragments on objects and interfaces correctly, but not those on unions.

use std::{collections::HashMap, rc::Rc};

use async_graphql::{Name, Positioned, parser::types};

use super::normalising::{Items, Normalising, NotNormalised, positioned};
use crate::{
    ast::{Field, Selection, SelectionSet},
    error::Pos,
    schema::{Kind, TypeId},
};

/// Objects, in ascending order.
type Objects = Rc<Vec<TypeId>>;

/// A field, and the objects that it is selected on.
struct Occurrence<'d> {
    field: &'d Field<'d>,
    objects: Objects,
    /// The type that the document selects it on.
    on: TypeId,
}

#[derive(Default)]
struct Collected<'d> {
    /// The response keys, in the order of their first field.
    keys: Vec<&'d str>,
    places: HashMap<&'d str, usize>,
    /// For each key, the indexes of its fields in `all`.
    groups: Vec<Vec<usize>>,
    all: Vec<Occurrence<'d>>,
    /// For each fragment, the objects that it was collected for.
    visited: HashMap<&'d str, Objects>,
    /// The interfaces in type conditions.
    interfaces: Vec<TypeId>,
}

impl<'d> Collected<'d> {
    fn add(&mut self, field: &'d Field<'d>, objects: &Objects, on: TypeId) {
        let key = field.response_key();
        let place = *self.places.entry(key).or_insert(self.groups.len());
        if place == self.groups.len() {
            self.keys.push(key);
            self.groups.push(Vec::new());
        }
        self.groups[place].push(self.all.len());
        self.all.push(Occurrence {
            field,
            objects: Rc::clone(objects),
            on,
        });
    }
}

/// The type condition of a field in the normalised selections.
#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    Everything,
    Type(TypeId),
}

/// A field of the response, for some objects.
struct Placed<'d> {
    /// The index of its first field.
    at: usize,
    on: On,
    pos: Pos,
    group: Vec<&'d Field<'d>>,
}

impl<'d> Normalising<'d> {
    pub(super) fn abstract_sets(
        &mut self,
        sets: &[&'d SelectionSet<'d>],
        parent: TypeId,
    ) -> Result<Items, NotNormalised> {
        let everything: Objects = Rc::new(self.schema.ty(parent).possible.clone());
        let mut collected = Collected::default();
        for set in sets {
            self.collect_for(set, &everything, parent, &mut collected);
        }
        let mut placed = Vec::new();
        for group in &collected.groups {
            self.place(group, parent, &collected, &everything, &mut placed);
        }
        placed.sort_by_key(|placed| placed.at);
        self.write(placed, parent)
    }

    fn collect_for(
        &self,
        set: &'d SelectionSet<'d>,
        objects: &Objects,
        on: TypeId,
        collected: &mut Collected<'d>,
    ) {
        for selection in &set.items {
            match selection {
                Selection::Field(field) => {
                    if self.is_included(&field.directives) {
                        collected.add(field, objects, on);
                    }
                }
                Selection::Inline(inline) => {
                    if !self.is_included(&inline.directives) {
                        continue;
                    }
                    let (objects, on) = match inline.condition {
                        None => (Rc::clone(objects), on),
                        Some(name) => self.only(objects, name.text, collected),
                    };
                    if !objects.is_empty() {
                        self.collect_for(&inline.selections, &objects, on, collected);
                    }
                }
                Selection::Spread(spread) => {
                    if !self.is_included(&spread.directives) {
                        continue;
                    }
                    let name = spread.name.text;
                    let Some(&fragment) = self.fragments.get(name) else {
                        continue;
                    };
                    let (mut objects, on) = self.only(objects, fragment.condition.text, collected);
                    if let Some(visited) = collected.visited.get(name) {
                        let is_new = |id: &&TypeId| visited.binary_search(id).is_err();
                        objects = Rc::new(objects.iter().filter(is_new).copied().collect());
                    }
                    if objects.is_empty() {
                        continue;
                    }
                    let visited = collected.visited.entry(name).or_default();
                    let mut all = Vec::clone(visited);
                    all.extend(objects.iter());
                    all.sort_unstable();
                    *visited = Rc::new(all);
                    self.collect_for(&fragment.selections, &objects, on, collected);
                }
            }
        }
    }

    /// The objects that are of a type, and the type.
    fn only(
        &self,
        objects: &Objects,
        name: &str,
        collected: &mut Collected<'d>,
    ) -> (Objects, TypeId) {
        let Some(id) = self.schema.find(name) else {
            return (Objects::default(), 0);
        };
        let ty = self.schema.ty(id);
        if ty.kind == Kind::Interface && !collected.interfaces.contains(&id) {
            collected.interfaces.push(id);
        }
        let is_of = |object: &&TypeId| ty.possible.binary_search(object).is_ok();
        if objects.iter().all(|object| is_of(&object)) {
            return (Rc::clone(objects), id);
        }
        let those = objects.iter().filter(is_of).copied().collect();
        (Rc::new(those), id)
    }

    /// Whether a field can be selected on an interface or a union instead: that has the field with the same arguments and type.
    fn has(&self, on: TypeId, occurrence: &Occurrence<'d>) -> bool {
        let name = occurrence.field.name.text;
        let there = self.schema.field(on, name);
        let here = self.schema.field(occurrence.on, name);
        there.zip(here).is_some_and(|(there, here)| {
            let mut arguments = occurrence.field.arguments.iter();
            there.ty.base() == here.ty.base()
                && arguments.all(|argument| there.arguments.get(argument.name.text).is_some())
        })
    }

    /// Chooses the type conditions for the fields of a group. Objects that get the same fields share one, if possible.
    fn place(
        &self,
        group: &[usize],
        parent: TypeId,
        collected: &Collected<'d>,
        everything: &Objects,
        placed: &mut Vec<Placed<'d>>,
    ) {
        let of = |at: usize| &collected.all[at];
        let mut put = |fields: &[usize], on: On| {
            placed.push(Placed {
                at: fields[0],
                on,
                pos: of(fields[0]).field.pos,
                group: fields.iter().map(|&at| of(at).field).collect(),
            });
        };
        // Among fields without selections, only the first one of an object matters.
        let is_leaf = of(group[0]).field.selections.is_none();
        let looked_at = if is_leaf { &group[..1] } else { group };
        let is_on_all = |at: &usize| of(*at).objects.len() == everything.len();
        if looked_at
            .iter()
            .all(|at| is_on_all(at) && self.has(parent, of(*at)))
        {
            put(group, On::Everything);
            return;
        }
        let mut classes: Vec<(Vec<usize>, Vec<TypeId>)> = Vec::new();
        for &object in everything.iter() {
            let has = |at: &&usize| of(**at).objects.binary_search(&object).is_ok();
            let most = if is_leaf { 1 } else { usize::MAX };
            let fields: Vec<usize> = group.iter().filter(has).take(most).copied().collect();
            if fields.is_empty() {
                continue;
            }
            match classes.iter_mut().find(|(known, _)| *known == fields) {
                Some((_, objects)) => objects.push(object),
                None => classes.push((fields, vec![object])),
            }
        }
        for (fields, objects) in classes {
            let is_named_by = |interface: &&TypeId| {
                let possible = &self.schema.ty(**interface).possible;
                let of_them = everything
                    .iter()
                    .filter(|id| possible.binary_search(id).is_ok());
                of_them.eq(objects.iter()) && fields.iter().all(|&at| self.has(**interface, of(at)))
            };
            match collected.interfaces.iter().find(is_named_by) {
                Some(&interface) if objects.len() > 1 => put(&fields, On::Type(interface)),
                _ => {
                    for object in objects {
                        put(&fields, On::Type(object));
                    }
                }
            }
        }
    }

    /// Writes fields in order. Fields with one type condition share a fragment, if no field between them is for the same objects.
    fn write(&mut self, placed: Vec<Placed<'d>>, parent: TypeId) -> Result<Items, NotNormalised> {
        let mut written: Vec<(On, Pos, Items)> = Vec::new();
        for one in placed {
            let on = match one.on {
                On::Everything => parent,
                On::Type(id) => id,
            };
            let field = self.field(&one.group, on)?;
            let meets = |other: On| match (one.on, other) {
                (On::Type(one), On::Type(other)) => self.schema.overlap(one, other),
                _ => true,
            };
            let last = written.iter_mut().rev().find(|(on, ..)| meets(*on));
            match last {
                Some((on, _, items)) if *on == one.on => items.push(field),
                _ => written.push((one.on, one.pos, vec![field])),
            }
        }
        let mut items = Vec::with_capacity(written.len());
        for (on, pos, fields) in written {
            let On::Type(id) = on else {
                items.extend(fields);
                continue;
            };
            let condition = types::TypeCondition {
                on: positioned(pos, Name::new(&self.schema.ty(id).name)),
            };
            let inline = types::InlineFragment {
                type_condition: Some(positioned(pos, condition)),
                directives: Vec::new(),
                selection_set: positioned(pos, types::SelectionSet { items: fields }),
            };
            let selection = types::Selection::InlineFragment(positioned(pos, inline));
            items.push(Positioned::new(selection, pos.into()));
        }
        Ok(items)
    }
}
