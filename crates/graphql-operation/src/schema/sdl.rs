//! Parses a schema's definition language (specification, "Type System").

use super::definition::{Kind, SchemaError};
use crate::{
    ast::{Directive, Name, Type, Value},
    error::SyntaxError,
    lexer,
    parser::Parser,
};

/// The syntax tree of a definition.
pub(crate) enum Definition<'a> {
    Schema(Vec<(Name<'a>, Name<'a>)>),
    Type(Box<TypeSyntax<'a>>),
    Directive {
        name: Name<'a>,
        arguments: Vec<InputSyntax<'a>>,
        is_repeatable: bool,
        locations: Vec<Name<'a>>,
    },
}

pub(crate) struct TypeSyntax<'a> {
    pub(super) kind: Kind,
    pub(super) name: Name<'a>,
    pub(super) is_extension: bool,
    pub(super) directives: Vec<Directive<'a>>,
    pub(super) interfaces: Vec<Name<'a>>,
    pub(super) members: Vec<Name<'a>>,
    pub(super) values: Vec<Name<'a>>,
    pub(super) fields: Vec<FieldSyntax<'a>>,
    pub(super) inputs: Vec<InputSyntax<'a>>,
}

pub(crate) struct FieldSyntax<'a> {
    pub(super) name: Name<'a>,
    pub(super) arguments: Vec<InputSyntax<'a>>,
    pub(super) ty: Type<'a>,
}

pub(crate) struct InputSyntax<'a> {
    pub(super) name: Name<'a>,
    pub(super) ty: Type<'a>,
    pub(super) default: Option<Value<'a>>,
}

impl<'a> Parser<'a> {
    /// Skips a definition of the type system, which an executable document must not have.
    pub(crate) fn type_system_definition(&mut self) -> Result<Name<'a>, SyntaxError> {
        let pos = self.pos();
        Ok(match self.sdl_definition()? {
            Definition::Schema(_) => Name {
                text: "schema",
                pos,
            },
            Definition::Type(ty) => ty.name,
            Definition::Directive { name, .. } => name,
        })
    }

    fn sdl_definition(&mut self) -> Result<Definition<'a>, SyntaxError> {
        self.description()?;
        let is_extension = self.is_keyword("extend");
        if is_extension {
            self.advance()?;
        }
        let kind = match self.token.text {
            "schema" => {
                self.advance()?;
                self.directives(true)?;
                let roots = if !is_extension || self.is_punctuator(b'{') {
                    self.many(b'{', b'}', |parser| {
                        parser.description()?;
                        let kind = parser.name()?;
                        parser.expect(b':')?;
                        Ok((kind, parser.name()?))
                    })?
                } else {
                    Vec::new()
                };
                return Ok(Definition::Schema(roots));
            }
            "directive" if !is_extension => return self.directive_definition(),
            "scalar" => Kind::Scalar,
            "type" => Kind::Object,
            "interface" => Kind::Interface,
            "union" => Kind::Union,
            "enum" => Kind::Enum,
            "input" => Kind::InputObject,
            _ => return Err(self.unexpected()),
        };
        self.advance()?;
        let mut ty = TypeSyntax {
            kind,
            name: self.name()?,
            is_extension,
            directives: Vec::new(),
            interfaces: Vec::new(),
            members: Vec::new(),
            values: Vec::new(),
            fields: Vec::new(),
            inputs: Vec::new(),
        };
        if matches!(kind, Kind::Object | Kind::Interface) && self.is_keyword("implements") {
            self.advance()?;
            ty.interfaces = self.separated(b'&')?;
        }
        ty.directives = self.directives(true)?;
        let has_body = self.is_punctuator(b'{');
        match kind {
            Kind::Object | Kind::Interface if has_body => {
                ty.fields = self.many(b'{', b'}', Self::field_definition)?;
            }
            Kind::Union if self.skip(b'=')? => ty.members = self.separated(b'|')?,
            Kind::Enum if has_body => {
                ty.values = self.many(b'{', b'}', |parser| {
                    parser.description()?;
                    let name = parser.name()?;
                    parser.directives(true)?;
                    Ok(name)
                })?;
            }
            Kind::InputObject if has_body => {
                ty.inputs = self.many(b'{', b'}', Self::input_definition)?;
            }
            _ => {}
        }
        Ok(Definition::Type(Box::new(ty)))
    }

    fn directive_definition(&mut self) -> Result<Definition<'a>, SyntaxError> {
        self.advance()?;
        self.expect(b'@')?;
        let name = self.name()?;
        let arguments = self.argument_definitions()?;
        let is_repeatable = self.is_keyword("repeatable");
        if is_repeatable {
            self.advance()?;
        }
        self.keyword("on")?;
        let locations = self.separated(b'|')?;
        Ok(Definition::Directive {
            name,
            arguments,
            is_repeatable,
            locations,
        })
    }

    fn field_definition(&mut self) -> Result<FieldSyntax<'a>, SyntaxError> {
        self.description()?;
        let name = self.name()?;
        let arguments = self.argument_definitions()?;
        self.expect(b':')?;
        let ty = self.ty()?;
        self.directives(true)?;
        Ok(FieldSyntax {
            name,
            arguments,
            ty,
        })
    }

    fn argument_definitions(&mut self) -> Result<Vec<InputSyntax<'a>>, SyntaxError> {
        if !self.is_punctuator(b'(') {
            return Ok(Vec::new());
        }
        self.many(b'(', b')', Self::input_definition)
    }

    fn input_definition(&mut self) -> Result<InputSyntax<'a>, SyntaxError> {
        self.description()?;
        let name = self.name()?;
        self.expect(b':')?;
        let ty = self.ty()?;
        let default = if self.skip(b'=')? {
            Some(self.value(true)?)
        } else {
            None
        };
        self.directives(true)?;
        Ok(InputSyntax { name, ty, default })
    }

    /// Names with a punctuator between them, and perhaps before the first.
    fn separated(&mut self, by: u8) -> Result<Vec<Name<'a>>, SyntaxError> {
        self.skip(by)?;
        let mut names = vec![self.name()?];
        while self.skip(by)? {
            names.push(self.name()?);
        }
        Ok(names)
    }
}

pub(super) fn definitions(sdl: &str) -> Result<Vec<Definition<'_>>, SchemaError> {
    let read = || {
        let mut parser = Parser::new(sdl)?;
        let mut definitions = Vec::new();
        while parser.token.kind != lexer::Kind::End {
            definitions.push(parser.sdl_definition()?);
        }
        Ok(definitions)
    };
    read().map_err(|error: SyntaxError| {
        SchemaError(format!(
            "the schema cannot be read at {}:{}: {}",
            error.pos.line, error.pos.column, error.message
        ))
    })
}
