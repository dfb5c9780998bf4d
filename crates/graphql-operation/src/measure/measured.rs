//! The measure of one operation, before and after its variables are known.

use async_graphql::Variables;

use super::items::Items;

/// The measure of one operation.
///
/// ```
/// use async_graphql::Request;
/// use graphql_operation::{Options, Preparer, Schema};
///
/// let preparer = Preparer::new(Schema::parse("type Query { one: Int! }")?, Options::default());
/// let prepared = preparer.prepare(&mut Request::new("{ one again: one }"))?;
/// let measure = prepared.measure();
/// assert_eq!((measure.root_fields, measure.aliases, measure.depth), (2, 1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Measure {
    /// Fields inside fields.
    pub depth: usize,
    /// Fields at the top.
    pub root_fields: usize,
    /// Fields with an alias.
    pub aliases: usize,
    /// Directives, in the document.
    pub directives: usize,
    /// Fields that the answer can have.
    pub complexity: usize,
    /// The additional weight of its fields, as [`Sizes::weight`](crate::Sizes::weight) says. No limit counts it.
    pub weight: usize,
    /// Whether it uses introspection.
    pub introspects: bool,
}

/// The measure of an operation, before its variables are known.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(super) counts: Measure,
    pub(super) cost: Cost,
    pub(super) weight: Cost,
    /// The sums that depend on variables. Each comes after those that it is made of.
    pub(super) sums: std::sync::Arc<[Vec<(Items, Cost)>]>,
}

impl Measured {
    /// The measure with these variables, which must be coerced.
    pub(crate) fn with(&self, variables: &Variables) -> Measure {
        self.measure(|items| items.with(variables))
    }

    /// The least measure that any variables give.
    pub(crate) fn least(&self) -> Measure {
        self.measure(|items| match items {
            Items::Certain(items) => *items,
            Items::Page { .. } | Items::Length { .. } => 1,
        })
    }

    fn measure(&self, items: impl Fn(&Items) -> usize) -> Measure {
        let mut known: Vec<usize> = Vec::new();
        if self.cost.sum.is_some() || self.weight.sum.is_some() {
            known.reserve(self.sums.len());
            for sum in self.sums.iter() {
                let parts = sum
                    .iter()
                    .map(|(of, cost)| cost.known(&known).saturating_mul(items(of)));
                let total = parts.fold(0, usize::saturating_add);
                known.push(total);
            }
        }
        Measure {
            complexity: self.cost.known(&known),
            weight: self.weight.known(&known),
            ..self.counts
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let sums = self.sums.iter().map(|sum| 64 + 128 * sum.len());
        sums.sum::<usize>() + 128
    }
}

/// A number of fields: what is certain, and a sum that depends on variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) certain: usize,
    pub(super) sum: Option<usize>,
}

impl Cost {
    fn known(&self, sums: &[usize]) -> usize {
        let sum = self.sum.and_then(|sum| sums.get(sum)).copied();
        self.certain.saturating_add(sum.unwrap_or(0))
    }
}
