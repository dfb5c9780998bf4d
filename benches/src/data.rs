//! The ledger that is measured on: made by formula, in the database itself, with every rule of a ledger kept.
//!
//! Accounts come in pairs, by their number: an even one is a bank's (debit side, no limit), an odd one a customer's
//! (credit side, no overdraft). Lines come in rounds; in each round every account is debited once and credited once, money
//! goes from an even account to an odd one (10000) or back (3000), and so every balance grows by 7000. The version and the
//! balance after each line are known without a sum, and `verifyLedger` finds nothing to say.
//!
//! The ids are such that `pgbench` can write them: of a UUID's 32 digits the last twelve are the account's number.

use anyhow::{Result, ensure};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};
use type_safe_id::{DynamicType, TypeSafeId};
use uuid::Uuid;

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
    let sql = [
        "SET session_replication_role = replica;",
        "SET synchronous_commit = off;",
        &postgres_sql(size),
    ];
    for sql in [&sql.join("\n"), "VACUUM ANALYZE", "CHECKPOINT"] {
        raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}

fn postgres_sql(size: Size) -> String {
    let Size { accounts, lines } = size;
    let rounds = size.rounds();
    let account_id = |number: &str| format!("('{ID_HEAD}' || ({FIRST_ID} + {number}))::uuid");
    let entry_id = "('0190' || lpad(i::text, 25, '0') || '000')::uuid";
    format!(
        "INSERT INTO account (id, code, name, currency, normal_side, debits_posted, credits_posted, limit_policy,
                              version, status, metadata, created_at)
         SELECT {id}, ({FIRST_CODE} + n)::text, 'Account ' || n, 'EUR', CASE n % 2 WHEN 0 THEN 'DEBIT' ELSE 'CREDIT' END,
                {rounds} * CASE n % 2 WHEN 0 THEN 10000 ELSE 3000 END,
                {rounds} * CASE n % 2 WHEN 0 THEN 3000 ELSE 10000 END,
                CASE n % 2 WHEN 0 THEN 'NONE' ELSE 'NO_DEBIT_OVERDRAFT' END,
                2 * {rounds}, 'OPEN', '{{}}', timestamptz '2026-01-01 00:00:00+00' + n * interval '1 millisecond'
         FROM generate_series(0, {accounts} - 1) AS n;
         INSERT INTO entry (id, kind, effective_at, recorded_at, metadata)
         SELECT {entry_id}, 'POST', at, at, '{{}}'
         FROM generate_series(0::bigint, {lines} - 1) AS i,
              LATERAL (SELECT timestamptz '2026-01-02 00:00:00+00' + i * interval '2 milliseconds' AS at) AS moment;
         INSERT INTO entry_line (entry_id, line_no, debit_account_id, credit_account_id, currency, amount,
                                 debit_version, debit_balance, credit_version, credit_balance)
         SELECT {entry_id}, 1, {debit_id}, {credit_id}, 'EUR', CASE debit % 2 WHEN 0 THEN 10000 ELSE 3000 END,
                {columns}
         FROM generate_series(0::bigint, {lines} - 1) AS i,
              LATERAL (SELECT i / {accounts} AS round, i % {accounts} AS debit) AS place,
              LATERAL (SELECT (round * 15838 + 1) % {accounts} AS shift) AS shifted,
              LATERAL (SELECT (debit + shift) % {accounts} AS credit) AS other;",
        id = account_id("n"),
        debit_id = account_id("debit"),
        credit_id = account_id("credit"),
        columns = LINE_COLUMNS,
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
