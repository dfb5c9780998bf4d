//! Limits how deep lists of introspection may be nested.
//!
//! This rule is graphql-js's own. Nobody needs a list of the types of the fields of the types and so on, and it can be very large.

use std::collections::HashSet;

use super::validator::Validator;
use crate::ast::{Field, Selection, SelectionSet};

/// The limit of graphql-js.
const MOST_LISTS: usize = 3;

impl<'d> Validator<'d> {
    pub(super) fn introspection(&mut self) {
        let document = self.document;
        let operations = document.operations.iter().map(|one| &one.selections);
        let fragments = document.fragments.iter().map(|one| &one.selections);
        let mut open: Vec<&'d SelectionSet<'d>> = operations.chain(fragments).collect();
        while let Some(set) = open.pop() {
            for selection in &set.items {
                match selection {
                    Selection::Field(field) => {
                        let asks = matches!(field.name.text, "__schema" | "__type");
                        let mut seen = HashSet::new();
                        if asks && self.is_too_deep(field, 0, &mut seen) {
                            self.error("Maximum introspection depth exceeded", &[field.pos]);
                        } else {
                            open.extend(&field.selections);
                        }
                    }
                    Selection::Inline(inline) => open.push(&inline.selections),
                    Selection::Spread(_) => {}
                }
            }
        }
    }

    fn is_too_deep(
        &self,
        field: &'d Field<'d>,
        lists: usize,
        seen: &mut HashSet<(&'d str, usize)>,
    ) -> bool {
        let is_list = matches!(
            field.name.text,
            "fields" | "interfaces" | "possibleTypes" | "inputFields"
        );
        let lists = lists + usize::from(is_list);
        lists >= MOST_LISTS
            || field
                .selections
                .as_ref()
                .is_some_and(|set| self.has_too_deep(set, lists, seen))
    }

    fn has_too_deep(
        &self,
        set: &'d SelectionSet<'d>,
        lists: usize,
        seen: &mut HashSet<(&'d str, usize)>,
    ) -> bool {
        set.items.iter().any(|selection| match selection {
            Selection::Field(field) => self.is_too_deep(field, lists, seen),
            Selection::Inline(inline) => self.has_too_deep(&inline.selections, lists, seen),
            // A fragment is visited once for each number of lists around it.
            Selection::Spread(spread) => {
                seen.insert((spread.name.text, lists))
                    && self
                        .fragment_named(spread.name.text)
                        .is_some_and(|one| self.has_too_deep(&one.selections, lists, seen))
            }
        })
    }
}
