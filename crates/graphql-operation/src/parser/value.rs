//! Values and types.

use super::{Parsed, Parser};
use crate::{
    ast::{Type, TypeKind, Value, ValueKind},
    error::SyntaxError,
    lexer::{Kind, Token},
    text,
};

impl<'a> Parser<'a> {
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
}
