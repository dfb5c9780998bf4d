//! Reads a document (specification, "Language"), by recursive descent.
//!
//! It recurses as deep as brackets stand in brackets, which [`crate::tokens`] has bounded before.

use async_graphql::parser::types::OperationType;

use crate::{
    ast::{
        Argument, Directive, Document, Field, Fragment, Inline, Name, Operation, Selection,
        SelectionSet, Spread, Type, TypeKind, Value, ValueKind, VariableDefinition,
    },
    error::{Pos, SyntaxError},
    lexer::{Kind, Lexer, Token},
    text,
};

type Parsed<T> = Result<T, SyntaxError>;

/// Reads a document of operations and fragments.
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

    pub(crate) fn value(&mut self, constant: bool) -> Parsed<Value<'a>> {
        let Token { kind, text, pos } = self.token;
        let kind = match kind {
            Kind::Punctuator(b'[') => {
                let values = self.any(b'[', b']', |parser| parser.value(constant))?;
                return Ok(Value {
                    pos,
                    kind: ValueKind::List(values),
                });
            }
            Kind::Punctuator(b'{') => {
                let fields = self.any(b'{', b'}', |parser| parser.argument(constant))?;
                return Ok(Value {
                    pos,
                    kind: ValueKind::Object(fields),
                });
            }
            Kind::Punctuator(b'$') => {
                let name = self.variable()?;
                if constant {
                    return Err(SyntaxError::new(
                        format!("Unexpected variable \"${}\" in constant value.", name.text),
                        pos,
                    ));
                }
                return Ok(Value {
                    pos,
                    kind: ValueKind::Variable(name.text),
                });
            }
            Kind::Int => ValueKind::Int(text),
            Kind::Float => ValueKind::Float(text),
            Kind::String => ValueKind::String(text::string(text, pos)?, false),
            Kind::BlockString => ValueKind::String(text::block(text), true),
            Kind::Name => match text {
                "true" => ValueKind::Boolean(true),
                "false" => ValueKind::Boolean(false),
                "null" => ValueKind::Null,
                name => ValueKind::Enum(name),
            },
            Kind::End | Kind::Spread | Kind::Punctuator(_) => return Err(self.unexpected()),
        };
        self.advance()?;
        Ok(Value { pos, kind })
    }

    pub(crate) fn ty(&mut self) -> Parsed<Type<'a>> {
        let pos = self.token.pos;
        let kind = if self.skip(b'[')? {
            let inner = self.ty()?;
            self.expect(b']')?;
            TypeKind::List(Box::new(inner))
        } else {
            TypeKind::Named(self.name()?.text)
        };
        let ty = Type { pos, kind };
        Ok(if self.skip(b'!')? {
            Type {
                pos,
                kind: TypeKind::NonNull(Box::new(ty)),
            }
        } else {
            ty
        })
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

    pub(crate) fn name(&mut self) -> Parsed<Name<'a>> {
        let Token { kind, text, pos } = self.token;
        if kind != Kind::Name {
            return Err(SyntaxError::new(
                format!("Expected Name, found {}.", self.token.describe()),
                pos,
            ));
        }
        self.advance()?;
        Ok(Name { text, pos })
    }

    pub(crate) fn is_keyword(&self, word: &str) -> bool {
        self.token.kind == Kind::Name && self.token.text == word
    }

    pub(crate) fn keyword(&mut self, word: &str) -> Parsed<()> {
        if self.is_keyword(word) {
            return self.advance();
        }
        Err(SyntaxError::new(
            format!("Expected \"{word}\", found {}.", self.token.describe()),
            self.token.pos,
        ))
    }

    pub(crate) fn is_punctuator(&self, byte: u8) -> bool {
        self.token.kind == Kind::Punctuator(byte)
    }

    /// Steps over a punctuator if it is here.
    pub(crate) fn skip(&mut self, byte: u8) -> Parsed<bool> {
        let is_here = self.is_punctuator(byte);
        if is_here {
            self.advance()?;
        }
        Ok(is_here)
    }

    pub(crate) fn expect(&mut self, byte: u8) -> Parsed<()> {
        if self.skip(byte)? {
            return Ok(());
        }
        Err(SyntaxError::new(
            format!(
                "Expected \"{}\", found {}.",
                char::from(byte),
                self.token.describe()
            ),
            self.token.pos,
        ))
    }

    /// One or more between brackets.
    pub(crate) fn many<T>(
        &mut self,
        open: u8,
        close: u8,
        one: impl Fn(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.expect(open)?;
        let mut all = vec![one(self)?];
        while !self.skip(close)? {
            all.push(one(self)?);
        }
        Ok(all)
    }

    /// None, one or more between brackets.
    fn any<T>(
        &mut self,
        open: u8,
        close: u8,
        one: impl Fn(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.expect(open)?;
        let mut all = Vec::new();
        while !self.skip(close)? {
            all.push(one(self)?);
        }
        Ok(all)
    }

    pub(crate) fn advance(&mut self) -> Parsed<()> {
        self.token = self.lexer.next()?;
        Ok(())
    }

    pub(crate) fn unexpected(&self) -> SyntaxError {
        SyntaxError::new(
            format!("Unexpected {}.", self.token.describe()),
            self.token.pos,
        )
    }

    pub(crate) fn pos(&self) -> Pos {
        self.token.pos
    }
}
