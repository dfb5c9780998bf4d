//! What a subscriber asks of each event: the executed operation with the values of its variables, and the audience.
//!
//! Subscribers with equal questions get equal responses to the same event. If anything is not understood here, there is no question, and
//! nothing is shared.

use std::{
    fmt::{self, Write as _},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use async_graphql::{
    Context, Name, Positioned, Value,
    parser::types::{Directive, Field, Selection, SelectionSet},
};

use super::outlet::Outlet;
use crate::{DryRun, Isolation, OperationDeadline, Report, SessionSettings};

/// The most bytes of a question. Fragments that are spread many times can make a short document long.
const LONGEST: usize = 64 * 1024;

/// The deepest nesting of selections. Prepared operations have far less.
const DEEPEST: usize = 100;

/// A subscriber's question. Clones share the text.
#[derive(Clone, Debug)]
pub(super) struct Question {
    text: Arc<str>,
    /// The hash of the text, which is looked up once for each event and subscriber.
    hash: u64,
}

impl Question {
    /// The question of this context's operation, without the root field's arguments that only choose events.
    pub(super) fn of(ctx: &Context<'_>, outlet: &Outlet, choosing: &[&str]) -> Option<Self> {
        // A deadline belongs to one client.
        if ctx.data_opt::<OperationDeadline>().is_some() || !ctx.query_env.uploads.is_empty() {
            return None;
        }
        let mut writer = Writer {
            ctx,
            text: String::new(),
        };
        let (callers, write) = outlet.audience();
        let terms = (
            ctx.data_opt::<Report>(),
            ctx.data_opt::<SessionSettings>(),
            ctx.data_opt::<Isolation>().map(|asked| asked.0),
            ctx.data_opt::<DryRun>().is_some(),
        );
        // Quoted texts cannot be confused with anything else.
        write!(writer.text, "{callers:?} {write:p} {terms:?}").ok()?;
        writer.root(ctx.item, choosing).ok()?;
        Some(Self::new(writer.text))
    }

    fn new(text: String) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self {
            hash: hasher.finish(),
            text: text.into(),
        }
    }

    /// The length of the text in bytes.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    #[cfg(test)]
    pub(super) fn test(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

impl PartialEq for Question {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && (Arc::ptr_eq(&self.text, &other.text) || self.text == other.text)
    }
}

impl Eq for Question {}

impl Hash for Question {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

struct Writer<'a> {
    ctx: &'a Context<'a>,
    text: String,
}

impl Writer<'_> {
    fn root(&mut self, field: &Positioned<Field>, choosing: &[&str]) -> fmt::Result {
        let operation = &self.ctx.query_env.operation.node;
        self.directives(&operation.directives)?;
        self.field(&field.node, choosing, 0)
    }

    fn field(&mut self, field: &Field, choosing: &[&str], depth: usize) -> fmt::Result {
        let (key, name) = (&field.response_key().node, &field.name.node);
        write!(self.text, " {key}:{name}")?;
        let arguments = field.arguments.iter();
        let arguments = arguments.filter(|(name, _)| !choosing.contains(&name.node.as_str()));
        for (name, value) in arguments {
            write!(self.text, "({}:", name.node)?;
            let value = value.node.clone().into_const_with(|name| self.value(&name));
            write!(self.text, "{})", value?)?;
        }
        self.directives(&field.directives)?;
        self.selections(&field.selection_set.node, depth + 1)
    }

    /// The value of a variable. An absent one differs from null, so it is written as no value can be.
    fn value(&self, name: &Name) -> Result<Value, fmt::Error> {
        let env = &self.ctx.query_env;
        if let Some(value) = env.variables.get(name) {
            return Ok(value.clone());
        }
        let mut definitions = env.operation.node.variable_definitions.iter();
        let definition = definitions.find(|definition| definition.node.name.node == *name);
        let default = definition.ok_or(fmt::Error)?.node.default_value.as_ref();
        Ok(default.map_or_else(
            || Value::Enum(Name::new("$absent")),
            |value| value.node.clone(),
        ))
    }

    fn directives(&mut self, directives: &[Positioned<Directive>]) -> fmt::Result {
        for directive in directives {
            write!(self.text, "@{}", directive.node.name.node)?;
            for (name, value) in &directive.node.arguments {
                write!(self.text, "({}:", name.node)?;
                let value = value.node.clone().into_const_with(|name| self.value(&name));
                write!(self.text, "{})", value?)?;
            }
        }
        Ok(())
    }

    fn selections(&mut self, set: &SelectionSet, depth: usize) -> fmt::Result {
        if depth > DEEPEST || self.text.len() > LONGEST {
            return Err(fmt::Error);
        }
        if set.items.is_empty() {
            return Ok(());
        }
        self.text.write_str("{")?;
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => self.field(&field.node, &[], depth)?,
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let condition =
                        condition.map_or("", |condition| condition.node.on.node.as_str());
                    write!(self.text, " ...{condition}")?;
                    self.directives(&fragment.node.directives)?;
                    self.selections(&fragment.node.selection_set.node, depth + 1)?;
                }
                Selection::FragmentSpread(spread) => {
                    let env = self.ctx.query_env;
                    let fragment = env.fragments.get(&spread.node.fragment_name.node);
                    let fragment = &fragment.ok_or(fmt::Error)?.node;
                    write!(self.text, " ...{}", fragment.type_condition.node.on.node)?;
                    self.directives(&spread.node.directives)?;
                    self.directives(&fragment.directives)?;
                    self.selections(&fragment.selection_set.node, depth + 1)?;
                }
            }
        }
        self.text.write_str("}")
    }
}
