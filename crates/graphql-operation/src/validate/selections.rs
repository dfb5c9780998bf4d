//! Rules of the uses of fields, arguments, directives and fragments.

use super::{
    definitions::Seen,
    validator::{Spreads, Validator},
};
use crate::{
    ast::{Argument, Directive, Field, Inline, Name, Selection, SelectionSet, Spread},
    schema::{InputDefinition, Kind, Named, TypeId},
    suggest,
};

impl<'d> Validator<'d> {
    /// Checks selections on a type; `None` if the type is unknown, which was already reported.
    pub(super) fn selections(
        &mut self,
        set: &'d SelectionSet<'d>,
        parent: Option<TypeId>,
        place: usize,
    ) {
        self.level += 1;
        self.levels[place] = self.levels[place].max(self.level);
        for selection in &set.items {
            match selection {
                Selection::Field(field) => self.field(field, parent, place),
                Selection::Spread(spread) => self.spread(spread, parent, place),
                Selection::Inline(inline) => self.inline(inline, parent, place),
            }
        }
        self.level -= 1;
    }

    fn field(&mut self, field: &'d Field<'d>, parent: Option<TypeId>, place: usize) {
        self.directives(&field.directives, "FIELD", place);
        let schema = self.schema;
        let definition = parent.and_then(|parent| schema.field(parent, field.name.text));
        let (Some(parent), Some(definition)) = (parent, definition) else {
            if let Some(parent) = parent {
                self.unknown_field(field, parent);
            }
            self.unique_arguments(&field.arguments);
            for argument in &field.arguments {
                self.untyped(&argument.value, place);
            }
            if let Some(selections) = &field.selections {
                self.selections(selections, None, place);
            }
            return;
        };
        self.arguments(
            &field.arguments,
            &definition.arguments,
            place,
            |name| format!("on field \"{}.{}\"", schema.ty(parent).name, name),
            field.name,
        );
        self.required(
            &field.arguments,
            &definition.arguments,
            field.name,
            "Field \"",
            "\"",
        );
        let base = definition.ty.base();
        let is_leaf = !schema.ty(base).is_composite();
        match &field.selections {
            Some(selections) if is_leaf => {
                let ty = schema.show(&definition.ty);
                self.error(
                    format!(
                        "Field \"{}\" must not have a selection since type \"{ty}\" has no subfields.",
                        field.name.text
                    ),
                    &[selections.pos],
                );
            }
            None if !is_leaf => {
                let (name, ty) = (field.name.text, schema.show(&definition.ty));
                self.error(
                    format!(
                        "Field \"{name}\" of type \"{ty}\" must have a selection of subfields. Did you mean \"{name} {{ ... }}\"?"
                    ),
                    &[field.pos],
                );
            }
            Some(selections) => self.selections(selections, Some(base), place),
            None => {}
        }
    }

    fn unknown_field(&mut self, field: &'d Field<'d>, parent: TypeId) {
        let schema = self.schema;
        let ty = schema.ty(parent);
        let name = field.name.text;
        // A possible object may have the field.
        let on: Vec<_> = if ty.is_abstract() {
            let possible = ty.possible.iter().map(|&id| schema.ty(id));
            possible
                .filter(|ty| ty.fields.get(name).is_some())
                .take(5)
                .map(|ty| format!("\"{}\"", ty.name))
                .collect()
        } else {
            Vec::new()
        };
        let hint = match suggest::question(&on) {
            hint if hint.is_empty() => {
                suggest::did_you_mean(name, ty.fields.iter().map(|field| &*field.name))
            }
            hint => hint.replacen(
                "Did you mean",
                "Did you mean to use an inline fragment on",
                1,
            ),
        };
        self.error(
            format!(
                "Cannot query field \"{name}\" on type \"{}\".{hint}",
                ty.name
            ),
            &[field.pos],
        );
    }

    fn unique_arguments(&mut self, arguments: &'d [Argument<'d>]) {
        let names = arguments.iter().map(|argument| argument.name);
        self.unique(names, |name| {
            format!("There can be only one argument named \"{name}\".")
        });
    }

    fn arguments(
        &mut self,
        arguments: &'d [Argument<'d>],
        definitions: &'d Named<InputDefinition>,
        place: usize,
        on: impl Fn(&str) -> String,
        owner: Name<'d>,
    ) {
        self.unique_arguments(arguments);
        for argument in arguments {
            let name = argument.name.text;
            let Some(definition) = definitions.get(name) else {
                let names = definitions.iter().map(|definition| &*definition.name);
                let hint = suggest::did_you_mean(name, names);
                self.error(
                    format!("Unknown argument \"{name}\" {}.{hint}", on(owner.text)),
                    &[argument.name.pos],
                );
                self.untyped(&argument.value, place);
                continue;
            };
            self.argument_value(&argument.value, definition, place);
        }
    }

    fn required(
        &mut self,
        arguments: &'d [Argument<'d>],
        definitions: &'d Named<InputDefinition>,
        owner: Name<'d>,
        before: &str,
        after: &str,
    ) {
        for definition in definitions
            .iter()
            .filter(|definition| definition.is_required())
        {
            let is_there = arguments
                .iter()
                .any(|argument| argument.name.text == &*definition.name);
            if !is_there {
                let ty = self.schema.show(&definition.ty);
                self.error(
                    format!(
                        "{before}{}{after} argument \"{}\" of type \"{ty}\" is required, but it was not provided.",
                        owner.text, definition.name
                    ),
                    &[owner.pos],
                );
            }
        }
    }

    pub(super) fn directives(
        &mut self,
        directives: &'d [Directive<'d>],
        location: &str,
        place: usize,
    ) {
        let schema = self.schema;
        let mut seen = Seen::default();
        for directive in directives {
            let name = directive.name.text;
            let Some(definition) = schema.directive(name) else {
                let names = schema.directives().map(|(name, _)| name);
                let hint = suggest::did_you_mean(name, names);
                self.error(
                    format!("Unknown directive \"@{name}\".{hint}"),
                    &[directive.pos],
                );
                self.unique_arguments(&directive.arguments);
                for argument in &directive.arguments {
                    self.untyped(&argument.value, place);
                }
                continue;
            };
            if !definition
                .locations
                .iter()
                .any(|known| **known == *location)
            {
                self.error(
                    format!("Directive \"@{name}\" may not be used on {location}."),
                    &[directive.pos],
                );
            }
            if !definition.is_repeatable
                && let Some(first) = seen.before(directive.name)
            {
                self.error(
                    format!("The directive \"@{name}\" can only be used once at this location."),
                    &[first.pos, directive.pos],
                );
            }
            self.arguments(
                &directive.arguments,
                &definition.arguments,
                place,
                |name| format!("on directive \"@{name}\""),
                directive.name,
            );
            self.required(
                &directive.arguments,
                &definition.arguments,
                directive.name,
                "Directive \"@",
                "\"",
            );
        }
    }

    fn spread(&mut self, spread: &'d Spread<'d>, parent: Option<TypeId>, place: usize) {
        self.directives(&spread.directives, "FRAGMENT_SPREAD", place);
        let name = spread.name.text;
        let Some(&number) = self.fragments.get(name) else {
            let names: Vec<_> = self.fragments.keys().copied().collect();
            let hint = suggest::did_you_mean(name, names.into_iter());
            self.error(
                format!("Unknown fragment \"{name}\".{hint}"),
                &[spread.name.pos],
            );
            return;
        };
        let level = self.level;
        self.spreads[place].push(Spreads {
            fragment: number,
            level,
        });
        let fragment = &self.document.fragments[number];
        let condition = self.schema.find(fragment.condition.text);
        if let (Some(parent), Some(condition)) = (parent, condition)
            && self.schema.ty(condition).is_composite()
            && !self.schema.overlap(parent, condition)
        {
            self.error(
                format!(
                    "Fragment \"{name}\" cannot be spread here as objects of type \"{}\" can never be of type \"{}\".",
                    self.name_of(parent),
                    self.name_of(condition)
                ),
                &[spread.pos],
            );
        }
    }

    fn inline(&mut self, inline: &'d Inline<'d>, parent: Option<TypeId>, place: usize) {
        self.directives(&inline.directives, "INLINE_FRAGMENT", place);
        let condition = match inline.condition {
            None => parent,
            Some(name) => {
                let condition = self.condition(name, None);
                if let (Some(parent), Some(condition)) = (parent, condition)
                    && !self.schema.overlap(parent, condition)
                {
                    self.error(
                        format!(
                            "Fragment cannot be spread here as objects of type \"{}\" can never be of type \"{}\".",
                            self.name_of(parent),
                            self.name_of(condition)
                        ),
                        &[inline.pos],
                    );
                }
                condition
            }
        };
        self.selections(&inline.selections, condition, place);
    }

    /// The type that a fragment is on, if it exists and has fields.
    pub(super) fn condition(&mut self, name: Name<'d>, fragment: Option<&str>) -> Option<TypeId> {
        let Some(id) = self.schema.find(name.text) else {
            self.unknown_type(name);
            return None;
        };
        if matches!(
            self.schema.ty(id).kind,
            Kind::Object | Kind::Interface | Kind::Union
        ) {
            return Some(id);
        }
        let fragment = fragment.map_or_else(String::new, |fragment| format!(" \"{fragment}\""));
        self.error(
            format!(
                "Fragment{fragment} cannot condition on non composite type \"{}\".",
                name.text
            ),
            &[name.pos],
        );
        None
    }
}
