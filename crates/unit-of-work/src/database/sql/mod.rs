//! Side effects of a statement, read from its text: whether it would end or change the transaction, which only the unit may do, and
//! whether it leaves something on the session, which the next unit would inherit.
//!
//! Every statement of a unit is looked at. For most, the first word and a search for a few words are enough; only the others are read
//! token by token.

mod mariadb;
#[cfg(feature = "sqlite")]
pub(crate) mod rows;
mod tokens;

use tokens::{Token, Tokens};

pub(crate) use tokens::Dialect;

/// The side effect of a statement. Of several statements, the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    Nothing,
    /// It changes the session beyond the transaction, so the connection must not be used by another unit.
    ChangesSession,
    /// It begins, ends or divides the transaction, or changes its mode.
    ControlsTransaction(&'static str),
}

/// The side effect of `text`, one or several statements, as far as the text shows. What a called function does is not visible.
pub(crate) fn effect(text: &str, dialect: Dialect) -> Effect {
    if is_plain(text) && (dialect != Dialect::MariaDb || mariadb::is_plain(text)) {
        return Effect::Nothing;
    }
    read(text, dialect)
}

/// Whether it is certainly one statement that only reads or writes rows. If not, it is read in full, and may still have no side effect.
fn is_plain(text: &str) -> bool {
    const PLAIN: [&[u8]; 6] = [
        b"SELECT ", b"INSERT ", b"UPDATE ", b"DELETE ", b"WITH ", b"VALUES ",
    ];
    let bytes = text.as_bytes();
    let begins = |word: &[u8]| {
        bytes
            .get(..word.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(word))
    };
    PLAIN.into_iter().any(begins)
        && memchr::memchr(b';', bytes).is_none()
        // Advisory locks.
        && !contains(bytes, b'v', b"visory")
        && !contains(bytes, b'f', b"fig")
        && !contains(bytes, b'm', b"mp")
}

/// Whether `part` is in the text, in upper or lower case. `first` is its first letter.
fn contains(text: &[u8], first: u8, part: &[u8]) -> bool {
    memchr::memchr2_iter(first, first.to_ascii_uppercase(), text).any(|at| {
        text.get(at..at + part.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(part))
    })
}

/// How many of a statement's first tokens are needed to classify it: those of `PRAGMA schema.name = value` without the value.
const HEAD: usize = 6;

fn read(text: &str, dialect: Dialect) -> Effect {
    let mut tokens = Tokens::of(text, dialect).peekable();
    let mut effect = Effect::Nothing;
    while tokens.peek().is_some() {
        let mut statement = StatementReader::new(dialect);
        while let Some(token) = tokens.next() {
            let next = tokens.peek();
            if statement.ends_with(token, next) {
                break;
            }
            effect = effect.max(statement.word_inside(token, next));
            statement.push(token);
        }
        effect = effect.max(statement.effect());
    }
    effect
}

/// The state while one statement is read.
struct StatementReader<'a> {
    dialect: Dialect,
    head: [Option<Token<'a>>; HEAD],
    length: usize,
    body: Body,
}

/// Whether the reader is inside a body of several statements, where a semicolon does not end the statement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    None,
    /// Between `BEGIN ATOMIC` and its `END`, at this depth.
    Function(u32),
    Trigger,
    /// After a semicolon and `END` in a trigger: the next semicolon ends it.
    TriggerEnd,
}

impl<'a> StatementReader<'a> {
    fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            head: [None; HEAD],
            length: 0,
            body: Body::None,
        }
    }

    fn head(&self, at: usize) -> Option<&Token<'a>> {
        self.head.get(at)?.as_ref()
    }

    fn is(&self, at: usize, keyword: &str) -> bool {
        self.head(at).is_some_and(|token| token.is(keyword))
    }

    fn push(&mut self, token: Token<'a>) {
        if let Some(place) = self.head.get_mut(self.length) {
            *place = Some(token);
        }
        self.length += 1;
    }

    /// Whether `token` is the semicolon that ends this statement.
    fn ends_with(&mut self, token: Token<'_>, next: Option<&Token<'_>>) -> bool {
        let is_end = token == Token::Symbol(b';');
        if self.length < 2 || !self.is(0, "CREATE") {
            return is_end;
        }
        match self.dialect {
            Dialect::Postgres => self.ends_function(token, next) && is_end,
            Dialect::Sqlite => self.ends_trigger(is_end, next) && is_end,
            // All that could have a body is refused.
            Dialect::MariaDb => is_end,
        }
    }

    /// Whether a semicolon would end a statement of PostgreSQL. A function or procedure may have a body of statements.
    fn ends_function(&mut self, token: Token<'_>, next: Option<&Token<'_>>) -> bool {
        self.body = match self.body {
            Body::None if token.is("BEGIN") && next.is_some_and(|next| next.is("ATOMIC")) => {
                Body::Function(1)
            }
            Body::Function(depth) if token.is("CASE") => Body::Function(depth + 1),
            Body::Function(1) if token.is("END") => Body::None,
            Body::Function(depth) if token.is("END") => Body::Function(depth - 1),
            body => body,
        };
        self.body == Body::None
    }

    /// Whether a semicolon would end a statement of SQLite. The definition of a trigger ends only after `; END`.
    fn ends_trigger(&mut self, is_semicolon: bool, next: Option<&Token<'_>>) -> bool {
        let is_trigger = self.is(1, "TRIGGER") || self.is(2, "TRIGGER");
        self.body = match self.body {
            Body::None if is_trigger => Body::Trigger,
            body => body,
        };
        match self.body {
            Body::None | Body::TriggerEnd => true,
            _ => {
                if is_semicolon && next.is_some_and(|next| next.is("END")) {
                    self.body = Body::TriggerEnd;
                }
                false
            }
        }
    }

    /// The side effect of a word anywhere in the statement.
    fn word_inside(&self, token: Token<'_>, next: Option<&Token<'_>>) -> Effect {
        if self.dialect == Dialect::MariaDb {
            return self.inside_on_mariadb(token, next);
        }
        let (Token::Word(word) | Token::Quoted(word)) = token else {
            return Effect::Nothing;
        };
        let is_called = next == Some(&Token::Symbol(b'('));
        let word = word.to_ascii_lowercase();
        let changes = match self.dialect {
            Dialect::Postgres => match word.as_str() {
                "set_config" => is_called,
                // SELECT … INTO TEMP.
                "temp" | "temporary" => {
                    self.is(0, "SELECT") || self.is(0, "WITH") || self.is(0, "CREATE")
                }
                "pg_temp" => true,
                word => {
                    is_called
                        && (word.starts_with("pg_advisory") || word.starts_with("pg_try_advisory"))
                        && !word.contains("xact")
                }
            },
            Dialect::Sqlite => word == "temp" && self.is(0, "CREATE"),
            Dialect::MariaDb => false,
        };
        if changes {
            Effect::ChangesSession
        } else {
            Effect::Nothing
        }
    }

    /// The side effect that the statement's first words show.
    fn effect(&self) -> Effect {
        const CONTROL: [&str; 8] = [
            "BEGIN",
            "START",
            "COMMIT",
            "END",
            "ROLLBACK",
            "ABORT",
            "SAVEPOINT",
            "RELEASE",
        ];
        if let Some(keyword) = CONTROL.into_iter().find(|keyword| self.is(0, keyword)) {
            return Effect::ControlsTransaction(keyword);
        }
        match self.dialect {
            Dialect::Postgres => self.effect_on_postgres(),
            Dialect::Sqlite => self.effect_on_sqlite(),
            Dialect::MariaDb => self.effect_on_mariadb(),
        }
    }

    fn effect_on_postgres(&self) -> Effect {
        const CHANGES: [&str; 8] = [
            "RESET",
            "DISCARD",
            "LISTEN",
            "UNLISTEN",
            "DEALLOCATE",
            "DECLARE",
            "LOAD",
            // It runs code, which may do anything.
            "DO",
        ];
        if self.is(0, "PREPARE") {
            return if self.is(1, "TRANSACTION") {
                Effect::ControlsTransaction("PREPARE TRANSACTION")
            } else {
                Effect::ChangesSession
            };
        }
        if self.is(0, "SET") {
            return self.effect_of_set();
        }
        if CHANGES.into_iter().any(|keyword| self.is(0, keyword)) {
            Effect::ChangesSession
        } else {
            Effect::Nothing
        }
    }

    /// `SET [SESSION | LOCAL] …`
    fn effect_of_set(&self) -> Effect {
        let is_local = self.is(1, "LOCAL");
        let name = usize::from(is_local || self.is(1, "SESSION")) + 1;
        const OF_TRANSACTION: [&str; 5] = [
            "TRANSACTION",
            "CHARACTERISTICS",
            "transaction_isolation",
            "transaction_read_only",
            "transaction_deferrable",
        ];
        let is_named = |setting: &str| match self.head(name) {
            Some(Token::Word(word) | Token::Quoted(word)) => word.eq_ignore_ascii_case(setting),
            _ => false,
        };
        if OF_TRANSACTION.into_iter().any(is_named) {
            Effect::ControlsTransaction("SET TRANSACTION")
        } else if is_local || self.is(1, "CONSTRAINTS") {
            Effect::Nothing
        } else {
            Effect::ChangesSession
        }
    }

    fn effect_on_sqlite(&self) -> Effect {
        let changes = if self.is(0, "PRAGMA") {
            self.is_changing_pragma()
        } else {
            self.is(0, "ATTACH")
                || self.is(0, "DETACH")
                || (self.is(0, "CREATE") && (self.is(1, "TEMP") || self.is(1, "TEMPORARY")))
        };
        if changes {
            Effect::ChangesSession
        } else {
            Effect::Nothing
        }
    }

    /// `PRAGMA [schema.]name [= value | (value)]`. Without a value, it only answers. A few only answer even with one, or apply to the
    /// transaction or the file.
    fn is_changing_pragma(&self) -> bool {
        const ANSWERS: [&str; 16] = [
            "application_id",
            "defer_foreign_keys",
            "foreign_key_check",
            "foreign_key_list",
            "incremental_vacuum",
            "index_info",
            "index_list",
            "index_xinfo",
            "integrity_check",
            "optimize",
            "quick_check",
            "table_info",
            "table_list",
            "table_xinfo",
            "user_version",
            "wal_checkpoint",
        ];
        let name = if self.head(2) == Some(&Token::Symbol(b'.')) {
            3
        } else {
            1
        };
        let has_value = matches!(
            self.head(name + 1),
            Some(Token::Symbol(b'=') | Token::Symbol(b'('))
        );
        let (Some(Token::Word(word)) | Some(Token::Quoted(word))) = self.head(name) else {
            // `PRAGMA 'name' = …` is not understood, and counts as a change.
            return self.head(name).is_some();
        };
        has_value && !ANSWERS.iter().any(|known| word.eq_ignore_ascii_case(known))
    }
}

#[cfg(test)]
mod tests;
