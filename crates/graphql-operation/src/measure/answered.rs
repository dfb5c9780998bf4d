//! Counts lists of an answer that are longer than usual.

use async_graphql::{
    Variables,
    parser::types::{Field, Selection, SelectionSet},
};

use super::{
    given_sizes::{self, GivenSizes},
    items::Arguments,
    sizes::{self, Sizes},
};
use crate::schema::{Schema, TypeId};

/// Counts the fields of a normalised operation.
pub(crate) struct Answered<'s> {
    pub(crate) schema: &'s Schema,
    pub(crate) sizes: &'s Sizes,
    pub(crate) variables: &'s Variables,
}

/// A list of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct List {
    /// How many items were counted.
    pub(crate) counted: usize,
    /// How many fields each item can have.
    pub(crate) fields: usize,
}

impl<'s> Answered<'s> {
    /// The list at this path of response keys; `None` if the operation has none there.
    pub(crate) fn list(&self, set: &SelectionSet, root: TypeId, keys: &[&str]) -> Option<List> {
        self.find(set, root, false, &GivenSizes::new(), keys)
    }

    fn find(
        &self,
        set: &SelectionSet,
        parent: TypeId,
        is_page: bool,
        given: &GivenSizes<'s>,
        keys: &[&str],
    ) -> Option<List> {
        let (key, rest) = keys.split_first()?;
        // Several objects may have the same key, and it is not known here which it was: the largest counts.
        let found = set.items.iter().filter_map(|item| match &item.node {
            Selection::Field(field) if field.node.response_key().node == *key => {
                let field = &field.node;
                let definition = self.schema.field(parent, &field.name.node)?;
                if !rest.is_empty() {
                    let (inside, is_page, given) = self.below(field, parent, given)?;
                    return self.find(&field.selection_set.node, inside, is_page, &given, rest);
                }
                let (counted, fields) = self.field(field, parent, is_page, given);
                definition.ty.is_list().then_some(List { counted, fields })
            }
            Selection::InlineFragment(inline) => {
                let inline = &inline.node;
                let condition = inline.type_condition.as_ref();
                let on = condition.and_then(|on| self.schema.find(&on.node.on.node));
                let on = on.unwrap_or(parent);
                self.find(&inline.selection_set.node, on, is_page, given, keys)
            }
            Selection::Field(_) | Selection::FragmentSpread(_) => None,
        });
        found.reduce(|one, other| List {
            counted: one.counted.min(other.counted),
            fields: one.fields.max(other.fields),
        })
    }

    /// What is inside a field: its type, whether that is a page, and the known sizes.
    fn below(
        &self,
        field: &Field,
        parent: TypeId,
        given: &GivenSizes<'s>,
    ) -> Option<(TypeId, bool, GivenSizes<'s>)> {
        let name = field.name.node.as_str();
        let definition = self.schema.field(parent, name)?;
        let arguments = Arguments::Normalised(&field.arguments);
        let own = self.sizes.below(self.schema, parent, definition, arguments);
        Some((
            definition.ty.base(),
            sizes::is_paged(definition),
            given_sizes::below(given, name, own),
        ))
    }

    /// How many items a field has, and how many fields each of them has.
    fn field(
        &self,
        field: &Field,
        parent: TypeId,
        is_page: bool,
        given: &GivenSizes<'s>,
    ) -> (usize, usize) {
        let name = field.name.node.as_str();
        let (Some(definition), Some((inside, below_is_page, below))) = (
            self.schema.field(parent, name),
            self.below(field, parent, given),
        ) else {
            return (1, 0);
        };
        let items = match given_sizes::of(given, name) {
            Some(items) => items.with(self.variables),
            None => {
                let arguments = Arguments::Normalised(&field.arguments);
                self.sizes
                    .items(self.schema, parent, definition, arguments, is_page)
                    .with(self.variables)
            }
        };
        let fields = self.set(&field.selection_set.node, inside, below_is_page, &below);
        (items, fields)
    }

    fn set(
        &self,
        set: &SelectionSet,
        parent: TypeId,
        is_page: bool,
        given: &GivenSizes<'s>,
    ) -> usize {
        let mut total: usize = 0;
        for item in &set.items {
            total = total.saturating_add(match &item.node {
                Selection::Field(field) => {
                    let (items, fields) = self.field(&field.node, parent, is_page, given);
                    items.saturating_mul(fields).saturating_add(1)
                }
                Selection::InlineFragment(inline) => {
                    let condition = inline.node.type_condition.as_ref();
                    let on = condition.and_then(|on| self.schema.find(&on.node.on.node));
                    let set = &inline.node.selection_set.node;
                    self.set(set, on.unwrap_or(parent), is_page, given)
                }
                Selection::FragmentSpread(_) => 0,
            });
        }
        total
    }
}
