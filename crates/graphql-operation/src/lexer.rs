//! Splits a text into tokens (specification, "Lexical Tokens").
//!
//! Nothing is copied: a token is a piece of the text. Strings keep their quotes and escapes; [`crate::text`] reads them.

use crate::error::{Pos, SyntaxError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    End,
    /// One of `! $ & ( ) : = @ [ ] { | }`.
    Punctuator(u8),
    /// `...`
    Spread,
    Name,
    Int,
    Float,
    String,
    BlockString,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    pub(crate) pos: Pos,
}

impl Token<'_> {
    /// The token as errors show it.
    pub(crate) fn describe(&self) -> String {
        match self.kind {
            Kind::End => "<EOF>".to_owned(),
            Kind::Punctuator(_) | Kind::Spread => format!("\"{}\"", self.text),
            Kind::Name => format!("Name \"{}\"", self.text),
            Kind::Int => format!("Int \"{}\"", self.text),
            Kind::Float => format!("Float \"{}\"", self.text),
            Kind::String | Kind::BlockString => format!("String {}", self.text),
        }
    }
}

pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    column: u32,
    /// The place up to which `column` has counted characters.
    counted: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
            column: 1,
            counted: 0,
        }
    }

    pub(crate) fn next(&mut self) -> Result<Token<'a>, SyntaxError> {
        self.skip_ignored();
        let pos = self.position(self.at);
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let Some(&first) = rest.first() else {
            return Ok(Token {
                kind: Kind::End,
                text: "",
                pos,
            });
        };
        let (kind, length) = match first {
            b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|'
            | b'}' => (Kind::Punctuator(first), 1),
            b'.' if rest.starts_with(b"...") => (Kind::Spread, 3),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => (Kind::Name, name_length(rest)),
            b'-' | b'0'..=b'9' => self.number(rest, pos)?,
            b'"' if rest.starts_with(b"\"\"\"") => (Kind::BlockString, self.block(pos)?),
            b'"' => (Kind::String, self.string(rest, pos)?),
            _ => return Err(self.unexpected(pos)),
        };
        // For a block string, `block` has already counted the lines.
        self.at = start + length;
        Ok(Token {
            kind,
            text: &self.text[start..start + length],
            pos,
        })
    }

    /// White space, line ends, commas, comments and byte-order marks.
    fn skip_ignored(&mut self) {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b',' => self.at += 1,
                b'\n' | b'\r' => self.line_end(),
                b'#' => {
                    let rest = &bytes[self.at..];
                    let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
                    self.at += end.unwrap_or(rest.len());
                }
                0xef if bytes[self.at..].starts_with("\u{feff}".as_bytes()) => self.at += 3,
                _ => return,
            }
        }
    }

    /// Skips a line end: `\n`, `\r` or `\r\n`.
    fn line_end(&mut self) {
        let bytes = self.text.as_bytes();
        let is_pair = bytes[self.at] == b'\r' && bytes.get(self.at + 1) == Some(&b'\n');
        self.at += if is_pair { 2 } else { 1 };
        self.line += 1;
        self.column = 1;
        self.counted = self.at;
    }

    /// The position of a byte. Each character of a line is counted once, however many tokens it has.
    fn position(&mut self, at: usize) -> Pos {
        let between = &self.text.as_bytes()[self.counted..at];
        let characters = between.iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
        self.column = self
            .column
            .saturating_add(u32::try_from(characters).unwrap_or(u32::MAX));
        self.counted = at;
        Pos {
            line: self.line,
            column: self.column,
        }
    }

    fn number(&mut self, rest: &[u8], pos: Pos) -> Result<(Kind, usize), SyntaxError> {
        let mut at = usize::from(rest[0] == b'-');
        let mut kind = Kind::Int;
        let digits = |from: usize| {
            rest[from..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count()
        };
        let wrong = |at: usize| {
            let found = rest.get(at).map_or_else(
                || "<EOF>".to_owned(),
                |_| {
                    let rest = std::str::from_utf8(&rest[at..]).unwrap_or_default();
                    printed(rest.chars().next())
                },
            );
            SyntaxError::new(
                format!("Invalid number, unexpected character: {found}."),
                pos,
            )
        };
        if rest.get(at) == Some(&b'0') {
            at += 1;
            if digits(at) > 0 {
                return Err(wrong(at));
            }
        } else {
            let count = digits(at);
            if count == 0 {
                return Err(wrong(at));
            }
            at += count;
        }
        if rest.get(at) == Some(&b'.') {
            kind = Kind::Float;
            let count = digits(at + 1);
            if count == 0 {
                return Err(wrong(at + 1));
            }
            at += 1 + count;
        }
        if matches!(rest.get(at), Some(b'e' | b'E')) {
            kind = Kind::Float;
            at += 1;
            if matches!(rest.get(at), Some(b'+' | b'-')) {
                at += 1;
            }
            let count = digits(at);
            if count == 0 {
                return Err(wrong(at));
            }
            at += count;
        }
        match rest.get(at) {
            Some(b'.' | b'_' | b'a'..=b'z' | b'A'..=b'Z') => Err(wrong(at)),
            _ => Ok((kind, at)),
        }
    }

    /// The length of the string that starts here.
    fn string(&self, rest: &[u8], pos: Pos) -> Result<usize, SyntaxError> {
        let mut at = 1;
        loop {
            match rest.get(at) {
                Some(b'"') => return Ok(at + 1),
                Some(b'\\') if !matches!(rest.get(at + 1), None | Some(b'\n' | b'\r')) => at += 2,
                None | Some(b'\n' | b'\r' | b'\\') => {
                    return Err(SyntaxError::new("Unterminated string.", pos));
                }
                Some(_) => at += 1,
            }
        }
    }

    /// The length of the block string that starts here. Lines end inside it.
    fn block(&mut self, pos: Pos) -> Result<usize, SyntaxError> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 3;
        loop {
            match bytes.get(self.at) {
                None => return Err(SyntaxError::new("Unterminated string.", pos)),
                Some(b'"') if bytes[self.at..].starts_with(b"\"\"\"") => {
                    return Ok(self.at + 3 - start);
                }
                Some(b'\\') if bytes[self.at..].starts_with(b"\\\"\"\"") => self.at += 4,
                Some(b'\n' | b'\r') => self.line_end(),
                Some(_) => self.at += 1,
            }
        }
    }

    fn unexpected(&self, pos: Pos) -> SyntaxError {
        let rest = &self.text[self.at..];
        let message = match rest.chars().next() {
            Some('\'') => {
                "Unexpected single quote character ('), did you mean to use a double quote (\")?"
                    .to_owned()
            }
            first => format!("Unexpected character: {}.", printed(first)),
        };
        SyntaxError::new(message, pos)
    }
}

fn name_length(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .count()
}

fn printed(character: Option<char>) -> String {
    match character {
        None => "<EOF>".to_owned(),
        Some('"') => "'\"'".to_owned(),
        Some(visible @ ' '..='~') => format!("\"{visible}\""),
        Some(other) => format!("U+{:04X}", u32::from(other)),
    }
}
