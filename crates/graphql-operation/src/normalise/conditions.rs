//! `@skip` and `@include`: which variables they depend on.

use std::collections::{HashMap, HashSet};

use async_graphql::Name;

use crate::ast::{Directive, Document, Operation, Selection, ValueKind};

/// The variables of `@skip` and `@include` in an operation and the fragments that it spreads.
pub(crate) fn conditions<'d>(
    document: &'d Document<'d>,
    operation: &'d Operation<'d>,
) -> Vec<Name> {
    let fragments: HashMap<_, _> = document
        .fragments
        .iter()
        .map(|fragment| (fragment.name.text, fragment))
        .collect();
    let mut names: Vec<&str> = Vec::new();
    let mut seen = HashSet::new();
    let mut open = vec![&operation.selections];
    while let Some(set) = open.pop() {
        for selection in &set.items {
            let directives = match selection {
                Selection::Field(field) => {
                    open.extend(&field.selections);
                    &field.directives
                }
                Selection::Inline(inline) => {
                    open.push(&inline.selections);
                    &inline.directives
                }
                Selection::Spread(spread) => {
                    if let Some(fragment) = fragments.get(spread.name.text)
                        && seen.insert(spread.name.text)
                    {
                        open.push(&fragment.selections);
                    }
                    &spread.directives
                }
            };
            names.extend(
                directives
                    .iter()
                    .filter_map(|directive| match condition(directive)? {
                        (_, ValueKind::Variable(name)) => Some(name),
                        _ => None,
                    }),
            );
        }
    }
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(Name::new).collect()
}

/// Whether a directive skips or includes, and its condition.
pub(super) fn condition<'d>(directive: &'d Directive<'d>) -> Option<(bool, &'d ValueKind<'d>)> {
    let includes = match directive.name.text {
        "include" => true,
        "skip" => false,
        _ => return None,
    };
    let argument = directive
        .arguments
        .iter()
        .find(|argument| argument.name.text == "if")?;
    Some((includes, &argument.value.kind))
}
