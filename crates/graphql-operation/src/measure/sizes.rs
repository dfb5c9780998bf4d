//! How many items a list has.

use std::collections::HashMap;

use super::items::{Arguments, Given, Items, default_number, size};
use crate::schema::{FieldDefinition, Schema, TypeId};

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
///     .list("Query.currencies", Size::Items(200))
///     // Resolvers tell when there are more: `AnswerCount`.
///     .list("Entry.lines", Size::Usually(10))
///     // A list further below a field is written with the way to it. The argument is that field's.
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
    /// As many, at most.
    Items(usize),
    /// As many, as a rule. A resolver that answers more has to [count it](crate::AnswerCount), or else the answer has
    /// more fields than were counted.
    Usually(usize),
    /// As many as the list that this argument is. `input.lines` is the field `lines` of the argument `input`.
    Argument(&'static str),
    /// So many for each item of the list that this argument is.
    EachOf {
        /// As in [`Size::Argument`].
        argument: &'static str,
        /// How many for each of its items.
        items: usize,
    },
}

/// What an argument of a field says of a list that is further below it.
#[derive(Clone, Debug)]
struct Below {
    /// The names of the fields that lead to the list.
    way: Vec<String>,
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

    /// How many items a field's list has. The field is written as `Type.field`; where the size depends on an argument of a field
    /// further up, as `Type.field.field.field`, from that field on.
    #[must_use]
    pub fn list(mut self, field: impl Into<String>, size: Size) -> Self {
        let field = field.into();
        if let Size::Usually(items) = size {
            self.least_usual = self.least_usual.min(items);
        }
        let mut names = field.split('.');
        let (ty, first) = (names.next(), names.next());
        let way: Vec<_> = names.map(str::to_owned).collect();
        match (ty, first) {
            (Some(ty), Some(first)) if !way.is_empty() => {
                let key = format!("{ty}.{first}");
                self.below.entry(key).or_default().push(Below { way, size });
            }
            _ => {
                self.lists.insert(field, size);
            }
        }
        self
    }

    /// No list that is [usually](Size::Usually) as long as something has fewer items than this, as a rule.
    pub(crate) fn least_usual(&self) -> usize {
        self.least_usual
    }

    /// How much more a field costs than others, in fields: one that counts rows, say. It is summed up in
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

    /// How often what is inside a field can be answered.
    pub(super) fn items(
        &self,
        schema: &Schema,
        parent: TypeId,
        definition: &FieldDefinition,
        arguments: Arguments<'_>,
        is_page: bool,
    ) -> Items {
        if let Some(size) = self.told(schema, parent, definition) {
            return self.of(size, definition, arguments);
        }
        if is_paged(definition) {
            return self.paged(definition, arguments);
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

    /// What was told of a field. Of a field of an interface or a union: the most that was told of it on one of its objects, if nothing
    /// was told of itself.
    fn told(&self, schema: &Schema, parent: TypeId, definition: &FieldDefinition) -> Option<Size> {
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

    /// What this field's arguments say of lists further below: the way to each, and how many items it has.
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
            (below.way.as_slice(), items)
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
                // A variable without a value leaves its place to the default of that.
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
