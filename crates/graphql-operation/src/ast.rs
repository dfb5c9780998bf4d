//! The syntax tree of a document. All names borrow from its text.

use std::borrow::Cow;

use async_graphql::parser::types::OperationType;

use crate::error::Pos;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'a> {
    pub(crate) text: &'a str,
    pub(crate) pos: Pos,
}

#[derive(Debug, Default)]
pub(crate) struct Document<'a> {
    pub(crate) operations: Vec<Operation<'a>>,
    pub(crate) fragments: Vec<Fragment<'a>>,
    /// The names of definitions of types, which an executable document must not have.
    pub(crate) type_system: Vec<Name<'a>>,
    /// How many selection sets there are. They are numbered from 0.
    pub(crate) selection_sets: usize,
}

impl Document<'_> {
    /// Whether a response key starts like this.
    pub(crate) fn has_key_like(&self, start: &str) -> bool {
        let operations = self.operations.iter().map(|one| &one.selections);
        let fragments = self.fragments.iter().map(|one| &one.selections);
        let mut open: Vec<_> = operations.chain(fragments).collect();
        while let Some(set) = open.pop() {
            for selection in &set.items {
                match selection {
                    Selection::Field(field) if field.response_key().starts_with(start) => {
                        return true;
                    }
                    Selection::Field(field) => open.extend(&field.selections),
                    Selection::Inline(inline) => open.push(&inline.selections),
                    Selection::Spread(_) => {}
                }
            }
        }
        false
    }
}

#[derive(Debug)]
pub(crate) struct Operation<'a> {
    pub(crate) pos: Pos,
    pub(crate) kind: OperationType,
    pub(crate) name: Option<Name<'a>>,
    pub(crate) variables: Vec<VariableDefinition<'a>>,
    pub(crate) directives: Vec<Directive<'a>>,
    pub(crate) selections: SelectionSet<'a>,
}

#[derive(Debug)]
pub(crate) struct Fragment<'a> {
    pub(crate) pos: Pos,
    pub(crate) name: Name<'a>,
    pub(crate) condition: Name<'a>,
    pub(crate) directives: Vec<Directive<'a>>,
    pub(crate) selections: SelectionSet<'a>,
}

#[derive(Debug)]
pub(crate) struct VariableDefinition<'a> {
    /// Of the `$`.
    pub(crate) pos: Pos,
    pub(crate) name: Name<'a>,
    pub(crate) ty: Type<'a>,
    pub(crate) default: Option<Value<'a>>,
    pub(crate) directives: Vec<Directive<'a>>,
}

#[derive(Debug)]
pub(crate) struct SelectionSet<'a> {
    pub(crate) number: usize,
    pub(crate) pos: Pos,
    pub(crate) items: Vec<Selection<'a>>,
}

#[derive(Debug)]
pub(crate) enum Selection<'a> {
    Field(Field<'a>),
    Spread(Spread<'a>),
    Inline(Inline<'a>),
}

#[derive(Debug)]
pub(crate) struct Field<'a> {
    pub(crate) pos: Pos,
    pub(crate) alias: Option<Name<'a>>,
    pub(crate) name: Name<'a>,
    pub(crate) arguments: Vec<Argument<'a>>,
    pub(crate) directives: Vec<Directive<'a>>,
    pub(crate) selections: Option<SelectionSet<'a>>,
}

impl<'a> Field<'a> {
    pub(crate) fn response_key(&self) -> &'a str {
        self.alias.as_ref().unwrap_or(&self.name).text
    }
}

#[derive(Debug)]
pub(crate) struct Spread<'a> {
    pub(crate) pos: Pos,
    pub(crate) name: Name<'a>,
    pub(crate) directives: Vec<Directive<'a>>,
}

#[derive(Debug)]
pub(crate) struct Inline<'a> {
    pub(crate) pos: Pos,
    pub(crate) condition: Option<Name<'a>>,
    pub(crate) directives: Vec<Directive<'a>>,
    pub(crate) selections: SelectionSet<'a>,
}

#[derive(Debug)]
pub(crate) struct Directive<'a> {
    /// Of the `@`.
    pub(crate) pos: Pos,
    pub(crate) name: Name<'a>,
    pub(crate) arguments: Vec<Argument<'a>>,
}

#[derive(Debug)]
pub(crate) struct Argument<'a> {
    pub(crate) name: Name<'a>,
    pub(crate) value: Value<'a>,
}

#[derive(Debug)]
pub(crate) struct Value<'a> {
    pub(crate) pos: Pos,
    pub(crate) kind: ValueKind<'a>,
}

#[derive(Debug)]
pub(crate) enum ValueKind<'a> {
    Variable(&'a str),
    Int(&'a str),
    Float(&'a str),
    /// Its text, and whether it is a block string.
    String(Cow<'a, str>, bool),
    Boolean(bool),
    Null,
    Enum(&'a str),
    List(Vec<Value<'a>>),
    Object(Vec<Argument<'a>>),
}

/// A type as it is referred to.
#[derive(Debug)]
pub(crate) struct Type<'a> {
    pub(crate) pos: Pos,
    pub(crate) kind: TypeKind<'a>,
}

#[derive(Debug)]
pub(crate) enum TypeKind<'a> {
    Named(&'a str),
    List(Box<Type<'a>>),
    NonNull(Box<Type<'a>>),
}

impl<'a> Type<'a> {
    /// The name inside all lists.
    pub(crate) fn base(&self) -> Name<'a> {
        match &self.kind {
            TypeKind::Named(text) => Name {
                text,
                pos: self.pos,
            },
            TypeKind::List(inner) | TypeKind::NonNull(inner) => inner.base(),
        }
    }
}
