//! A subscription must have one root field (specification, "Single Root Field").

use std::collections::HashSet;

use async_graphql::parser::types::OperationType;

use super::validator::Validator;
use crate::{
    ast::{Directive, Field, Selection, SelectionSet},
    error::Pos,
    schema::TypeId,
};

/// The root selections of a subscription, with those in fragments.
#[derive(Default)]
struct Roots<'d> {
    fields: Vec<&'d Field<'d>>,
    /// The positions of `@skip` and `@include`, which are not allowed: the root field must not depend on variables.
    conditions: Vec<Pos>,
    fragments: HashSet<&'d str>,
}

impl<'d> Validator<'d> {
    pub(super) fn subscriptions(&mut self) {
        let Some(root) = self.schema.root(OperationType::Subscription) else {
            return;
        };
        for operation in &self.document.operations {
            if operation.kind != OperationType::Subscription {
                continue;
            }
            let mut roots = Roots::default();
            self.roots(&operation.selections, root, &mut roots);
            let name = operation.name.map_or_else(
                || "Anonymous Subscription".to_owned(),
                |name| format!("Subscription \"{}\"", name.text),
            );
            if let Some(&pos) = roots.conditions.first() {
                self.error(
                    format!(
                        "{name} must not use `@skip` or `@include` directives in the top level selection."
                    ),
                    &[pos],
                );
            }
            let first = roots.fields.first().map(|field| field.response_key());
            let mut others = roots
                .fields
                .iter()
                .filter(|field| Some(field.response_key()) != first);
            if let Some(other) = others.next() {
                self.error(
                    format!("{name} must select only one top level field."),
                    &[other.pos],
                );
            }
            if let Some(field) = roots
                .fields
                .iter()
                .find(|field| field.name.text.starts_with("__"))
            {
                self.error(
                    format!("{name} must not select an introspection top level field."),
                    &[field.pos],
                );
            }
        }
    }

    fn roots(&self, set: &'d SelectionSet<'d>, root: TypeId, roots: &mut Roots<'d>) {
        let applies = |condition: &str| {
            let condition = self.schema.find(condition);
            condition.is_some_and(|condition| self.schema.is_subtype(root, condition))
        };
        for selection in &set.items {
            match selection {
                Selection::Field(field) => {
                    roots.conditions.extend(condition(&field.directives));
                    roots.fields.push(field);
                }
                Selection::Inline(inline) => {
                    roots.conditions.extend(condition(&inline.directives));
                    if inline.condition.is_none_or(|name| applies(name.text)) {
                        self.roots(&inline.selections, root, roots);
                    }
                }
                Selection::Spread(spread) => {
                    roots.conditions.extend(condition(&spread.directives));
                    if roots.fragments.insert(spread.name.text)
                        && let Some(fragment) = self.fragment_named(spread.name.text)
                        && applies(fragment.condition.text)
                    {
                        self.roots(&fragment.selections, root, roots);
                    }
                }
            }
        }
    }
}

fn condition(directives: &[Directive<'_>]) -> Option<Pos> {
    directives
        .iter()
        .find(|directive| matches!(directive.name.text, "skip" | "include"))
        .map(|directive| directive.pos)
}
