//! How many items a list has.

use std::collections::HashMap;

use async_graphql::{Name, Value, Variables};

use super::Given;
use crate::{
    ast::{Field, ValueKind},
    schema::{FieldDefinition, Schema, TypeId},
};

/// How many items the lists of a schema can have.
///
/// A field with an argument `first` or `last` is a page: as many as these ask for, or [`Sizes::page`] where they do not. What else is
/// a list has as many as [`Sizes::list`] says of it, or [`Sizes::other_lists`].
///
/// ```
/// use graphql_operation::{Size, Sizes};
///
/// let sizes = Sizes::default()
///     .page(20)
///     .other_lists(10)
///     .list("Query.nodes", Size::Argument("ids"))
///     .list("Query.currencies", Size::Items(200));
/// # let _ = sizes;
/// ```
#[derive(Clone, Debug)]
pub struct Sizes {
    page: usize,
    other_lists: usize,
    lists: HashMap<String, Size>,
}

/// How many items a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Size {
    /// As many, at most.
    Items(usize),
    /// As many as the list that this argument is.
    Argument(&'static str),
}

impl Default for Sizes {
    /// Pages of 20, and 10 items in other lists.
    fn default() -> Self {
        Self {
            page: 20,
            other_lists: 10,
            lists: HashMap::new(),
        }
    }
}

impl Sizes {
    /// How many items a page has that is asked for without `first` and `last`.
    #[must_use]
    pub fn page(mut self, items: usize) -> Self {
        self.page = items;
        self
    }

    /// How many items a list has of which nothing else is known.
    #[must_use]
    pub fn other_lists(mut self, items: usize) -> Self {
        self.other_lists = items;
        self
    }

    /// How many items a field's list has. The field is written as `Type.field`.
    #[must_use]
    pub fn list(mut self, field: impl Into<String>, size: Size) -> Self {
        self.lists.insert(field.into(), size);
        self
    }

    /// How often what is inside a field can be answered.
    pub(super) fn items(
        &self,
        schema: &Schema,
        parent: TypeId,
        definition: &FieldDefinition,
        field: &Field<'_>,
        is_page: bool,
    ) -> Items {
        if !self.lists.is_empty() {
            let name = format!("{}.{}", schema.ty(parent).name, definition.name);
            match self.lists.get(&name) {
                Some(Size::Items(items)) => return Items::Certain(*items),
                Some(Size::Argument(argument)) => return self.length(definition, field, argument),
                None => {}
            }
        }
        if is_paged(definition) {
            return self.paged(definition, field);
        }
        if !definition.ty.is_list() || (is_page && matches!(&*definition.name, "edges" | "nodes")) {
            return Items::Certain(1);
        }
        Items::Certain(match &*definition.name {
            // A connection that is no page: a resolver made it so.
            "edges" | "nodes" => self.page.max(self.other_lists),
            _ => self.other_lists,
        })
    }

    fn paged(&self, definition: &FieldDefinition, field: &Field<'_>) -> Items {
        let asked = |name: &str| given(definition, field, name);
        match (asked("first"), asked("last")) {
            (None, None) => Items::Certain(self.page),
            (Some(Given::Number(one)), None) | (None, Some(Given::Number(one))) => {
                Items::Certain(size(one))
            }
            (Some(Given::Number(one)), Some(Given::Number(other))) => {
                Items::Certain(size(one.max(other)))
            }
            (first, last) => Items::Page {
                first,
                last,
                otherwise: self.page,
            },
        }
    }

    fn length(&self, definition: &FieldDefinition, field: &Field<'_>, name: &str) -> Items {
        let argument = field
            .arguments
            .iter()
            .find(|argument| argument.name.text == name);
        match argument.map(|argument| &argument.value.kind) {
            Some(ValueKind::List(items)) => Items::Certain(items.len()),
            Some(ValueKind::Variable(name)) => Items::Length {
                of: Name::new(name),
                otherwise: self.other_lists,
            },
            Some(ValueKind::Null) => Items::Certain(self.other_lists),
            Some(_) => Items::Certain(1),
            None => match definition.arguments.get(name).map(|input| &input.default) {
                Some(Some(Value::List(items))) => Items::Certain(items.len()),
                _ => Items::Certain(self.other_lists),
            },
        }
    }
}

/// Whether a field is a page of something.
pub(super) fn is_paged(definition: &FieldDefinition) -> bool {
    ["first", "last"]
        .iter()
        .any(|name| definition.arguments.get(name).is_some())
}

fn given(definition: &FieldDefinition, field: &Field<'_>, name: &str) -> Option<Given> {
    let argument = field
        .arguments
        .iter()
        .find(|argument| argument.name.text == name);
    match argument.map(|argument| &argument.value.kind) {
        Some(ValueKind::Int(text)) => text.parse().ok().map(Given::Number),
        Some(ValueKind::Variable(name)) => Some(Given::Variable(Name::new(name))),
        Some(_) => None,
        None => match &definition.arguments.get(name)?.default {
            Some(Value::Number(number)) => number.as_i64().map(Given::Number),
            _ => None,
        },
    }
}

/// What cannot be a page is refused by the field itself.
fn size(number: i64) -> usize {
    usize::try_from(number).unwrap_or(1).max(1)
}

/// How often something is answered.
#[derive(Clone, Debug)]
pub(crate) enum Items {
    Certain(usize),
    Page {
        first: Option<Given>,
        last: Option<Given>,
        otherwise: usize,
    },
    /// As many as the list in this variable has.
    Length {
        of: Name,
        otherwise: usize,
    },
}

impl Items {
    pub(super) fn with(&self, variables: &Variables) -> usize {
        match self {
            Self::Certain(items) => *items,
            Self::Page {
                first,
                last,
                otherwise,
            } => {
                let asked = [first, last].into_iter().flatten();
                let asked = asked.filter_map(|given| given.with(variables)).max();
                asked.map_or(*otherwise, size)
            }
            Self::Length { of, otherwise } => match variables.get(of) {
                Some(Value::List(items)) => items.len(),
                Some(Value::Null) | None => *otherwise,
                Some(_) => 1,
            },
        }
    }
}
