//! Writes literals and documents as text.

use std::fmt::{self, Display, Write};

use async_graphql::{
    Positioned,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, Field, OperationDefinition, Selection,
        SelectionSet,
    },
};
use async_graphql_value::{Name, Value};

use crate::ast::{self, ValueKind};

/// How many characters of a literal an error shows.
const LONGEST: usize = 120;

/// A literal as errors show it: shortened.
pub(crate) fn literal(value: &ast::Value<'_>) -> String {
    let mut shown = String::new();
    write_literal(value, &mut shown);
    if shown.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|&at| shown.is_char_boundary(at));
        shown.truncate(end.unwrap_or(0));
        shown.push('…');
    }
    shown
}

fn write_literal(value: &ast::Value<'_>, shown: &mut String) {
    // The rest will be cut off anyway.
    if shown.len() > LONGEST {
        return;
    }
    match &value.kind {
        ValueKind::Variable(name) => {
            shown.push('$');
            shown.push_str(name);
        }
        ValueKind::Int(text) | ValueKind::Float(text) | ValueKind::Enum(text) => {
            shown.push_str(text);
        }
        ValueKind::String(text, _) => {
            let text: String = text.chars().take(LONGEST).collect();
            shown.push_str(&Written(&Value::String(text)).to_string());
        }
        ValueKind::Boolean(boolean) => shown.push_str(if *boolean { "true" } else { "false" }),
        ValueKind::Null => shown.push_str("null"),
        ValueKind::List(items) => {
            shown.push('[');
            for (at, item) in items.iter().enumerate() {
                shown.push_str(if at > 0 { ", " } else { "" });
                write_literal(item, shown);
            }
            shown.push(']');
        }
        ValueKind::Object(fields) => {
            shown.push('{');
            for (at, field) in fields.iter().enumerate() {
                shown.push_str(if at > 0 { ", " } else { " " });
                shown.push_str(field.name.text);
                shown.push_str(": ");
                write_literal(&field.value, shown);
            }
            shown.push_str(" }");
        }
    }
}

/// A normalised document as text, for people and tests.
pub(crate) struct Printed<'d>(pub(crate) &'d ExecutableDocument);

impl Display for Printed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.operations {
            DocumentOperations::Single(operation) => write_operation(f, None, &operation.node),
            DocumentOperations::Multiple(operations) => {
                for (name, operation) in operations {
                    write_operation(f, Some(name), &operation.node)?;
                }
                Ok(())
            }
        }
    }
}

fn write_operation(
    f: &mut fmt::Formatter<'_>,
    name: Option<&Name>,
    operation: &OperationDefinition,
) -> fmt::Result {
    write!(f, "{}", operation.ty)?;
    if let Some(name) = name {
        write!(f, " {name}")?;
    }
    for (at, variable) in operation.variable_definitions.iter().enumerate() {
        let variable = &variable.node;
        f.write_str(if at == 0 { " (" } else { ", " })?;
        write!(f, "${}: {}", variable.name.node, variable.var_type.node)?;
    }
    if !operation.variable_definitions.is_empty() {
        f.write_char(')')?;
    }
    write_directives(f, &operation.directives)?;
    write_selections(f, &operation.selection_set.node)
}

fn write_selections(f: &mut fmt::Formatter<'_>, set: &SelectionSet) -> fmt::Result {
    if set.items.is_empty() {
        return Ok(());
    }
    f.write_str(" {")?;
    for selection in &set.items {
        f.write_char(' ')?;
        match &selection.node {
            Selection::Field(field) => write_field(f, &field.node)?,
            Selection::InlineFragment(inline) => {
                f.write_str("...")?;
                if let Some(condition) = &inline.node.type_condition {
                    write!(f, " on {}", condition.node.on.node)?;
                }
                write_selections(f, &inline.node.selection_set.node)?;
            }
            Selection::FragmentSpread(spread) => {
                write!(f, "...{}", spread.node.fragment_name.node)?;
            }
        }
    }
    f.write_str(" }")
}

fn write_field(f: &mut fmt::Formatter<'_>, field: &Field) -> fmt::Result {
    if let Some(alias) = &field.alias {
        write!(f, "{}: ", alias.node)?;
    }
    write!(f, "{}", field.name.node)?;
    write_arguments(f, &field.arguments)?;
    write_directives(f, &field.directives)?;
    write_selections(f, &field.selection_set.node)
}

fn write_arguments(
    f: &mut fmt::Formatter<'_>,
    arguments: &[(Positioned<Name>, Positioned<Value>)],
) -> fmt::Result {
    for (at, (name, value)) in arguments.iter().enumerate() {
        f.write_str(if at == 0 { "(" } else { ", " })?;
        write!(f, "{}: {}", name.node, Written(&value.node))?;
    }
    if arguments.is_empty() {
        return Ok(());
    }
    f.write_char(')')
}

fn write_directives(
    f: &mut fmt::Formatter<'_>,
    directives: &[Positioned<Directive>],
) -> fmt::Result {
    for directive in directives {
        write!(f, " @{}", directive.node.name.node)?;
        write_arguments(f, &directive.node.arguments)?;
    }
    Ok(())
}

/// A value as a document writes it. The engine's `Display` cannot be used: it writes control characters with decimal digits, and GraphQL
/// reads hexadecimal ones.
struct Written<'v>(&'v Value);

impl Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) => write_text(f, text),
            Value::List(items) => {
                f.write_char('[')?;
                for (at, item) in items.iter().enumerate() {
                    f.write_str(if at > 0 { ", " } else { "" })?;
                    Self(item).fmt(f)?;
                }
                f.write_char(']')
            }
            Value::Object(fields) => {
                f.write_char('{')?;
                for (at, (name, value)) in fields.iter().enumerate() {
                    f.write_str(if at > 0 { ", " } else { "" })?;
                    write!(f, "{name}: {}", Self(value))?;
                }
                f.write_char('}')
            }
            other => other.fmt(f),
        }
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for character in text.chars() {
        match character {
            '\r' => f.write_str("\\r")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '"' | '\\' => write!(f, "\\{character}")?,
            control if control.is_control() => write!(f, "\\u{:04x}", u32::from(control))?,
            other => f.write_char(other)?,
        }
    }
    f.write_char('"')
}
