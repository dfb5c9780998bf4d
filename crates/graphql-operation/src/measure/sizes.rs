//! The sizes of a schema's lists.

use std::collections::HashMap;

use super::items::{Arguments, Given, Items, default_number, size};
use crate::schema::{FieldDefinition, Schema, TypeId};

/// How many items the lists of a schema can have.
///
/// A field with an argument `first` or `last` is a page: it has as many items as these ask for, or else [`Sizes::page`]. Any other list has
/// as many items as [`Sizes::list`] says, or else [`Sizes::other_lists`].
///
/// ```
/// use graphql_operation::{Size, Sizes};
///
/// let sizes = Sizes::default()
///     .page(20)
///     .other_lists(10)
///     .list("Query.nodes", Size::Argument("ids"))
///     .list("Query.currencies", Size::Items(200))
///     // Resolvers count what is more: `AnswerCount`.
///     .list("Entry.lines", Size::Usually(10))
///     // A list further below a field is written with its path. The argument is that field's.
///     .list("Mutation.postEntry.entry.lines", Size::Argument("input.lines"));
/// # let _ = sizes;
/// ```
#[derive(Clone, Debug)]
pub struct Sizes {
    page: usize,
    other_lists: usize,
    lists: HashMap<String, Size>,
    below: HashMap<String, Vec<Below>>,
    least_usual: usize,
    weights: HashMap<String, usize>,
}

/// How many items a list has.
///
/// ```
/// use graphql_operation::{Size, Sizes};
///
/// // A list of two hundred at most, and one as long as its argument `first` says.
/// let sizes = Sizes::default()
///     .list("Query.currencies", Size::Items(200))
///     .list("Query.newest", Size::Argument("first"));
/// # let _ = sizes;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Size {
    /// At most this many.
    Items(usize),
    /// Usually at most this many. A resolver that answers with more must [count them](crate::AnswerCount), or the answer has more fields
    /// than were counted.
    Usually(usize),
    /// As many as the list in this argument has. `input.lines` is the field `lines` of the argument `input`.
    Argument(&'static str),
    /// This many for each item of the list in this argument.
    EachOf {
        /// As in [`Size::Argument`].
        argument: &'static str,
        /// How many for each of its items.
        items: usize,
    },
}

/// A size that an argument of a field gives for a list further below it.
#[derive(Clone, Debug)]
struct Below {
    /// The names of the fields that lead to the list.
    path: Vec<String>,
    size: Size,
}

impl Default for Sizes {
    /// Pages of 20, and 10 items in other lists.
    fn default() -> Self {
        Self {
            page: 20,
            other_lists: 10,
            lists: HashMap::new(),
            below: HashMap::new(),
            least_usual: usize::MAX,
            weights: HashMap::new(),
        }
    }
}

impl Sizes {
    /// Sets how many items a page has that is requested without `first` and `last`.
    #[must_use]
    pub fn page(mut self, items: usize) -> Self {
        self.page = items;
        self
    }

    /// Sets how many items any other list has.
    #[must_use]
    pub fn other_lists(mut self, items: usize) -> Self {
        self.other_lists = items;
        self
    }

    /// Sets how many items a field's list has. The field is written as `Type.field`. If the size depends on an argument of a field further
    /// up, the path from that field on is written: `Type.field.field.field`.
    #[must_use]
    pub fn list(mut self, field: impl Into<String>, size: Size) -> Self {
        let field = field.into();
        if let Size::Usually(items) = size {
            self.least_usual = self.least_usual.min(items);
        }
        let mut names = field.split('.');
        let (ty, first) = (names.next(), names.next());
        let path: Vec<_> = names.map(str::to_owned).collect();
        match (ty, first) {
            (Some(ty), Some(first)) if !path.is_empty() => {
                let key = format!("{ty}.{first}");
                self.below
                    .entry(key)
                    .or_default()
                    .push(Below { path, size });
            }
            _ => {
                self.lists.insert(field, size);
            }
        }
        self
    }

    /// The least of all [usual](Size::Usually) sizes.
    pub(crate) fn least_usual(&self) -> usize {
        self.least_usual
    }

    /// Sets how much more a field costs than others, in fields: for example one that counts rows. It is added up in
    /// [`Measure::weight`](crate::Measure::weight), and changes no other measure. The field is written as `Type.field`.
    ///
    /// ```
    /// use async_graphql::Request;
    /// use graphql_operation::{Options, Preparer, Schema, Sizes};
    ///
    /// let schema = Schema::parse(
    ///     "type Query { rows(first: Int): Rows! }
    ///     type Rows { totalCount: Int! nodes: [Row!]! }
    ///     type Row { rows(first: Int): Rows! }",
    /// )?;
    /// let sizes = Sizes::default().weight("Rows.totalCount", 500);
    /// let preparer = Preparer::new(schema, Options::default().sizes(sizes));
    /// let weight = |document: &str| {
    ///     let prepared = preparer.prepare(&mut Request::new(document));
    ///     prepared.map(|prepared| prepared.measure().weight).unwrap()
    /// };
    /// assert_eq!(weight("{ rows(first: 20) { __typename } }"), 0);
    /// assert_eq!(weight("{ a: rows(first: 20) { totalCount } b: rows { ...B } } fragment B on Rows { totalCount }"), 1_000);
    /// // On a page, as often as the page has items.
    /// assert_eq!(weight("{ rows(first: 20) { nodes { rows { totalCount } } } }"), 10_000);
    /// let variable = "query ($n: Int = 100) { rows(first: $n) { nodes { rows { totalCount } } } }";
    /// assert_eq!(weight(variable), 50_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn weight(mut self, field: impl Into<String>, weight: usize) -> Self {
        self.weights.insert(field.into(), weight);
        self
    }

    pub(super) fn weight_of(
        &self,
        schema: &Schema,
        parent: TypeId,
        definition: &FieldDefinition,
    ) -> usize {
        if self.weights.is_empty() {
            return 0;
        }
        let name = format!("{}.{}", schema.ty(parent).name, definition.name);
        self.weights.get(&name).copied().unwrap_or(0)
    }

    /// How many items a field can have.
    pub(super) fn items(
        &self,
        schema: &Schema,
        parent: TypeId,
        definition: &FieldDefinition,
        arguments: Arguments<'_>,
        is_page: bool,
    ) -> Items {
        if let Some(size) = self.set_size(schema, parent, definition) {
            return self.of(size, definition, arguments);
        }
        if is_paged(definition) {
            return self.paged(definition, arguments);
        }
        if !definition.ty.is_list() || (is_page && matches!(&*definition.name, "edges" | "nodes")) {
            return Items::Certain(1);
        }
        Items::Certain(match &*definition.name {
            // A connection whose field has no arguments of a page.
            "edges" | "nodes" => self.page.max(self.other_lists),
            _ => self.other_lists,
        })
    }

    fn of(&self, size: Size, definition: &FieldDefinition, arguments: Arguments<'_>) -> Items {
        let inputs = &definition.arguments;
        match size {
            Size::Items(items) | Size::Usually(items) => Items::Certain(items),
            Size::Argument(argument) => arguments.each_of(inputs, argument, 1, self.other_lists),
            Size::EachOf { argument, items } => {
                let otherwise = self.other_lists.saturating_mul(items);
                arguments.each_of(inputs, argument, items, otherwise)
            }
        }
    }

    /// The size that is set for a field. A field of an interface or a union without one has the largest that is set for one of its objects.
    fn set_size(
        &self,
        schema: &Schema,
        parent: TypeId,
        definition: &FieldDefinition,
    ) -> Option<Size> {
        if self.lists.is_empty() {
            return None;
        }
        let ty = schema.ty(parent);
        let of = |ty: &str| {
            self.lists
                .get(&format!("{ty}.{}", definition.name))
                .copied()
        };
        let told = of(&ty.name);
        if told.is_some() || !ty.is_abstract() || !definition.ty.is_list() {
            return told;
        }
        let objects = ty.possible.iter().filter_map(|id| of(&schema.ty(*id).name));
        objects.max_by_key(|size| match size {
            Size::Items(items) | Size::Usually(items) => *items,
            Size::Argument(_) | Size::EachOf { .. } => 0,
        })
    }

    /// The sizes that this field's arguments give for lists further below: the path to each, and its number of items.
    pub(super) fn below<'s>(
        &'s self,
        schema: &Schema,
        parent: TypeId,
        definition: &FieldDefinition,
        arguments: Arguments<'_>,
    ) -> Vec<(&'s [String], Items)> {
        if self.below.is_empty() {
            return Vec::new();
        }
        let key = format!("{}.{}", schema.ty(parent).name, definition.name);
        let told = self.below.get(&key).into_iter().flatten();
        told.map(|below| {
            let items = self.of(below.size, definition, arguments);
            (below.path.as_slice(), items)
        })
        .collect()
    }

    fn paged(&self, definition: &FieldDefinition, arguments: Arguments<'_>) -> Items {
        let inputs = &definition.arguments;
        let first = arguments.number(inputs, "first");
        let last = arguments.number(inputs, "last");
        match (first, last) {
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
                // If the variable has no value, the argument's default counts.
                otherwise: ["first", "last"]
                    .iter()
                    .filter_map(|name| default_number(inputs, name))
                    .map(size)
                    .fold(self.page, usize::max),
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
