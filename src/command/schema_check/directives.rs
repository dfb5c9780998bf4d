//! Directives: as they are defined, and as they are applied.
//!
//! Whether one can be repeated is not compared: async-graphql's parser says so of all.

use std::collections::BTreeMap;

use async_graphql::{
    Positioned,
    parser::types::{ConstDirective, DirectiveDefinition},
};

use super::{Changes, Pair, Severity, pair_up};

impl Changes {
    pub(super) fn of_directive(
        &mut self,
        name: &str,
        before: &DirectiveDefinition,
        after: &DirectiveDefinition,
    ) {
        let locations = |definition: &DirectiveDefinition| -> BTreeMap<String, ()> {
            let locations = definition.locations.iter();
            locations
                .map(|location| (format!("{:?}", location.node), ()))
                .collect()
        };
        pair_up(
            &locations(before),
            &locations(after),
            |location, pair| match pair {
                Pair::Removed(()) => {
                    self.breaking(format!("@{name}: the location {location} was removed"));
                }
                Pair::Added(()) => {
                    self.safe(format!("@{name}: the location {location} was added"));
                }
                Pair::Both((), ()) => {}
            },
        );
        let inside = |argument: &str| format!("@{name}({argument})");
        self.of_inputs(&before.arguments, &after.arguments, inside);
    }

    /// What is said of a type, a field, a value or an input. Directives of other servers may mean anything.
    pub(super) fn of_applied(
        &mut self,
        place: &str,
        before: &[Positioned<ConstDirective>],
        after: &[Positioned<ConstDirective>],
    ) {
        pair_up(&applied(before), &applied(after), |name, pair| {
            let (severity, what) = match (name, pair) {
                ("oneOf", Pair::Added(_)) => (Severity::Breaking, "was added"),
                ("deprecated", Pair::Added(_)) => (Severity::Safe, "was added"),
                (_, Pair::Added(_)) => (Severity::Dangerous, "was added"),
                ("oneOf" | "deprecated", Pair::Removed(_)) => (Severity::Safe, "was removed"),
                (_, Pair::Removed(_)) => (Severity::Dangerous, "was removed"),
                (_, Pair::Both(before, after)) if before == after => return,
                ("deprecated", Pair::Both(..)) => (Severity::Safe, "changed"),
                (_, Pair::Both(..)) => (Severity::Dangerous, "changed"),
            };
            self.note(severity, format!("{place}: @{name} {what}"));
        });
    }
}

/// The arguments of each directive, as often as it is applied; their order means nothing.
fn applied(directives: &[Positioned<ConstDirective>]) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut applied = BTreeMap::<_, Vec<_>>::new();
    for directive in directives {
        let directive = &directive.node;
        let arguments = directive.arguments.iter();
        let mut arguments: Vec<_> = arguments
            .map(|(name, value)| format!("{}: {}", name.node, value.node))
            .collect();
        arguments.sort();
        let name = directive.name.node.to_string();
        applied.entry(name).or_default().push(arguments);
    }
    applied
}
