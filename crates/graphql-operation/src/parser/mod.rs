//! Parses a document (specification, "Language"), by recursive descent.
//!
//! The recursion is as deep as brackets are nested, which [`crate::tokens`] bounds beforehand.

mod cursor;
mod value;

use async_graphql::parser::types::OperationType;

use crate::{
    ast::{
        Argument, Directive, Document, Field, Fragment, Inline, Name, Operation, Selection,
        SelectionSet, Spread, VariableDefinition,
    },
    error::SyntaxError,
    lexer::{Kind, Lexer, Token},
    text,
};

type Parsed<T> = Result<T, SyntaxError>;

/// Parses a document of operations and fragments.
pub(crate) fn parse(text: &str) -> Parsed<Document<'_>> {
    let mut parser = Parser::new(text)?;
    let mut document = Document::default();
    loop {
        parser.definition(&mut document)?;
        if parser.token.kind == Kind::End {
            document.selection_sets = parser.selection_sets;
            return Ok(document);
        }
    }
}

pub(crate) struct Parser<'a> {
    lexer: Lexer<'a>,
    pub(crate) token: Token<'a>,
    selection_sets: usize,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str) -> Parsed<Self> {
        let mut lexer = Lexer::new(text);
        let token = lexer.next()?;
        Ok(Self {
            lexer,
            token,
            selection_sets: 0,
        })
    }

    fn definition(&mut self, document: &mut Document<'a>) -> Parsed<()> {
        let start = self.token.pos;
        let has_description = self.description()?.is_some();
        if self.is_punctuator(b'{') {
            if has_description {
                return Err(SyntaxError::new(
                    "Unexpected description, descriptions are not supported on shorthand queries.",
                    start,
                ));
            }
            let pos = self.token.pos;
            let selections = self.selection_set()?;
            document.operations.push(Operation {
                pos,
                kind: OperationType::Query,
                name: None,
                variables: Vec::new(),
                directives: Vec::new(),
                selections,
            });
            return Ok(());
        }
        let Token { kind, text, pos } = self.token;
        let operation = match text {
            _ if kind != Kind::Name => return Err(self.unexpected()),
            "query" => OperationType::Query,
            "mutation" => OperationType::Mutation,
            "subscription" => OperationType::Subscription,
            "fragment" => {
                let fragment = self.fragment()?;
                document.fragments.push(fragment);
                return Ok(());
            }
            "schema" | "scalar" | "type" | "interface" | "union" | "enum" | "input"
            | "directive" | "extend" => {
                let name = self.type_system_definition()?;
                document.type_system.push(name);
                return Ok(());
            }
            _ => return Err(self.unexpected()),
        };
        self.advance()?;
        let name = match self.token.kind {
            Kind::Name => Some(self.name()?),
            _ => None,
        };
        let variables = if self.is_punctuator(b'(') {
            self.many(b'(', b')', Self::variable_definition)?
        } else {
            Vec::new()
        };
        let directives = self.directives(false)?;
        let selections = self.selection_set()?;
        document.operations.push(Operation {
            pos,
            kind: operation,
            name,
            variables,
            directives,
            selections,
        });
        Ok(())
    }

    fn variable_definition(&mut self) -> Parsed<VariableDefinition<'a>> {
        self.description()?;
        let pos = self.token.pos;
        let name = self.variable()?;
        self.expect(b':')?;
        let ty = self.ty()?;
        let default = if self.skip(b'=')? {
            Some(self.value(true)?)
        } else {
            None
        };
        let directives = self.directives(true)?;
        Ok(VariableDefinition {
            pos,
            name,
            ty,
            default,
            directives,
        })
    }

    fn variable(&mut self) -> Parsed<Name<'a>> {
        self.expect(b'$')?;
        self.name()
    }

    fn fragment(&mut self) -> Parsed<Fragment<'a>> {
        let pos = self.token.pos;
        self.advance()?;
        if self.is_keyword("on") {
            return Err(self.unexpected());
        }
        let name = self.name()?;
        self.keyword("on")?;
        let condition = self.name()?;
        let directives = self.directives(false)?;
        let selections = self.selection_set()?;
        Ok(Fragment {
            pos,
            name,
            condition,
            directives,
            selections,
        })
    }

    fn selection_set(&mut self) -> Parsed<SelectionSet<'a>> {
        let pos = self.token.pos;
        let number = self.selection_sets;
        self.selection_sets += 1;
        let items = self.many(b'{', b'}', Self::selection)?;
        Ok(SelectionSet { number, pos, items })
    }

    fn selection(&mut self) -> Parsed<Selection<'a>> {
        if self.token.kind == Kind::Spread {
            return self.fragment_selection();
        }
        let pos = self.token.pos;
        let first = self.name()?;
        let (alias, name) = if self.skip(b':')? {
            (Some(first), self.name()?)
        } else {
            (None, first)
        };
        let arguments = self.arguments(false)?;
        let directives = self.directives(false)?;
        let selections = if self.is_punctuator(b'{') {
            Some(self.selection_set()?)
        } else {
            None
        };
        Ok(Selection::Field(Field {
            pos,
            alias,
            name,
            arguments,
            directives,
            selections,
        }))
    }

    fn fragment_selection(&mut self) -> Parsed<Selection<'a>> {
        let pos = self.token.pos;
        self.advance()?;
        if self.token.kind == Kind::Name && self.token.text != "on" {
            let name = self.name()?;
            let directives = self.directives(false)?;
            return Ok(Selection::Spread(Spread {
                pos,
                name,
                directives,
            }));
        }
        let condition = if self.is_keyword("on") {
            self.advance()?;
            Some(self.name()?)
        } else {
            None
        };
        let directives = self.directives(false)?;
        let selections = self.selection_set()?;
        Ok(Selection::Inline(Inline {
            pos,
            condition,
            directives,
            selections,
        }))
    }

    pub(crate) fn arguments(&mut self, constant: bool) -> Parsed<Vec<Argument<'a>>> {
        if !self.is_punctuator(b'(') {
            return Ok(Vec::new());
        }
        self.many(b'(', b')', |parser| parser.argument(constant))
    }

    fn argument(&mut self, constant: bool) -> Parsed<Argument<'a>> {
        let name = self.name()?;
        self.expect(b':')?;
        let value = self.value(constant)?;
        Ok(Argument { name, value })
    }

    pub(crate) fn directives(&mut self, constant: bool) -> Parsed<Vec<Directive<'a>>> {
        let mut directives = Vec::new();
        while self.is_punctuator(b'@') {
            let pos = self.token.pos;
            self.advance()?;
            let name = self.name()?;
            let arguments = self.arguments(constant)?;
            directives.push(Directive {
                pos,
                name,
                arguments,
            });
        }
        Ok(directives)
    }

    /// A description in front of a definition, if there is one.
    pub(crate) fn description(&mut self) -> Parsed<Option<std::borrow::Cow<'a, str>>> {
        let Token { kind, text, pos } = self.token;
        let description = match kind {
            Kind::String => text::string(text, pos)?,
            Kind::BlockString => text::block(text),
            _ => return Ok(None),
        };
        self.advance()?;
        Ok(Some(description))
    }
}
