//! Splits the text of a statement into tokens as its engine does: enough to tell keywords from what is quoted or commented.

#[cfg(feature = "sqlite")]
use std::ops::Range;

/// The engine whose rules apply to comments and quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    Sqlite,
    MariaDb,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword or a name.
    Word(&'a str),
    /// A quoted name, without the quotes. A quoted keyword is not a keyword.
    Quoted(&'a str),
    /// A literal. Its value is not read.
    Literal,
    /// A variable of SQLite: `?`, `?1`, `:name`, `@name`, `$name`, `#name`, and what Tcl may write behind a name, as in `$a::b(c)`.
    Variable,
    /// `/*!` or `/*M!`: what follows is executed by some versions of MariaDB, and a comment to others.
    ExecutedComment,
    /// Any other character, such as the semicolon.
    Symbol(u8),
}

impl Token<'_> {
    /// Whether this is `keyword`, in upper or lower case.
    pub(super) fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// The tokens of a text, without white space and comments. An unclosed quote or comment extends to the end.
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(text: &'a str, dialect: Dialect) -> Self {
        match dialect {
            Dialect::Postgres | Dialect::MariaDb => Self {
                text,
                at: 0,
                dialect,
            },
            // The driver cuts white space off both ends, also such as is part of a name to SQLite: U+00A0.
            Dialect::Sqlite => Self {
                text: text.trim_end(),
                at: text.len() - text.trim_start().len(),
                dialect,
            },
        }
    }

    /// The next token, and where it is in the text.
    #[cfg(feature = "sqlite")]
    pub(super) fn next_placed(&mut self) -> Option<(Token<'a>, Range<usize>)> {
        self.skip_blank();
        let start = self.at;
        let token = self.next()?;
        Some((token, start..self.at))
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn skip_while(&mut self, accept: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&accept) {
            self.at += 1;
        }
    }

    /// Skips white space and comments, and returns whether they contain a line end.
    fn skip_blank(&mut self) -> bool {
        let mut line_ended = false;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'\n' | b'\r'), _) => {
                    line_ended = true;
                    self.at += 1;
                }
                // Engines stop at U+0000. The rest is read here all the same.
                (Some(b' ' | b'\t' | 0x0b | 0x0c | 0), _) => self.at += 1,
                // A byte order mark is white space to SQLite, where it does not go on with a word.
                (Some(0xef), Some(0xbb))
                    if self.dialect == Dialect::Sqlite && self.peek(2) == Some(0xbf) =>
                {
                    self.at += 3;
                }
                // A token of its own.
                (Some(b'/'), Some(b'*')) if self.is_executed_comment() => return line_ended,
                (Some(b'*'), Some(b'/')) if self.dialect == Dialect::MariaDb => self.at += 2,
                // A variable of the server or the session, which is only read.
                (Some(b'@'), Some(b'@')) if self.dialect == Dialect::MariaDb => self.at += 2,
                (Some(b'#'), _) if self.dialect == Dialect::MariaDb => {
                    self.skip_while(|byte| byte != b'\n');
                }
                (Some(b'-'), Some(b'-')) if self.begins_comment() => {
                    let dialect = self.dialect;
                    self.skip_while(|byte| {
                        byte != b'\n' && (dialect != Dialect::Postgres || byte != b'\r')
                    });
                }
                (Some(b'/'), Some(b'*')) => self.skip_comment(),
                _ => return line_ended,
            }
        }
    }

    /// Whether `--` begins a comment. For MariaDB, a space has to follow.
    fn begins_comment(&self) -> bool {
        self.dialect != Dialect::MariaDb
            || self
                .peek(2)
                .is_none_or(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control())
    }

    /// Whether a comment begins here that MariaDB executes: `/*!` or `/*M!`.
    fn is_executed_comment(&self) -> bool {
        self.dialect == Dialect::MariaDb
            && (self.peek(2) == Some(b'!')
                || self.peek(2) == Some(b'M') && self.peek(3) == Some(b'!'))
    }

    /// Skips a comment. PostgreSQL's comments can be nested.
    fn skip_comment(&mut self) {
        self.at += 2;
        let mut depth = 1;
        while depth > 0 {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return,
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                }
                (Some(b'/'), Some(b'*')) if self.dialect == Dialect::Postgres => {
                    depth += 1;
                    self.at += 2;
                }
                _ => self.at += 1,
            }
        }
    }

    /// Skips quoted text, from its opening quote on, and returns what is inside. A doubled closing quote is part of the text.
    fn skip_quoted(&mut self, close: u8, backslashes: bool) -> &'a str {
        self.at += 1;
        let start = self.at;
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return &self.text[start..],
                (Some(b'\\'), Some(_)) if backslashes => self.at += 2,
                (Some(byte), next) if byte == close => {
                    // In SQLite, [ ] cannot contain `]`.
                    if next == Some(close) && close != b']' {
                        self.at += 2;
                    } else {
                        let inside = self.at;
                        self.at += 1;
                        // A backslash may have skipped the first byte of a character. Its other bytes are never quotes.
                        return self.text.get(start..inside).unwrap_or_default();
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// Skips a literal of PostgreSQL that begins with E'. It can continue after a line end, where backslashes still escape.
    fn skip_escaped(&mut self) {
        loop {
            self.skip_quoted(b'\'', true);
            let after = self.at;
            let is_continued = self.skip_blank() && self.peek(0) == Some(b'\'');
            if !is_continued {
                self.at = after;
                return;
            }
        }
    }

    /// Skips `$$…$$` or `$tag$…$tag$`, if it begins here.
    fn skip_dollar_quoted(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let Some(length) = rest[1..].find('$').map(|end| end + 2) else {
            return false;
        };
        let tag = &rest.as_bytes()[1..length - 1];
        if !tag.first().is_none_or(|byte| begins_word(*byte))
            || !tag.iter().all(|byte| goes_on(*byte) && *byte != b'$')
        {
            return false;
        }
        let (open, inside) = rest.split_at(length);
        self.at = match inside.find(open) {
            Some(close) => self.at + length + close + length,
            None => self.text.len(),
        };
        true
    }

    /// A variable of SQLite, read as its tokenizer does: whatever stands in the parentheses of `$a(…)` is no other token.
    fn variable(&mut self, sign: u8) -> Token<'a> {
        self.at += 1;
        if sign == b'?' {
            self.skip_while(|byte| byte.is_ascii_digit());
            return Token::Variable;
        }
        let mut has_name = false;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(byte), _) if goes_on(byte) => {
                    has_name = true;
                    self.at += 1;
                }
                (Some(b':'), Some(b':')) => self.at += 2,
                (Some(b'('), _) if has_name => {
                    self.skip_while(|byte| {
                        byte != b')' && byte != 0x0b && !byte.is_ascii_whitespace()
                    });
                    // Without the parenthesis, SQLite refuses the statement.
                    self.at += usize::from(self.peek(0) == Some(b')'));
                    return Token::Variable;
                }
                _ if has_name => return Token::Variable,
                _ => return Token::Symbol(sign),
            }
        }
    }

    fn word(&mut self) -> Token<'a> {
        let start = self.at;
        self.skip_while(goes_on);
        let word = &self.text[start..self.at];
        if self.dialect == Dialect::Postgres
            && word.eq_ignore_ascii_case("e")
            && self.peek(0) == Some(b'\'')
        {
            self.skip_escaped();
            return Token::Literal;
        }
        Token::Word(word)
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blank();
        let byte = self.peek(0)?;
        Some(match byte {
            b'\'' => {
                self.skip_quoted(b'\'', self.dialect == Dialect::MariaDb);
                Token::Literal
            }
            b'"' if self.dialect == Dialect::MariaDb => {
                self.skip_quoted(b'"', true);
                Token::Literal
            }
            b'"' => Token::Quoted(self.skip_quoted(b'"', false)),
            b'`' if self.dialect != Dialect::Postgres => {
                Token::Quoted(self.skip_quoted(b'`', false))
            }
            b'[' if self.dialect == Dialect::Sqlite => Token::Quoted(self.skip_quoted(b']', false)),
            b'$' if self.dialect == Dialect::Postgres && self.skip_dollar_quoted() => {
                Token::Literal
            }
            b'?' | b'$' | b'@' | b':' | b'#' if self.dialect == Dialect::Sqlite => {
                self.variable(byte)
            }
            byte if byte.is_ascii_digit() => {
                self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
                Token::Literal
            }
            byte if begins_word(byte) => self.word(),
            b'/' if self.is_executed_comment() => {
                self.at += 3;
                Token::ExecutedComment
            }
            byte => {
                self.at += 1;
                Token::Symbol(byte)
            }
        })
    }
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

fn goes_on(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str, dialect: Dialect) -> Vec<&str> {
        Tokens::of(text, dialect)
            .filter_map(|token| match token {
                Token::Word(word) => Some(word),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn words_are_told_from_what_looks_like_them() {
        for (text, mariadb) in [
            ("a -- b\nc", vec!["a", "c"]),
            ("a --b\nc", vec!["a", "b", "c"]),
            ("a --", vec!["a"]),
            ("a # b\nc", vec!["a", "c"]),
            ("a /* b */ c", vec!["a", "c"]),
            ("a /*! b */ c", vec!["a", "b", "c"]),
            ("a /*!50000 b */ c", vec!["a", "b", "c"]),
            ("a /*M! b */ c", vec!["a", "b", "c"]),
            ("a 'b\\' c' d", vec!["a", "d"]),
            ("a \"b\\\" c\" d", vec!["a", "d"]),
            ("a 'b''c' `d` e", vec!["a", "e"]),
            ("a $$ b $$ c", vec!["a", "b", "c"]),
            ("@@b @c", vec!["b", "c"]),
        ] {
            assert_eq!(words(text, Dialect::MariaDb), mariadb, "{text}");
        }
        for (text, postgres, sqlite) in [
            ("a -- b\nc", vec!["a", "c"], vec!["a", "c"]),
            ("a -- b\rc", vec!["a", "c"], vec!["a"]),
            ("a /* b /* c */ d */ e", vec!["a", "e"], vec!["a", "d", "e"]),
            ("a 'b''c' d", vec!["a", "d"], vec!["a", "d"]),
            ("a 'b\\' c", vec!["a", "c"], vec!["a", "c"]),
            ("a E'b\\' c' d", vec!["a", "d"], vec!["a", "E", "c"]),
            (
                "a E'b' -- x\n '\\' c' d",
                vec!["a", "d"],
                vec!["a", "E", "c"],
            ),
            ("a xe'b\\' c", vec!["a", "xe", "c"], vec!["a", "xe", "c"]),
            ("a $$ b $$ c", vec!["a", "c"], vec!["a", "b", "c"]),
            ("a $x$ b $y$ $x$ c", vec!["a", "c"], vec!["a", "b", "c"]),
            ("a$b$ c", vec!["a$b$", "c"], vec!["a$b$", "c"]),
            ("$1 b $2", vec!["b"], vec!["b"]),
            ("?1on b", vec!["b"], vec!["on", "b"]),
            (":a b", vec!["a", "b"], vec!["b"]),
            ("@a::b(c) d", vec!["a", "b", "c", "d"], vec!["d"]),
            ("$1$(') a --') b", vec!["b"], vec!["a"]),
            ("#a(b c) d", vec!["a", "b", "c", "d"], vec!["c", "d"]),
            ("a : (b)", vec!["a", "b"], vec!["a", "b"]),
            (
                "\u{a0}a\u{a0} b\u{2003}\n",
                vec!["\u{a0}a\u{a0}", "b\u{2003}"],
                vec!["a\u{a0}", "b"],
            ),
            ("\u{a0}", vec!["\u{a0}"], vec![]),
            (
                "\u{feff}a b\u{feff}",
                vec!["\u{feff}a", "b\u{feff}"],
                vec!["a", "b\u{feff}"],
            ),
            ("a \"b\"\"c\" d", vec!["a", "d"], vec!["a", "d"]),
            ("a `b` [c] d", vec!["a", "b", "c", "d"], vec!["a", "d"]),
            ("1e5 0x1f a", vec!["a"], vec!["a"]),
            ("a /* b", vec!["a"], vec!["a"]),
            ("a 'b", vec!["a"], vec!["a"]),
            ("a\0b", vec!["a", "b"], vec!["a", "b"]),
        ] {
            assert_eq!(words(text, Dialect::Postgres), postgres, "{text}");
            assert_eq!(words(text, Dialect::Sqlite), sqlite, "{text}");
        }
    }

    proptest! {
        /// Whatever is given, it ends, and does not panic.
        #[test]
        fn any_text_is_cut(text in "[-/*'\"`$\\[\\]\\\\eE\n ;aé\0]{0,40}|.*") {
            for dialect in [Dialect::Postgres, Dialect::Sqlite, Dialect::MariaDb] {
                let tokens = Tokens::of(&text, dialect).count();
                prop_assert!(tokens <= text.len());
            }
        }
    }
}
