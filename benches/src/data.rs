//! The ledger that is measured on: made by formula, in the database itself, with every rule of a ledger kept.
//!
//! Accounts come in pairs, by their number: an even one is a bank's (debit side, no limit), an odd one a customer's
//! (credit side, no overdraft). Lines come in rounds; in each round every account is debited once and credited once, money
//! goes from an even account to an odd one (10000) or back (3000), and so every balance grows by 7000. The version and the
//! balance after each line are known without a sum, and `verifyLedger` finds nothing to say.
//!
//! The ids are such that `pgbench` can write them: of a UUID's 32 digits the last twelve are the account's number.

use anyhow::{Result, ensure};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, PgConnection, Row as _, raw_sql};
use type_safe_id::{DynamicType, TypeSafeId};
use uuid::Uuid;

use crate::workload::LINES;

/// What stands before the last twelve digits of an account's id.
pub const ID_HEAD: &str = "01900000-0000-7000-8000-";
/// The last twelve digits of the first account's id.
pub const FIRST_ID: u64 = 100_000_000_000;
/// The code of the first account.
pub const FIRST_CODE: u64 = 1_000_000;

/// How much is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// An even number.
    pub accounts: u64,
    /// A multiple of the accounts.
    pub lines: u64,
}

impl Size {
    /// # Errors
    /// When the formula cannot make so much.
    pub fn new(accounts: u64, lines: u64) -> Result<Self> {
        ensure!(
            (1000..=1_000_000).contains(&accounts) && accounts.is_multiple_of(2),
            "the accounts are an even number from 1000 to 1000000"
        );
        ensure!(
            lines >= accounts && lines.is_multiple_of(accounts),
            "the lines are a multiple of the accounts"
        );
        // Each round has two lines for each account, and Q2 asks for the last ones.
        ensure!(
            2 * (lines / accounts) >= LINES,
            "an account has at least {LINES} lines: the lines are {} times the accounts or more",
            LINES.div_ceil(2)
        );
        Ok(Self { accounts, lines })
    }

    /// How many rounds of lines there are.
    pub fn rounds(self) -> u64 {
        self.lines / self.accounts
    }

    /// What clients call the accounts, by their number.
    ///
    /// # Errors
    /// Never, as long as [`ID_HEAD`] is the head of a UUID.
    pub fn public_ids(self) -> Result<Vec<String>> {
        let public_id = |number| {
            let id = Uuid::parse_str(&format!("{ID_HEAD}{}", FIRST_ID + number))?;
            Ok(TypeSafeId::from_type_and_uuid(DynamicType::new("acct")?, id).to_string())
        };
        (0..self.accounts).map(public_id).collect()
    }
}

/// Loads a migrated, empty PostgreSQL database.
///
/// # Errors
/// When the database refuses.
pub async fn load_postgres(url: &str, size: Size) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    // Right by construction, and checked as a whole afterwards: the foreign keys need not be looked up one by one.
    let settings = "SET session_replication_role = replica; SET synchronous_commit = off;";
    // In that role no trigger fires either.
    let history = "INSERT INTO account_change (account_id, revision, name, class, limit_policy, status, metadata, recorded_at)
            SELECT id, 1, name, class, limit_policy, status, metadata, created_at FROM account;
        INSERT INTO outbox (account_id, revision) SELECT id, 1 FROM account ORDER BY id;
        INSERT INTO outbox (entry_id) SELECT id FROM entry ORDER BY id;";
    let load = format!("{settings} {} {history}", sql(size, &POSTGRES));
    for sql in [load.as_str(), "VACUUM ANALYZE", "CHECKPOINT"] {
        raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}

/// Loads a migrated, empty MariaDB database.
///
/// # Errors
/// When the database refuses.
pub async fn load_mariadb(url: &str, size: Size) -> Result<()> {
    let mut connection = MySqlConnection::connect(url).await?;
    // Right by construction, and checked as a whole afterwards. Triggers cannot be switched off, so they are made anew.
    let settings = "SET SESSION sql_mode = 'PIPES_AS_CONCAT,STRICT_ALL_TABLES', time_zone = '+00:00', max_recursive_iterations = 4294967295,
        foreign_key_checks = 0, unique_checks = 0, check_constraint_checks = 0";
    raw_sql(settings).execute(&mut connection).await?;
    let triggers = sqlx::query(
        "SELECT TRIGGER_NAME, CONCAT('CREATE TRIGGER `', TRIGGER_NAME, '` ', ACTION_TIMING, ' ', EVENT_MANIPULATION, ' ON `',
             EVENT_OBJECT_TABLE, '` FOR EACH ROW ', ACTION_STATEMENT)
         FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER",
    );
    let triggers = triggers.fetch_all(&mut connection).await?;
    let text = |row: &sqlx::mysql::MySqlRow, column| -> Result<String, sqlx::Error> {
        row.try_get_unchecked(column)
    };
    for trigger in &triggers {
        let drop = format!("DROP TRIGGER `{}`", text(trigger, 0)?);
        raw_sql(AssertSqlSafe(drop))
            .execute(&mut connection)
            .await?;
    }
    // Numbered, as they are after a look at the feed.
    let history = format!(
        "INSERT INTO account_change (account_id, revision, name, class, limit_policy, status, metadata, recorded_at)
            SELECT id, 1, name, class, limit_policy, status, metadata, created_at FROM account;
        INSERT INTO outbox (seq, unnumbered_id, account_id, revision)
            SELECT ROW_NUMBER() OVER (ORDER BY id), ROW_NUMBER() OVER (ORDER BY id), id, 1 FROM account;
        INSERT INTO outbox (seq, unnumbered_id, entry_id)
            SELECT {accounts} + ROW_NUMBER() OVER (ORDER BY id), {accounts} + ROW_NUMBER() OVER (ORDER BY id), id FROM entry;
        ALTER TABLE outbox_unnumbered AUTO_INCREMENT = {next}",
        accounts = size.accounts,
        next = size.accounts + size.lines + 1
    );
    let load = format!("{} {history}", sql(size, &MARIADB));
    for statement in load.split(";\n").flat_map(|part| part.split("; ")) {
        raw_sql(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await?;
    }
    for trigger in &triggers {
        raw_sql(AssertSqlSafe(text(trigger, 1)?))
            .execute(&mut connection)
            .await?;
    }
    raw_sql("ANALYZE TABLE account, entry, entry_line, outbox, account_change")
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}

/// How an engine writes what the formula makes.
pub struct Dialect {
    /// A UUID, from an expression that is its 32 digits.
    uuid: fn(&str) -> String,
    /// The moment that is this many seconds after the beginning of 2026.
    moment: fn(&str) -> String,
    /// The type of a text.
    text: &'static str,
    /// Divides whole numbers, and drops the rest.
    divide: &'static str,
}

/// PostgreSQL's.
pub const POSTGRES: Dialect = Dialect {
    uuid: |digits| format!("({digits})::uuid"),
    moment: |seconds| {
        format!("timestamptz '2026-01-01 00:00:00+00' + ({seconds}) * interval '1 second'")
    },
    text: "text",
    divide: "/",
};

/// MariaDB's.
pub const MARIADB: Dialect = Dialect {
    uuid: |digits| format!("UNHEX({digits})"),
    moment: |seconds| format!("TIMESTAMPADD(SECOND, {seconds}, TIMESTAMP'2026-01-01 00:00:00')"),
    text: "char",
    divide: "DIV",
};

/// SQLite's.
pub const SQLITE: Dialect = Dialect {
    uuid: |digits| format!("unhex({digits})"),
    moment: |seconds| {
        format!("strftime('%Y-%m-%dT%H:%M:%S+00:00', '2026-01-01', ({seconds}) || ' seconds')")
    },
    text: "text",
    divide: "/",
};

/// The statements that load an empty ledger.
pub fn sql(size: Size, dialect: &Dialect) -> String {
    let Size { accounts, lines } = size;
    let Dialect { text, divide, .. } = dialect;
    let rounds = size.rounds();
    // Of the last round.
    let shift = ((rounds - 1) * 15838 + 1) % accounts;
    let account_id = |number: &str| {
        let head = ID_HEAD.replace('-', "");
        (dialect.uuid)(&format!(
            "'{head}' || CAST({FIRST_ID} + {number} AS {text})"
        ))
    };
    // They sort by their number, and end in the three zeros that an entry's id ends in.
    let entry_id = (dialect.uuid)(&format!(
        "'0190' || '0000000000000' || CAST(100000000000 + i AS {text}) || '000'"
    ));
    let series = |name: &str, count: u64| {
        format!(
            "WITH RECURSIVE series ({name}) AS (SELECT 0 UNION ALL SELECT {name} + 1 FROM series WHERE {name} < {count} - 1)"
        )
    };
    format!(
        "INSERT INTO account (id, code, name, currency, normal_side, debits_posted, credits_posted, limit_policy,
                              version, status, metadata, created_at, latest_effective_at)
         {numbers}
         SELECT {id}, CAST({FIRST_CODE} + n AS {text}), 'Account ' || n, 'EUR', CASE n % 2 WHEN 0 THEN 'DEBIT' ELSE 'CREDIT' END,
                {rounds} * CASE n % 2 WHEN 0 THEN 10000 ELSE 3000 END,
                {rounds} * CASE n % 2 WHEN 0 THEN 3000 ELSE 10000 END,
                CASE n % 2 WHEN 0 THEN 'NONE' ELSE 'NO_DEBIT_OVERDRAFT' END,
                2 * {rounds}, 'OPEN', '{{}}', {opened}, {latest}
         FROM series;
         INSERT INTO entry (id, kind, effective_at, recorded_at, metadata)
         {indices} SELECT {entry_id}, 'POST', {posted}, {posted}, '{{}}' FROM series;
         INSERT INTO entry_line (entry_id, line_no, debit_account_id, credit_account_id, currency, amount,
                                 debit_version, debit_balance, credit_version, credit_balance)
         {indices}
         SELECT {entry_id}, 1, {debit_id}, {credit_id}, 'EUR', CASE debit % 2 WHEN 0 THEN 10000 ELSE 3000 END,
                {LINE_COLUMNS}
         FROM (SELECT i, round, debit, shift, (debit + shift) % {accounts} AS credit
               FROM (SELECT i, i {divide} {accounts} AS round, i % {accounts} AS debit,
                            (i {divide} {accounts} * 15838 + 1) % {accounts} AS shift
                     FROM series) AS place) AS line;",
        numbers = series("n", accounts),
        indices = series("i", lines),
        id = account_id("n"),
        opened = (dialect.moment)("n"),
        latest = (dialect.moment)(&format!(
            "1000000 + {lines} - {accounts} + CASE WHEN n < {shift} THEN n + {accounts} - {shift} ELSE n END"
        )),
        posted = (dialect.moment)("1000000 + i"),
        debit_id = account_id("debit"),
        credit_id = account_id("credit"),
    )
}

/// The versions and balances after a line, from its `round`, its accounts' numbers and the `shift` between them.
///
/// Within a round the lines come in the order of the accounts that they debit. So an account's debit comes before its
/// credit exactly when the one that credits it has a higher number than itself, that is when its number is below the shift.
const LINE_COLUMNS: &str = "
    2 * round + CASE WHEN debit < shift THEN 1 ELSE 2 END,
    7000 * round + CASE WHEN debit >= shift THEN 7000 WHEN debit % 2 = 0 THEN 10000 ELSE -3000 END,
    2 * round + CASE WHEN credit < shift THEN 2 ELSE 1 END,
    7000 * round + CASE WHEN credit < shift THEN 7000 WHEN credit % 2 = 0 THEN -3000 ELSE 10000 END";
