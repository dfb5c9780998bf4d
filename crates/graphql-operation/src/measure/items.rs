//! How many items a field answers with, as its arguments say.

use async_graphql::{Name, Positioned, Value as ConstValue, Variables};
use async_graphql_value::Value as EngineValue;

use crate::{
    ast::{self, ValueKind},
    schema::{InputDefinition, Named},
};

/// A number that a client gives: as a literal, or in a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    Number(i64),
    Variable(Name),
}

impl Given {
    fn with(&self, variables: &Variables) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Variable(name) => match variables.get(name) {
                Some(ConstValue::Number(number)) => number.as_i64(),
                _ => None,
            },
        }
    }
}

/// How many items a field answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Items {
    Certain(usize),
    Page {
        first: Option<Given>,
        last: Option<Given>,
        otherwise: usize,
    },
    /// The length of a list in a variable, times a number.
    Length {
        of: Name,
        /// The path to the list through the input objects of the variable's value. Empty if the value is the list.
        path: &'static str,
        times: usize,
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
            Self::Length {
                of,
                path,
                times,
                otherwise,
            } => {
                let mut value = variables.get(of);
                for name in steps(path) {
                    value = match value {
                        Some(ConstValue::Object(fields)) => fields.get(name),
                        _ => None,
                    };
                }
                match value {
                    Some(ConstValue::List(items)) => items.len().saturating_mul(*times),
                    Some(ConstValue::Null) | None => *otherwise,
                    Some(_) => *times,
                }
            }
        }
    }
}

/// The number of items of a page of this size. The field itself refuses a size that no page can have.
pub(super) fn size(number: i64) -> usize {
    usize::try_from(number).unwrap_or(1).max(1)
}

/// The arguments of a field, in a document or in a normalised one.
#[derive(Clone, Copy)]
pub(super) enum Arguments<'a> {
    Written(&'a [ast::Argument<'a>]),
    Normalised(&'a [(Positioned<Name>, Positioned<EngineValue>)]),
}

/// The part of an argument's value that a size can depend on.
enum Argument<'a> {
    Number(Option<i64>),
    Variable {
        name: &'a str,
        /// The rest of the path, inside the variable's value.
        path: &'static str,
    },
    List(usize),
    Null,
    Other,
}

impl<'a> Arguments<'a> {
    /// The value at the end of a path, which begins with an argument and goes on with fields of input objects.
    fn find(self, path: &'static str) -> Option<Argument<'a>> {
        let (first, mut path) = step(path);
        match self {
            Self::Written(arguments) => {
                let named = |list: &'a [ast::Argument<'a>], name: &str| {
                    let argument = list.iter().find(|argument| argument.name.text == name);
                    argument.map(|argument| &argument.value.kind)
                };
                let mut value = named(arguments, first)?;
                while let (ValueKind::Object(fields), false) = (value, path.is_empty()) {
                    let (next, rest) = step(path);
                    value = named(fields, next)?;
                    path = rest;
                }
                Some(match value {
                    ValueKind::Variable(name) => Argument::Variable { name, path },
                    ValueKind::Int(text) => Argument::Number(text.parse().ok()),
                    ValueKind::List(items) => Argument::List(items.len()),
                    ValueKind::Null => Argument::Null,
                    _ => Argument::Other,
                })
            }
            Self::Normalised(arguments) => {
                let mut named = arguments.iter();
                let mut value = &named.find(|(name, _)| name.node == first)?.1.node;
                while let (EngineValue::Object(fields), false) = (value, path.is_empty()) {
                    let (next, rest) = step(path);
                    value = fields.get(next)?;
                    path = rest;
                }
                Some(match value {
                    EngineValue::Variable(name) => Argument::Variable { name, path },
                    EngineValue::Number(number) => Argument::Number(number.as_i64()),
                    EngineValue::List(items) => Argument::List(items.len()),
                    EngineValue::Null => Argument::Null,
                    _ => Argument::Other,
                })
            }
        }
    }

    /// The number in an argument, or its default.
    pub(super) fn number(
        self,
        definitions: &Named<InputDefinition>,
        name: &'static str,
    ) -> Option<Given> {
        match self.find(name) {
            Some(Argument::Number(number)) => number.map(Given::Number),
            Some(Argument::Variable { name, .. }) => Some(Given::Variable(Name::new(name))),
            Some(_) => None,
            None => default_number(definitions, name).map(Given::Number),
        }
    }

    /// This many items for each item of the list at the end of a path.
    pub(super) fn each_of(
        self,
        definitions: &Named<InputDefinition>,
        path: &'static str,
        times: usize,
        otherwise: usize,
    ) -> Items {
        let default = || {
            let value = definitions.get(path)?.default.as_ref()?;
            match value {
                ConstValue::List(items) => Some(items.len().saturating_mul(times)),
                _ => None,
            }
        };
        match self.find(path) {
            Some(Argument::List(items)) => Items::Certain(items.saturating_mul(times)),
            Some(Argument::Variable { name, path }) => Items::Length {
                of: Name::new(name),
                path,
                times,
                // If the variable has no value, the default counts.
                otherwise: default().map_or(otherwise, |default| default.max(otherwise)),
            },
            Some(Argument::Null) => Items::Certain(otherwise),
            Some(_) => Items::Certain(times),
            None => Items::Certain(default().unwrap_or(otherwise)),
        }
    }
}

pub(super) fn default_number(definitions: &Named<InputDefinition>, name: &str) -> Option<i64> {
    match &definitions.get(name)?.default {
        Some(ConstValue::Number(number)) => number.as_i64(),
        _ => None,
    }
}

/// The first name of a path, and the rest.
fn step(path: &'static str) -> (&'static str, &'static str) {
    path.split_once('.').unwrap_or((path, ""))
}

fn steps(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('.').filter(|name| !name.is_empty())
}
