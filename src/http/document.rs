//! How much a document asks for.
//!
//! Each fragment is measured once and its measure added wherever it is spread, so the time this takes grows with the
//! text, while what it counts may grow exponentially. Sums stop at the greatest number.

use std::collections::HashMap;

use async_graphql::{
    Name, Value, Variables,
    parser::types::{ExecutableDocument, Field, Selection, SelectionSet},
};

/// What is counted, with every fragment in every place that spreads it. The operations of a document are counted together,
/// since the engine looks at all of them, whichever runs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Measure {
    pub(super) depth: usize,
    pub(super) root_fields: usize,
    pub(super) aliases: usize,
    pub(super) directives: usize,
    pub(super) complexity: usize,
    /// Whether the schema is asked for.
    pub(super) introspects: bool,
    /// A fragment that spreads itself, directly or through others.
    pub(super) cycle: Option<Name>,
}

impl Measure {
    /// Measures a document. `page` is how many items a connection has that is asked for without `first` or `last`.
    pub(super) fn of(document: &ExecutableDocument, variables: &Variables, page: usize) -> Self {
        let mut measuring = Measuring {
            document,
            variables,
            page,
            fragments: HashMap::new(),
            cycle: None,
        };
        let mut whole = Self::default();
        for (_, operation) in document.operations.iter() {
            let operation = &operation.node;
            let counts = measuring.selections(&operation.selection_set.node);
            whole.depth = whole.depth.max(counts.depth);
            whole.root_fields = whole.root_fields.max(counts.fields);
            whole.aliases = whole.aliases.saturating_add(counts.aliases);
            whole.directives = whole
                .directives
                .saturating_add(counts.directives)
                .saturating_add(operation.directives.len());
            whole.complexity = whole.complexity.saturating_add(counts.complexity);
            whole.introspects |= counts.introspects;
        }
        whole.cycle = measuring.cycle;
        whole
    }
}

/// The counts of one selection set.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    depth: usize,
    /// The fields of this very set, not those inside them.
    fields: usize,
    aliases: usize,
    directives: usize,
    complexity: usize,
    introspects: bool,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.depth = self.depth.max(other.depth);
        self.fields = self.fields.saturating_add(other.fields);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
        self.complexity = self.complexity.saturating_add(other.complexity);
        self.introspects |= other.introspects;
    }
}

struct Measuring<'a> {
    document: &'a ExecutableDocument,
    variables: &'a Variables,
    page: usize,
    /// What has been measured; `None` while it is being measured.
    fragments: HashMap<&'a Name, Option<Counts>>,
    cycle: Option<Name>,
}

impl<'a> Measuring<'a> {
    fn selections(&mut self, set: &'a SelectionSet) -> Counts {
        let mut counts = Counts::default();
        for selection in &set.items {
            let mut one = match &selection.node {
                Selection::Field(field) => self.field(&field.node),
                Selection::InlineFragment(inline) => {
                    self.selections(&inline.node.selection_set.node)
                }
                Selection::FragmentSpread(spread) => {
                    // A spread costs the engine a visit, also of a fragment that is empty but for other spreads.
                    let mut counts = self.fragment(&spread.node.fragment_name.node);
                    counts.complexity = counts.complexity.saturating_add(1);
                    counts
                }
            };
            one.directives = one
                .directives
                .saturating_add(selection.node.directives().len());
            counts.add(one);
        }
        counts
    }

    fn field(&mut self, field: &'a Field) -> Counts {
        let inside = self.selections(&field.selection_set.node);
        Counts {
            depth: inside.depth.saturating_add(1),
            fields: 1,
            aliases: inside
                .aliases
                .saturating_add(usize::from(field.alias.is_some())),
            directives: inside.directives,
            complexity: inside
                .complexity
                .saturating_mul(self.items(field))
                .saturating_add(1),
            introspects: inside.introspects
                || matches!(field.name.node.as_str(), "__schema" | "__type"),
        }
    }

    /// What a variable is where it is not given: the most that an operation says, since fragments are those of all of them.
    fn default_of(&self, variable: &Name) -> Option<&'a Value> {
        let operations = self.document.operations.iter();
        let definitions =
            operations.flat_map(|(_, operation)| &operation.node.variable_definitions);
        definitions
            .filter(|definition| definition.node.name.node == *variable)
            .filter_map(|definition| Some(&definition.node.default_value.as_ref()?.node))
            .max_by_key(|value| match value {
                Value::Number(number) => number.as_i64(),
                _ => None,
            })
    }

    /// How many times what is inside a field is answered.
    fn items(&self, field: &Field) -> usize {
        let asked = ["first", "last"].into_iter().find_map(|name| {
            let value = field.get_argument(name)?.node.clone();
            let given = |name: Name| self.variables.get(&name).or_else(|| self.default_of(&name));
            match value.into_const_with(|name| given(name).cloned().ok_or(())) {
                Ok(Value::Number(number)) => number.as_i64(),
                Ok(_) => None,
                Err(()) => i64::try_from(self.page).ok(),
            }
        });
        let is_connection = || {
            field.selection_set.node.items.iter().any(|selection| {
                matches!(&selection.node, Selection::Field(field)
                    if matches!(field.node.name.node.as_str(), "edges" | "nodes"))
            })
        };
        match asked {
            // What cannot be a page is refused by the field itself.
            Some(number) => usize::try_from(number).unwrap_or(1).max(1),
            None if is_connection() => self.page,
            None => 1,
        }
    }

    fn fragment(&mut self, name: &'a Name) -> Counts {
        match self.fragments.get(name) {
            Some(Some(counts)) => return *counts,
            Some(None) => {
                self.cycle.get_or_insert_with(|| name.clone());
                return Counts::default();
            }
            None => {}
        }
        // One that is not there is for validation to report.
        let Some(fragment) = self.document.fragments.get(name) else {
            return Counts::default();
        };
        self.fragments.insert(name, None);
        let mut counts = self.selections(&fragment.node.selection_set.node);
        counts.directives = counts
            .directives
            .saturating_add(fragment.node.directives.len());
        self.fragments.insert(name, Some(counts));
        counts
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn measure(document: &str, variables: serde_json::Value) -> Measure {
        let document = parse_query(document).unwrap();
        Measure::of(&document, &Variables::from_json(variables), 20)
    }

    #[test]
    fn fragments_count_where_they_are_spread() {
        let counts = measure(
            "query @a { x: one { ...F } ...on Query @b { two ...F } } fragment F on T @c { y: three { four @d } }",
            serde_json::json!({}),
        );
        let expected = Measure {
            depth: 3,
            root_fields: 3,
            aliases: 3,
            directives: 6,
            complexity: 8,
            introspects: false,
            cycle: None,
        };
        assert_eq!(counts, expected);
    }

    #[test]
    fn a_page_multiplies_what_is_inside_it() {
        let of = |document: &str| measure(document, serde_json::json!({ "n": 7 })).complexity;
        assert_eq!(of("{ a { b } }"), 2);
        assert_eq!(of("{ a(first: 10) { nodes { b } } }"), 21);
        assert_eq!(of("{ a(last: $n) { nodes { b } } }"), 15);
        assert_eq!(of("{ a(last: $other) { nodes { b } } }"), 41);
        assert_eq!(of("{ a { edges { b } } }"), 41);
        assert_eq!(
            of("query($x: Int = 100) { a(first: $x) { nodes { b } } }"),
            201
        );
        assert_eq!(of("query($x: Int = 3) { a(first: $x) { nodes { b } } }"), 7);
        assert_eq!(
            of("query($n: Int = 100) { a(first: $n) { nodes { b } } }"),
            15
        );
        assert_eq!(
            of("query($x: Int = null) { a(first: $x) { nodes { b } } }"),
            41
        );
        assert_eq!(
            of(
                "query A($x: Int = 3) { ...F } query B($x: Int = 9) { b } fragment F on T { a(first: $x) { nodes { b } } }"
            ),
            21
        );
        assert_eq!(of("{ a(first: -5) { nodes { b } } }"), 3);
        assert_eq!(of("{ a(first: 10) { nodes { b(first: 10) { c } } } }"), 121);
    }

    /// 2^200 fields, in a text of 200 lines: measured at once, and said to be too many to count.
    #[test]
    fn fragments_that_double_are_measured_in_the_time_of_their_text() {
        let mut document = "{ ...F0 } fragment F200 on T { a }".to_owned();
        for n in 0..200 {
            let next = n + 1;
            document += &format!(" fragment F{n} on T {{ ...F{next} ...F{next} }}");
        }
        assert_eq!(
            measure(&document, serde_json::json!({})).complexity,
            usize::MAX
        );
    }

    #[test]
    fn a_fragment_that_spreads_itself_is_found() {
        let counts = measure(
            "{ ...A } fragment A on T { a { ...B } } fragment B on T { ...A ...A }",
            serde_json::json!({}),
        );
        assert_eq!(counts.cycle, Some(Name::new("A")));
    }
}
