//! The steps of all grammar rules: a name, a keyword, a punctuator, a list between brackets.

use super::{Parsed, Parser};
use crate::{
    ast::Name,
    error::{Pos, SyntaxError},
    lexer::{Kind, Token},
};

impl<'a> Parser<'a> {
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

    /// Skips a punctuator, if it is the next token.
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
    pub(super) fn any<T>(
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
