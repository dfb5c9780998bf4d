//! Measures how much an operation asks for.
//!
//! A fragment is measured once, and its measure is added wherever it is spread. So the time grows with the text, while the counts may grow
//! exponentially; sums saturate at the largest number. A field counts as often as it can be answered: below a page once for each item of
//! the page, below a list as often as [`Sizes`] says, and in introspection as often as the schema has such items.
//!
//! | file | |
//! |---|---|
//! | `sizes` | the sizes of the schema's lists |
//! | `items` | sizes that arguments give |
//! | `given_sizes` | sizes that a field's arguments give for lists further below it |
//! | `introspection` | introspection |
//! | `measured` | the measure of one operation, before and after its variables are known |
//! | `answered` | lists of an answer that are longer than usual |

mod answered;
mod given_sizes;
mod introspection;
mod items;
mod measured;
mod sizes;

use std::collections::HashMap;

pub(crate) use self::answered::{Answered, List};
pub use self::measured::Measure;
pub(crate) use self::measured::Measured;
pub use self::sizes::{Size, Sizes};
use self::{
    given_sizes::GivenSizes,
    introspection::Introspection,
    items::{Arguments, Items},
    measured::Cost,
};
use crate::{
    ast::{Document, Field, Operation, Selection, SelectionSet},
    schema::{Schema, TypeId},
};

/// The counts of one selection set.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    depth: usize,
    /// The fields of this set itself, not those below them.
    fields: usize,
    aliases: usize,
    directives: usize,
    cost: Cost,
    weight: Cost,
    /// What counts once for each item of the page that the set is on.
    weight_of_items: Cost,
    introspects: bool,
}

/// Measures operations of one document.
pub(crate) struct Measuring<'d> {
    schema: &'d Schema,
    sizes: &'d Sizes,
    document: &'d Document<'d>,
    fragments: HashMap<&'d str, usize>,
    /// The counts of selection sets, by their number, their type, whether that is a page, and the sizes given around them.
    measured: HashMap<(usize, TypeId, bool, usize), Counts>,
    /// The sizes given around selection sets. The first is empty.
    given_sizes: Vec<GivenSizes<'d>>,
    sums: Vec<Vec<(Items, Cost)>>,
    introspection: Introspection<'d>,
}

impl<'d> Measuring<'d> {
    pub(crate) fn new(schema: &'d Schema, sizes: &'d Sizes, document: &'d Document<'d>) -> Self {
        let names = document.fragments.iter().enumerate();
        let fragments: HashMap<_, _> = names.map(|(at, one)| (one.name.text, at)).collect();
        Self {
            schema,
            sizes,
            document,
            measured: HashMap::new(),
            given_sizes: vec![GivenSizes::new()],
            sums: Vec::new(),
            introspection: Introspection::new(schema, document, fragments.clone()),
            fragments,
        }
    }

    /// Measures one operation of the document, which must be valid.
    pub(crate) fn operation(mut self, operation: &'d Operation<'d>) -> Measured {
        let counts = match self.schema.root(operation.kind) {
            Some(root) => self.set(&operation.selections, root, false, 0),
            None => Counts::default(),
        };
        let variables = operation.variables.iter();
        let of_variables: usize = variables.map(|variable| variable.directives.len()).sum();
        Measured {
            counts: Measure {
                depth: counts.depth,
                root_fields: counts.fields,
                aliases: counts.aliases,
                directives: counts
                    .directives
                    .saturating_add(operation.directives.len())
                    .saturating_add(of_variables),
                complexity: 0,
                weight: 0,
                introspects: counts.introspects,
            },
            cost: counts.cost,
            weight: counts.weight,
            sums: self.sums.into(),
        }
    }

    /// Measures a selection set. `is_page`: whether it is on a page, whose `edges` and `nodes` are already counted. `given`: the sizes
    /// given around it.
    fn set(
        &mut self,
        set: &'d SelectionSet<'d>,
        parent: TypeId,
        is_page: bool,
        given: usize,
    ) -> Counts {
        let mut total = Counts::default();
        let mut parts = [const { Vec::new() }; 3];
        for selection in &set.items {
            let (one, directives) = match selection {
                Selection::Field(field) => {
                    let counts = self.field(field, parent, is_page, given);
                    (counts, &field.directives)
                }
                Selection::Inline(inline) => {
                    let condition = inline
                        .condition
                        .and_then(|name| self.schema.find(name.text));
                    let on = condition.unwrap_or(parent);
                    (
                        self.set(&inline.selections, on, is_page, given),
                        &inline.directives,
                    )
                }
                Selection::Spread(spread) => {
                    let mut counts = self.fragment(spread.name.text, is_page, given);
                    // A spread counts itself, so that fragments that only spread other fragments are not free.
                    counts.cost.certain = counts.cost.certain.saturating_add(1);
                    (counts, &spread.directives)
                }
            };
            total.depth = total.depth.max(one.depth);
            total.fields = total.fields.saturating_add(one.fields);
            total.aliases = total.aliases.saturating_add(one.aliases);
            total.directives = total
                .directives
                .saturating_add(one.directives)
                .saturating_add(directives.len());
            total.introspects |= one.introspects;
            let costs = [one.cost, one.weight, one.weight_of_items];
            for (parts, cost) in parts.iter_mut().zip(costs) {
                if cost != Cost::default() {
                    parts.push(cost);
                }
            }
        }
        let [cost, weight, weight_of_items] = parts.map(|parts| self.total(&parts));
        Counts {
            cost,
            weight,
            weight_of_items,
            ..total
        }
    }

    fn total(&mut self, costs: &[Cost]) -> Cost {
        let certain = costs.iter().map(|cost| cost.certain);
        let varying = costs.iter().filter(|cost| cost.sum.is_some());
        let varying = varying.map(|cost| {
            (
                Items::Certain(1),
                Cost {
                    certain: 0,
                    ..*cost
                },
            )
        });
        Cost {
            certain: certain.fold(0, usize::saturating_add),
            sum: self.sum(varying.collect()),
        }
    }

    /// A cost, once for each of the items.
    fn times(&mut self, items: &Items, cost: Cost) -> Cost {
        match (items, cost) {
            (
                _,
                Cost {
                    certain: 0,
                    sum: None,
                },
            ) => cost,
            (Items::Certain(items), Cost { certain, sum: None }) => Cost {
                certain: certain.saturating_mul(*items),
                sum: None,
            },
            _ => Cost {
                certain: 0,
                sum: self.sum(vec![(items.clone(), cost)]),
            },
        }
    }

    fn sum(&mut self, mut parts: Vec<(Items, Cost)>) -> Option<usize> {
        match parts.as_mut_slice() {
            [] => None,
            [(Items::Certain(1), Cost { certain: 0, sum })] => *sum,
            _ => {
                self.sums.push(parts);
                Some(self.sums.len() - 1)
            }
        }
    }

    fn field(
        &mut self,
        field: &'d Field<'d>,
        parent: TypeId,
        is_page: bool,
        given: usize,
    ) -> Counts {
        let mut counts = Counts {
            depth: 1,
            fields: 1,
            aliases: usize::from(field.alias.is_some()),
            cost: Cost {
                certain: 1,
                sum: None,
            },
            ..Counts::default()
        };
        let definition = self.schema.field(parent, field.name.text);
        if let Some(definition) = definition {
            counts.weight.certain = self.sizes.weight_of(self.schema, parent, definition);
        }
        let (Some(set), Some(definition)) = (&field.selections, definition) else {
            return counts;
        };
        let asks_for_schema = matches!(field.name.text, "__schema" | "__type");
        let (schema, sizes) = (self.schema, self.sizes);
        let name = field.name.text;
        let arguments = Arguments::Written(&field.arguments);
        let items = match given_sizes::of(&self.given_sizes[given], name) {
            Some(items) => items.clone(),
            None => sizes.items(schema, parent, definition, arguments, is_page),
        };
        let own = sizes.below(schema, parent, definition, arguments);
        let below = given_sizes::below(&self.given_sizes[given], name, own);
        let below = self.number_of(below);
        let below_is_page = sizes::is_paged(definition);
        let inside = self.set(set, definition.ty.base(), below_is_page, below);
        counts.depth = inside.depth.saturating_add(1);
        counts.aliases = counts.aliases.saturating_add(inside.aliases);
        counts.directives = inside.directives;
        counts.introspects = inside.introspects || asks_for_schema;
        let of_inside = if below_is_page {
            let of_items = self.times(&items, inside.weight_of_items);
            self.total(&[inside.weight, of_items])
        } else {
            self.times(&items, inside.weight)
        };
        let weight = self.total(&[counts.weight, of_inside]);
        if is_page && matches!(field.name.text, "edges" | "nodes") {
            counts.weight_of_items = weight;
            counts.weight = Cost::default();
        } else {
            counts.weight = weight;
        }
        if asks_for_schema {
            let fields = self.introspection.count(field, set);
            counts.cost.certain = fields.saturating_add(1);
            return counts;
        }
        let of_inside = self.times(&items, inside.cost);
        counts.cost = self.total(&[counts.cost, of_inside]);
        counts
    }

    /// The index in `self.given_sizes`. Fields that give the same sizes share an index, and so the counts below them.
    fn number_of(&mut self, given: GivenSizes<'d>) -> usize {
        let known = self.given_sizes.iter().position(|known| *known == given);
        known.unwrap_or_else(|| {
            self.given_sizes.push(given);
            self.given_sizes.len() - 1
        })
    }

    fn fragment(&mut self, name: &'d str, is_page: bool, given: usize) -> Counts {
        let Some(&number) = self.fragments.get(name) else {
            return Counts::default();
        };
        let fragment = &self.document.fragments[number];
        let Some(condition) = self.schema.find(fragment.condition.text) else {
            return Counts::default();
        };
        let key = (number, condition, is_page, given);
        if let Some(counts) = self.measured.get(&key) {
            return *counts;
        }
        let mut counts = self.set(&fragment.selections, condition, is_page, given);
        counts.directives = counts.directives.saturating_add(fragment.directives.len());
        self.measured.insert(key, counts);
        counts
    }
}
