//! The parts of a statement that have to be known to hold it to some rows: how it begins, and what it changes.

use super::Placed;

/// One statement that reads or writes rows.
#[derive(Debug)]
pub(super) struct Statement {
    /// Where it begins.
    start: usize,
    /// Behind its own WITH, if it has one.
    with: Option<usize>,
    /// What it changes.
    pub(super) target: Option<Target>,
}

/// The table that a statement writes to.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: String,
    /// What becomes of rows that are in the way of a new one; `None` for a DELETE, which has none.
    pub(super) conflict: Option<Conflict>,
    /// Whether an UPDATE has a FROM.
    pub(super) reads_from: bool,
    /// Whether one of the columns that an INSERT names has the table's name.
    pub(super) names_itself: bool,
    /// The conditions under which rows are changed that are there.
    pub(super) clauses: Vec<Clause>,
}

/// What becomes of rows that are in the way of a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    /// What the table's definition says.
    AsDefined,
    /// They are deleted.
    Replaces,
    Other,
}

/// A WHERE, or the place where one can be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clause {
    /// Behind the keyword, if there is one.
    keyword: Option<usize>,
    end: usize,
}

impl Clause {
    /// Adds a condition, which is in parentheses.
    pub(super) fn narrow(&self, condition: &str, edits: &mut Vec<(usize, String)>) {
        match self.keyword {
            Some(keyword) => {
                edits.push((keyword, " (".to_owned()));
                edits.push((self.end, format!(") AND {condition}")));
            }
            None => edits.push((self.end, format!(" WHERE {condition}"))),
        }
    }
}

impl Statement {
    /// The statement of these tokens, without the semicolon at its end.
    ///
    /// # Errors
    /// If it is not a SELECT, VALUES, INSERT, REPLACE, UPDATE or DELETE, with or without WITH.
    pub(super) fn read(text: &str, tokens: &[Placed<'_>]) -> Result<Self, String> {
        let mut reader = Reader {
            text,
            tokens,
            at: 0,
        };
        reader.check()?;
        let start = reader.tokens.first().map_or(0, |first| first.start);
        let with = reader.skip_with()?;
        let target = reader.target()?;
        Ok(Self {
            start,
            with,
            target,
        })
    }

    /// The insertion that puts table expressions in front.
    pub(super) fn introduced(&self, expressions: &str) -> (usize, String) {
        match self.with {
            Some(with) => (with, format!(" {expressions},")),
            None => (self.start, format!("WITH {expressions} ")),
        }
    }
}

/// Whether these tokens, behind a name, make it that of a table expression: `[(columns)] AS [[NOT] MATERIALIZED] (`.
pub(super) fn is_own_table(behind: &[Placed<'_>]) -> bool {
    let mut rest = behind;
    if rest.first().is_some_and(|token| token.is_symbol(b'(')) {
        let Some(length) = group(rest) else {
            return false;
        };
        rest = &rest[length..];
    }
    let Some((_, rest)) = rest.split_first().filter(|(first, _)| first.is("AS")) else {
        return false;
    };
    let rest = rest.strip_first("NOT").strip_first("MATERIALIZED");
    rest.first().is_some_and(|token| token.is_symbol(b'('))
}

/// How many tokens a group in parentheses has, with them. The tokens begin with the group.
fn group(tokens: &[Placed<'_>]) -> Option<usize> {
    let mut depth = 0_usize;
    for (place, token) in tokens.iter().enumerate() {
        if token.is_symbol(b'(') {
            depth += 1;
        } else if token.is_symbol(b')') {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(place + 1);
            }
        }
    }
    None
}

trait StripFirst {
    /// Without the first token, if that is this keyword.
    fn strip_first(&self, keyword: &str) -> &Self;
}

impl StripFirst for [Placed<'_>] {
    fn strip_first(&self, keyword: &str) -> &Self {
        match self.split_first() {
            Some((first, rest)) if first.is(keyword) => rest,
            _ => self,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    tokens: &'a [Placed<'a>],
    at: usize,
}

impl Reader<'_> {
    /// Refuses parentheses that do not fit: what is inserted would stand somewhere else.
    fn check(&self) -> Result<(), String> {
        let mut depth = 0_usize;
        for token in self.tokens {
            if token.is_symbol(b'(') {
                depth += 1;
            } else if token.is_symbol(b')') {
                depth = depth
                    .checked_sub(1)
                    .ok_or("it closes a parenthesis that it has not opened")?;
            }
        }
        match depth {
            0 => Ok(()),
            _ => Err("it does not close a parenthesis".to_owned()),
        }
    }

    fn is(&self, keyword: &str) -> bool {
        self.tokens
            .get(self.at)
            .is_some_and(|token| token.is(keyword))
    }

    /// Skips a keyword, if it comes next.
    fn skip(&mut self, keyword: &str) -> bool {
        let is_next = self.is(keyword);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, keyword: &str) -> Result<(), String> {
        match self.skip(keyword) {
            true => Ok(()),
            false => Err(format!("it is not understood: there is no {keyword}")),
        }
    }

    fn expect_group(&mut self) -> Result<(), String> {
        let length = group(&self.tokens[self.at..]);
        let is_next = self
            .tokens
            .get(self.at)
            .is_some_and(|token| token.is_symbol(b'('));
        match length.filter(|_| is_next) {
            Some(length) => {
                self.at += length;
                Ok(())
            }
            None => Err("its table expressions are not understood".to_owned()),
        }
    }

    /// Skips `WITH [RECURSIVE] name [(columns)] AS [[NOT] MATERIALIZED] (…), …`, and returns where the first name can be put.
    fn skip_with(&mut self) -> Result<Option<usize>, String> {
        if !self.skip("WITH") {
            return Ok(None);
        }
        self.skip("RECURSIVE");
        let behind = self.tokens[self.at - 1].end;
        loop {
            // The name.
            self.at += 1;
            if self
                .tokens
                .get(self.at)
                .is_some_and(|token| token.is_symbol(b'('))
            {
                self.expect_group()?;
            }
            self.expect("AS")?;
            self.skip("NOT");
            self.skip("MATERIALIZED");
            self.expect_group()?;
            let goes_on = self
                .tokens
                .get(self.at)
                .is_some_and(|token| token.is_symbol(b','));
            if !goes_on {
                return Ok(Some(behind));
            }
            self.at += 1;
        }
    }

    /// What the statement writes to; `None` if it only reads, or names the table with a schema.
    fn target(&mut self) -> Result<Option<Target>, String> {
        if self.is("SELECT") || self.is("VALUES") {
            return Ok(None);
        }
        let (mut conflict, mut inserts) = (None, true);
        if self.skip("REPLACE") {
            conflict = Some(Conflict::Replaces);
            self.expect("INTO")?;
        } else if self.skip("INSERT") {
            conflict = Some(self.skip_conflict());
            self.expect("INTO")?;
        } else if self.skip("UPDATE") {
            conflict = Some(self.skip_conflict());
            inserts = false;
        } else if self.skip("DELETE") {
            self.expect("FROM")?;
            inserts = false;
        } else {
            let first = self.tokens.get(self.at);
            let first = first.map_or("", |first| &self.text[first.start..first.end]);
            return Err(format!(
                "it begins with `{first}`, and only SELECT, VALUES, INSERT, REPLACE, UPDATE, DELETE and WITH can be held to rows"
            ));
        }
        let name = self
            .tokens
            .get(self.at)
            .and_then(|token| token.name(self.text));
        let Some(name) = name else {
            return Err("it does not name its table".to_owned());
        };
        self.at += 1;
        if self
            .tokens
            .get(self.at)
            .is_some_and(|token| token.is_symbol(b'.'))
        {
            return Ok(None);
        }
        let clauses = if inserts {
            self.upserts()
        } else {
            vec![self.clause(self.at, &["RETURNING"])]
        };
        let outside = self.outside(self.at);
        let is_from = |place: &usize| self.tokens[*place].is("FROM");
        Ok(Some(Target {
            conflict,
            reads_from: !inserts && outside.iter().any(is_from),
            names_itself: inserts
                && self.columns().iter().any(|column| {
                    let column = column.name(self.text);
                    column.is_some_and(|column| column.eq_ignore_ascii_case(&name))
                }),
            name: name.into_owned(),
            clauses,
        }))
    }

    /// The tokens of `[AS alias] (column, …)`, behind the table of an INSERT.
    fn columns(&self) -> &[Placed<'_>] {
        let mut rest = &self.tokens[self.at..];
        if rest.first().is_some_and(|token| token.is("AS")) {
            rest = rest.get(2..).unwrap_or_default();
        }
        match group(rest) {
            Some(length) if rest[0].is_symbol(b'(') => &rest[..length],
            _ => &[],
        }
    }

    /// Skips `OR …`.
    fn skip_conflict(&mut self) -> Conflict {
        if !self.skip("OR") {
            return Conflict::AsDefined;
        }
        let replaces = self.is("REPLACE");
        self.at += 1;
        match replaces {
            true => Conflict::Replaces,
            false => Conflict::Other,
        }
    }

    /// The clauses of `ON CONFLICT … DO UPDATE SET … [WHERE …]`.
    fn upserts(&self) -> Vec<Clause> {
        let outside = self.outside(self.at);
        outside
            .windows(3)
            .filter(|words| {
                let is = |place: usize, keyword| self.tokens[words[place]].is(keyword);
                is(0, "DO") && is(1, "UPDATE") && is(2, "SET")
            })
            .map(|words| self.clause(words[2], &["ON", "RETURNING"]))
            .collect()
    }

    /// The WHERE from a token on, up to one of these keywords or the end.
    fn clause(&self, from: usize, ends: &[&str]) -> Clause {
        let outside = self.outside(from);
        let end = outside
            .iter()
            .find(|place| ends.iter().any(|end| self.tokens[**place].is(end)))
            .map_or(self.tokens.len(), |place| *place);
        let keyword = outside
            .into_iter()
            .take_while(|place| *place < end)
            .find(|place| self.tokens[*place].is("WHERE"));
        Clause {
            keyword: keyword.map(|place| self.tokens[place].end),
            end: self.tokens[end - 1].end,
        }
    }

    /// The tokens from one on that are in no parentheses.
    fn outside(&self, from: usize) -> Vec<usize> {
        let mut depth = 0_usize;
        let mut outside = Vec::new();
        for (place, token) in self.tokens.iter().enumerate().skip(from) {
            if token.is_symbol(b'(') {
                depth += 1;
            } else if token.is_symbol(b')') {
                depth = depth.saturating_sub(1);
            } else if depth == 0 {
                outside.push(place);
            }
        }
        outside
    }
}
