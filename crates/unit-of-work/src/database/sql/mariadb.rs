//! Side effects of a statement of MariaDB.
//!
//! DDL, and much else, commits the transaction before and after it, without a word. So of MariaDB's statements only those are let through that
//! are known not to. What is not known is refused.

use super::{Effect, StatementReader, tokens::Token};

/// Statements that read or write rows, or tell something.
const PLAIN: [&str; 17] = [
    "SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH", "VALUES", "TABLE", "DO", "EXPLAIN",
    "DESCRIBE", "DESC", "SHOW", "HELP", "CHECKSUM", "KILL", "SIGNAL",
];

/// Statements that leave something on the session.
const OF_SESSION: [&str; 4] = ["USE", "PREPARE", "DEALLOCATE", "HANDLER"];

/// Names for the message. Others have none.
const REFUSED: [&str; 24] = [
    "ALTER",
    "ANALYZE",
    "BACKUP",
    "CACHE",
    "CALL",
    "CHANGE",
    "CHECK",
    "CREATE",
    "DROP",
    "EXECUTE",
    "FLUSH",
    "GRANT",
    "INSTALL",
    "LOAD",
    "LOCK",
    "OPTIMIZE",
    "RENAME",
    "REPAIR",
    "RESET",
    "REVOKE",
    "TRUNCATE",
    "UNINSTALL",
    "UNLOCK",
    "XA",
];

/// Settings of transactions, and the other words of SET that end one.
const OF_TRANSACTION: [&str; 8] = [
    "TRANSACTION",
    "STATEMENT",
    "PASSWORD",
    "autocommit",
    "completion_type",
    "tx_isolation",
    "tx_read_only",
    "transaction_isolation",
];

/// What says how the server reads a text. If it were changed, this reader would see other literals than the server does.
const OF_TEXTS: [&str; 7] = [
    "sql_mode",
    "NAMES",
    "CHARACTER",
    "CHARSET",
    "character_set_client",
    "character_set_connection",
    "collation_connection",
];

/// Whether a text that begins as one of SELECT, INSERT, … has nothing else that can have a side effect on MariaDB.
pub(super) fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr(b'@', bytes).is_none()
        && memchr::memmem::find(bytes, b"/*").is_none()
        // GET_LOCK, RELEASE_LOCK and RELEASE_ALL_LOCKS.
        && !super::contains(bytes, b'_', b"_lock")
}

impl StatementReader<'_> {
    pub(super) fn effect_on_mariadb(&self) -> Effect {
        // A parenthesis begins a query.
        if self.head(0).is_none() || self.head(0) == Some(&Token::Symbol(b'(')) {
            return Effect::Nothing;
        }
        let begins_with = |keywords: &[&'static str]| {
            let mut keywords = keywords.iter();
            keywords.find(|keyword| self.is(0, keyword)).copied()
        };
        let is_temporary = self.is(1, "TEMPORARY") || self.is(1, "OR") && self.is(3, "TEMPORARY");
        if begins_with(&PLAIN).is_some() {
            Effect::Nothing
        } else if begins_with(&OF_SESSION).is_some()
            || self.is(0, "SET")
            || is_temporary && begins_with(&["CREATE", "DROP"]).is_some()
        {
            Effect::ChangesSession
        } else if self.is(0, "ANALYZE") && (self.is(1, "SELECT") || self.is(1, "FORMAT")) {
            Effect::Nothing
        } else {
            let name = begins_with(&REFUSED);
            Effect::ControlsTransaction(name.unwrap_or("a statement that may commit by itself"))
        }
    }

    /// The side effect of a token anywhere in the statement.
    pub(super) fn inside_on_mariadb(&self, token: Token<'_>, next: Option<&Token<'_>>) -> Effect {
        const LOCKS: [&str; 3] = ["get_lock", "release_lock", "release_all_locks"];
        let (Token::Word(word) | Token::Quoted(word)) = token else {
            // `@a := 1`: a variable of the user lasts as long as the session.
            return match (token, next) {
                (Token::Symbol(b':'), Some(Token::Symbol(b'='))) => Effect::ChangesSession,
                // Which version executes it is not known, so neither is where its literals end.
                (Token::ExecutedComment, _) => {
                    Effect::ControlsTransaction("a comment that is executed")
                }
                _ => Effect::Nothing,
            };
        };
        let is_one_of = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
        if self.is(0, "SET")
            && (is_one_of(&OF_TRANSACTION) || word.eq_ignore_ascii_case("transaction_read_only"))
        {
            Effect::ControlsTransaction("SET TRANSACTION")
        } else if self.is(0, "SET") && begins_with_wsrep(word) {
            Effect::ControlsTransaction("SET wsrep_… of Galera")
        } else if self.is(0, "SET") && is_one_of(&OF_TEXTS) {
            Effect::ControlsTransaction("SET sql_mode, SET NAMES or the like")
        } else if next == Some(&Token::Symbol(b'(')) && is_one_of(&LOCKS)
            || next == Some(&Token::Symbol(b'@')) && word.eq_ignore_ascii_case("INTO")
        {
            Effect::ChangesSession
        } else {
            Effect::Nothing
        }
    }
}

/// Whether it is a setting of Galera: what a COMMIT is certified by, and what a snapshot waits for.
fn begins_with_wsrep(word: &str) -> bool {
    let start = word.as_bytes().get(.."wsrep_".len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(b"wsrep_"))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Dialect, effect},
        *,
    };

    #[test]
    fn statements_that_may_commit_are_refused() {
        for text in [
            "CREATE TABLE t (a INT)",
            "create or replace table t (a int)",
            "DROP TABLE t",
            "TRUNCATE t",
            "ALTER TABLE t ADD b INT",
            "LOCK TABLES t WRITE",
            "CALL p()",
            "EXECUTE s",
            "EXECUTE IMMEDIATE 'COMMIT'",
            "ANALYZE TABLE t",
            "SELECT 1; DROP TABLE t",
            "SELECT 1 /*! ; COMMIT */",
            "/*!50000 COMMIT */",
            "/*M! COMMIT */",
            "SELECT 1 /*!999999 ' */ ; COMMIT -- '",
            "SELECT 1 /*!50000 + 1 */",
            "BEGIN NOT ATOMIC COMMIT; END",
            "SET autocommit = 1",
            "SET @a = 1, SESSION autocommit = 1",
            "SET @@session.tx_isolation = 'SERIALIZABLE'",
            "SET TRANSACTION READ WRITE",
            "SET STATEMENT max_statement_time = 1 FOR DROP TABLE t",
            "SET PASSWORD = ''",
            "SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
            "SET @a = 1, @@session.sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')",
            "SET NAMES gbk",
            "SET CHARACTER SET gbk",
            "SET `character_set_client` = gbk",
            "SET wsrep_on = 0",
            "SET @@session.WSREP_sync_wait = 0",
            "XA START 'a'",
            "something nobody has heard of",
            "SELECT 'a\\'; COMMIT; -- '",
            "# a comment\nCOMMIT",
        ] {
            let found = effect(text, Dialect::MariaDb);
            let is_harmless = text.starts_with("SELECT 'a");
            assert_eq!(
                matches!(found, Effect::ControlsTransaction(_)),
                !is_harmless,
                "{text}: {found:?}"
            );
        }
    }

    #[test]
    fn statements_that_leave_something_behind_are_known() {
        for text in [
            "SET sort_buffer_size = 1",
            "SET @a = 1",
            "SELECT @a := 1",
            "SELECT 1 INTO @a",
            "SELECT GET_LOCK('a', 1)",
            "SELECT get_lock ('a', 1)",
            "SELECT get_lock\n('a', 1)",
            "SELECT RELEASE_ALL_LOCKS()",
            "CREATE TEMPORARY TABLE t (a INT)",
            "CREATE OR REPLACE TEMPORARY TABLE t (a INT)",
            "DROP TEMPORARY TABLE t",
            "USE other",
            "PREPARE s FROM 'SELECT 1'",
        ] {
            assert_eq!(
                effect(text, Dialect::MariaDb),
                Effect::ChangesSession,
                "{text}"
            );
        }
    }

    #[test]
    fn rows_are_read_and_written() {
        for text in [
            "SELECT @@autocommit",
            "SELECT @a",
            "INSERT INTO mark VALUES ('a@b.example')",
            "INSERT INTO mark VALUES (\"GET_LOCK\")",
            "SELECT 1 FROM t WHERE a = 'it''s; COMMIT'",
            "(SELECT 1) UNION (SELECT 2)",
            "REPLACE INTO t VALUES (1)",
            "ANALYZE FORMAT=JSON SELECT 1",
            "SHOW TABLES",
            "SELECT COUNT(*), COUNTS(1) FROM `drop`;",
        ] {
            assert_eq!(effect(text, Dialect::MariaDb), Effect::Nothing, "{text}");
        }
    }
}
