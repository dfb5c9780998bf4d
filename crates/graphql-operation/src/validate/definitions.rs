//! Rules of the definitions of operations, fragments and variables.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::types::OperationType;

use super::validator::{MOST_LEVELS, Spreads, Validator};
use crate::{
    ast::{Fragment, Name, Operation, VariableDefinition},
    error::Stage,
    suggest,
};

pub(super) fn name_of_kind(kind: OperationType) -> &'static str {
    match kind {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}

impl<'d> Validator<'d> {
    /// Checks the names of definitions, and which definitions one document may have.
    pub(super) fn definitions(&mut self) {
        let document = self.document;
        for definition in &document.type_system {
            self.error(
                format!("The \"{}\" definition is not executable.", definition.text),
                &[definition.pos],
            );
        }
        let names = document
            .operations
            .iter()
            .filter_map(|operation| operation.name);
        self.unique(names, |name| {
            format!("There can be only one operation named \"{name}\".")
        });
        let names = document.fragments.iter().map(|fragment| fragment.name);
        self.unique(names, |name| {
            format!("There can be only one fragment named \"{name}\".")
        });
        if document.operations.len() > 1 {
            for operation in &document.operations {
                if operation.name.is_none() {
                    self.error(
                        "This anonymous operation must be the only defined operation.",
                        &[operation.pos],
                    );
                }
            }
        }
        for (number, fragment) in document.fragments.iter().enumerate() {
            self.fragments.entry(fragment.name.text).or_insert(number);
        }
        let definitions = document.operations.len() + document.fragments.len();
        self.uses.resize_with(definitions, Vec::new);
        self.spreads.resize_with(definitions, Vec::new);
        self.levels.resize(definitions, 0);
    }

    /// Reports each name that appears a second time.
    pub(super) fn unique(
        &mut self,
        names: impl Iterator<Item = Name<'d>>,
        message: impl Fn(&str) -> String,
    ) {
        let mut seen = Seen::default();
        for name in names {
            if let Some(first) = seen.before(name) {
                self.error(message(name.text), &[first.pos, name.pos]);
            }
        }
    }

    pub(super) fn operation(&mut self, operation: &'d Operation<'d>, place: usize) {
        let root = self.schema.root(operation.kind);
        let kind = name_of_kind(operation.kind);
        if root.is_none() {
            self.error(
                format!("The {kind} operation is not supported by the schema."),
                &[operation.pos],
            );
        }
        let names = operation.variables.iter().map(|variable| variable.name);
        self.unique(names, |name| {
            format!("There can be only one variable named \"${name}\".")
        });
        for variable in &operation.variables {
            self.variable_definition(variable, place);
        }
        let location = match operation.kind {
            OperationType::Query => "QUERY",
            OperationType::Mutation => "MUTATION",
            OperationType::Subscription => "SUBSCRIPTION",
        };
        self.directives(&operation.directives, location, place);
        self.selections(&operation.selections, root, place);
    }

    fn variable_definition(&mut self, variable: &'d VariableDefinition<'d>, place: usize) {
        let base = variable.ty.base();
        let schema = self.schema;
        let ty = schema.resolve(&variable.ty);
        match schema.find(base.text) {
            None => self.unknown_type(base),
            Some(id) if !schema.ty(id).is_input() => {
                let shown = show(&variable.ty);
                self.error(
                    format!(
                        "Variable \"${}\" cannot be non-input type \"{shown}\".",
                        variable.name.text
                    ),
                    &[variable.ty.pos],
                );
            }
            Some(_) => {
                if let (Some(default), Some(ty)) = (&variable.default, &ty) {
                    self.literal(default, ty, variable.name.text);
                } else if let Some(default) = &variable.default {
                    self.untyped(default, place);
                }
            }
        }
        self.directives(&variable.directives, "VARIABLE_DEFINITION", place);
    }

    pub(super) fn unknown_type(&mut self, name: Name<'d>) {
        let names = self.schema.types().map(|(_, ty)| &*ty.name);
        let hint = suggest::did_you_mean(name.text, names.filter(|name| !name.starts_with("__")));
        self.error(
            format!("Unknown type \"{}\".{hint}", name.text),
            &[name.pos],
        );
    }

    pub(super) fn fragment(&mut self, fragment: &'d Fragment<'d>, place: usize) {
        let condition = self.condition(fragment.condition, Some(fragment.name.text));
        self.directives(&fragment.directives, "FRAGMENT_DEFINITION", place);
        self.selections(&fragment.selections, condition, place);
    }

    /// Reports fragments that spread themselves, directly or through others.
    pub(super) fn cycles(&mut self) {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            New,
            Open,
            Done,
        }
        let document = self.document;
        let mut states = vec![State::New; document.fragments.len()];
        for start in 0..document.fragments.len() {
            // Not recursive, since a chain of fragments can be as long as the document.
            let mut open = vec![(start, 0)];
            if states[start] != State::New {
                continue;
            }
            states[start] = State::Open;
            while let Some((fragment, next)) = open.pop() {
                let spreads = &self.spreads[self.place_of(fragment)];
                let Some(inner) = spreads.get(next).map(|spread| spread.fragment) else {
                    states[fragment] = State::Done;
                    self.add_levels(self.place_of(fragment));
                    continue;
                };
                open.push((fragment, next + 1));
                match states[inner] {
                    State::Done => {}
                    State::New => {
                        states[inner] = State::Open;
                        open.push((inner, 0));
                    }
                    State::Open => {
                        let from = open.iter().position(|(number, _)| *number == inner);
                        let via: Vec<_> = open[from.unwrap_or(0) + 1..]
                            .iter()
                            .map(|(number, _)| document.fragments[*number].name.text)
                            .map(|name| format!("\"{name}\""))
                            .collect();
                        let name = document.fragments[inner].name;
                        let via = if via.is_empty() {
                            String::new()
                        } else {
                            format!(" via {}", via.join(", "))
                        };
                        self.error(
                            format!(
                                "Cannot spread fragment \"{}\" within itself{via}.",
                                name.text
                            ),
                            &[document.fragments[fragment].pos],
                        );
                    }
                }
            }
        }
    }

    /// Adds to the levels of a definition those of its fragments, which are already known.
    fn add_levels(&mut self, place: usize) {
        let deepest = self.spreads[place]
            .iter()
            .map(|spread| spread.level + self.levels[self.place_of(spread.fragment)])
            .max();
        self.levels[place] = self.levels[place].max(deepest.unwrap_or(0));
    }

    pub(super) fn levels(&mut self) {
        for (place, operation) in self.document.operations.iter().enumerate() {
            self.add_levels(place);
            let levels = self.levels[place];
            if levels <= MOST_LEVELS {
                continue;
            }
            let message = format!(
                "the limit of nesting is {MOST_LEVELS}, and this document has {levels} selections in each other"
            );
            let error = self.push(Stage::Validation, message, &[operation.pos]);
            if let Some(extensions) = error.and_then(|error| error.extensions.as_mut()) {
                extensions.set("limit", "nesting");
                extensions.set("max", MOST_LEVELS);
                extensions.set("value", levels);
            }
        }
    }

    pub(super) fn unused_fragments(&mut self) {
        let document = self.document;
        let mut used = vec![false; document.fragments.len()];
        for operation in 0..document.operations.len() {
            for fragment in self.reachable(operation) {
                used[fragment] = true;
            }
        }
        for (fragment, is_used) in document.fragments.iter().zip(used) {
            if !is_used {
                self.error(
                    format!("Fragment \"{}\" is never used.", fragment.name.text),
                    &[fragment.pos],
                );
            }
        }
    }

    /// The fragments that an operation spreads, directly or through others, each once.
    pub(super) fn reachable(&self, operation: usize) -> Vec<usize> {
        let mut seen = HashSet::new();
        let mut reachable = Vec::new();
        let mut open = self.spreads[operation].clone();
        while let Some(Spreads { fragment, .. }) = open.pop() {
            if seen.insert(fragment) {
                reachable.push(fragment);
                open.extend(&self.spreads[self.place_of(fragment)]);
            }
        }
        reachable
    }
}

/// A type as the document writes it.
pub(super) fn show(ty: &crate::ast::Type<'_>) -> String {
    use crate::ast::TypeKind;
    match &ty.kind {
        TypeKind::Named(name) => (*name).to_owned(),
        TypeKind::List(inner) => format!("[{}]", show(inner)),
        TypeKind::NonNull(inner) => format!("{}!", show(inner)),
    }
}

/// The names that have appeared. Most lists are short, so they are searched from the beginning.
#[derive(Default)]
pub(super) struct Seen<'d> {
    few: Vec<Name<'d>>,
    many: HashMap<&'d str, Name<'d>>,
}

impl<'d> Seen<'d> {
    const FEW: usize = 8;

    /// The earlier occurrence of the same name, if any.
    pub(super) fn before(&mut self, name: Name<'d>) -> Option<Name<'d>> {
        if self.many.is_empty() {
            if let Some(first) = self.few.iter().find(|other| other.text == name.text) {
                return Some(*first);
            }
            if self.few.len() < Self::FEW {
                self.few.push(name);
                return None;
            }
            self.many = self.few.iter().map(|name| (name.text, *name)).collect();
        }
        match self.many.entry(name.text) {
            std::collections::hash_map::Entry::Occupied(first) => Some(*first.get()),
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(name);
                None
            }
        }
    }
}
