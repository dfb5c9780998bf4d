//! A migrated database with a connection, and short ways to say what a test is not about.

use super::sent::Sent;
use chrono::{DateTime, Duration, Utc};
use daybook::ledger::{
    AccountRef, CaptureHold, Clock, EntryNotes, HoldError, NUMBERED_AT_ONCE, NewLine, OpenAccount,
    OpenAccountError, PlaceHold, PostEntry, PostEntryError, PostedEntry, ReleaseHold, ReverseEntry,
    ReverseEntryError, SetAccountStatus, SetAccountStatusError, UpdateAccount, UpdateAccountError,
    capture_hold, new_account_id, new_entry_id, newest_in_outbox, number_events, open_account,
    place_hold, post_entry, random, release_hold, reverse_entry, set_account_status,
    update_account, verify,
};
use daybook_entity::{AccountStatus, LimitPolicy, Side, account};
use daybook_migration::{MariaDbMigrator, Migrator, migrations};
use daybook_test_harness::{Engine, TestDatabase};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, DbErr, RuntimeErr,
    SqliteTransactionMode, SqlxError, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use sqlx::Executor as _;
use unit_of_work::violated_constraint;
use uuid::Uuid;

/// A migrated database of a test.
pub(crate) struct Book {
    pub(crate) db: Sent<DatabaseConnection>,
    pub(crate) engine: Engine,
    _database: TestDatabase,
}

/// The instant that tests count from.
pub(crate) fn noon() -> DateTime<Utc> {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// `noon` and some seconds.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    noon() + Duration::seconds(seconds)
}

/// What a unit of work sets in a session of MariaDB, as far as the ledger's statements depend on it.
const MARIADB_SESSION: &str = "SET NAMES utf8mb4, tx_isolation = 'READ-COMMITTED', innodb_snapshot_isolation = 1,
    sql_mode = 'PIPES_AS_CONCAT,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',
    max_recursive_iterations = 4294967295";

impl Book {
    pub(crate) async fn empty(database: TestDatabase) -> Self {
        // SeaORM knows MariaDB by the other name alone.
        let url = database.url().replacen("mariadb://", "mysql://", 1);
        let mut options = ConnectOptions::new(url);
        options
            .map_sqlx_mysql_pool_opts(|pool| {
                pool.after_connect(|connection, _| {
                    Box::pin(async move { connection.execute(MARIADB_SESSION).await.map(|_| ()) })
                })
            })
            .sqlx_logging(false)
            .max_connections(if database.engine() == Engine::Sqlite {
                1
            } else {
                8
            });
        let db = Database::connect(options).await.unwrap();
        Self {
            db: Sent(db),
            engine: database.engine(),
            _database: database,
        }
    }

    pub(crate) async fn new(database: TestDatabase) -> Self {
        let book = Self::empty(database).await;
        book.migrate().await;
        book
    }

    /// Applies all migrations of the engine.
    pub(crate) async fn migrate(&self) {
        let migrated = match self.engine {
            Engine::MariaDb => MariaDbMigrator::up(&self.db.0, None).await,
            Engine::Sqlite | Engine::Postgres => Migrator::up(&self.db.0, None).await,
        };
        migrated.unwrap();
    }

    /// Undoes the last migrations of the engine, or all.
    pub(crate) async fn migrate_down(&self, count: Option<u32>) {
        let undone = match self.engine {
            Engine::MariaDb => MariaDbMigrator::down(&self.db.0, count).await,
            Engine::Sqlite | Engine::Postgres => Migrator::down(&self.db.0, count).await,
        };
        undone.unwrap();
    }

    /// Undoes the migration whose name ends so, and all that follow it.
    pub(crate) async fn undo_from(&self, name: &str) {
        let all = migrations(self.db.get_database_backend());
        let first = all.iter().position(|it| it.name().ends_with(name)).unwrap();
        let count = u32::try_from(all.len() - first).unwrap();
        self.migrate_down(Some(count)).await;
    }

    /// Runs `body` in a transaction: committed when it answers Ok, else rolled back.
    #[expect(
        clippy::disallowed_methods,
        reason = "the domain is tested without a unit of work around it"
    )]
    pub(crate) async fn write<T, E>(
        &self,
        body: impl AsyncFnOnce(&Sent<DatabaseTransaction>) -> Result<T, E>,
    ) -> Result<T, E> {
        let options = TransactionOptions {
            sqlite_transaction_mode: (self.engine == Engine::Sqlite)
                .then_some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let tx = Sent(self.db.begin_with_options(options).await.unwrap());
        let result = body(&tx).await;
        match result {
            Ok(_) => tx.0.commit().await.unwrap(),
            Err(_) => tx.0.rollback().await.unwrap(),
        }
        result
    }

    pub(crate) async fn open(
        &self,
        command: OpenAccount,
    ) -> Result<account::Model, OpenAccountError> {
        self.write(async |tx| open_account(tx, command, noon()).await)
            .await
    }

    /// An account in EUR without a limit, whose balance counts as positive on the credit side.
    pub(crate) async fn account(&self, code: &str) -> account::Model {
        self.open(new_account(code)).await.unwrap()
    }

    /// An account in EUR that may not be overdrawn by debits.
    pub(crate) async fn wallet(&self, code: &str) -> account::Model {
        let command = OpenAccount {
            limit_policy: LimitPolicy::NoDebitOverdraft,
            ..new_account(code)
        };
        self.open(command).await.unwrap()
    }

    /// Freezes, opens or closes an account.
    pub(crate) async fn set_status(
        &self,
        code: &str,
        status: AccountStatus,
    ) -> Result<account::Model, SetAccountStatusError> {
        let command = SetAccountStatus {
            account: by(code),
            status,
            recorded_by: None,
        };
        self.write(async |tx| set_account_status(tx, command, &Clock::at(noon())).await)
            .await
    }

    /// Gives an account other limits.
    pub(crate) async fn limit(
        &self,
        code: &str,
        limit_policy: LimitPolicy,
        min_balance: Option<i64>,
        max_balance: Option<i64>,
    ) -> Result<account::Model, UpdateAccountError> {
        let command = new_limits(code, limit_policy, min_balance, max_balance);
        self.write(async |tx| update_account(tx, command, &Clock::at(noon())).await)
            .await
    }

    pub(crate) async fn post(&self, command: PostEntry) -> Result<PostedEntry, PostEntryError> {
        self.write(async |tx| post_entry(tx, command, &Clock::at(noon())).await)
            .await
    }

    /// Moves EUR from the account that is debited to the one that is credited.
    pub(crate) async fn transfer(
        &self,
        debit: &str,
        credit: &str,
        amount: i64,
    ) -> Result<PostedEntry, PostEntryError> {
        self.post(new_entry(vec![line(debit, credit, amount)]))
            .await
    }

    /// Sets EUR aside.
    pub(crate) async fn hold(&self, command: PlaceHold) -> Result<PostedEntry, PostEntryError> {
        self.write(async |tx| place_hold(tx, command, &Clock::at(noon())).await)
            .await
    }

    /// Captures a hold, now or later; what is not captured is freed.
    pub(crate) async fn capture(
        &self,
        hold_id: Uuid,
        amounts: Option<Vec<i64>>,
        now: DateTime<Utc>,
    ) -> Result<PostedEntry, HoldError> {
        let command = CaptureHold {
            amounts,
            ..new_capture(hold_id, now)
        };
        self.write(async |tx| capture_hold(tx, command, &Clock::at(now)).await)
            .await
    }

    /// Captures a part of a hold; the rest stays set aside.
    pub(crate) async fn capture_part(
        &self,
        hold_id: Uuid,
        amounts: &[i64],
    ) -> Result<PostedEntry, HoldError> {
        let command = CaptureHold {
            amounts: Some(amounts.to_vec()),
            keeps_rest: true,
            ..new_capture(hold_id, noon())
        };
        self.write(async |tx| capture_hold(tx, command, &Clock::at(noon())).await)
            .await
    }

    /// Releases a hold, now or later.
    pub(crate) async fn release(
        &self,
        hold_id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<PostedEntry, HoldError> {
        self.release_of(hold_id, None, now).await
    }

    /// Releases a part of a hold, or all that is left of it, now or later.
    pub(crate) async fn release_of(
        &self,
        hold_id: Uuid,
        amounts: Option<Vec<i64>>,
        now: DateTime<Utc>,
    ) -> Result<PostedEntry, HoldError> {
        let command = ReleaseHold {
            id: new_entry_id(now, random()),
            hold_id,
            amounts,
            notes: EntryNotes::default(),
        };
        self.write(async |tx| release_hold(tx, command, &Clock::at(now)).await)
            .await
    }

    /// Reverses an entry, or what is left of it.
    pub(crate) async fn reverse(&self, entry_id: Uuid) -> Result<PostedEntry, ReverseEntryError> {
        self.reverse_of(entry_id, None).await
    }

    /// Reverses a part of an entry, or all that is left of it.
    pub(crate) async fn reverse_of(
        &self,
        entry_id: Uuid,
        amounts: Option<Vec<i64>>,
    ) -> Result<PostedEntry, ReverseEntryError> {
        let command = ReverseEntry {
            amounts,
            ..new_reversal(entry_id)
        };
        self.write(async |tx| reverse_entry(tx, command, &Clock::at(noon())).await)
            .await
    }

    /// The number of the newest event. On MariaDB, events have numbers only when somebody looks.
    pub(crate) async fn newest(&self) -> i64 {
        let number = async || self.write(async |tx| number_events(tx).await).await;
        while number().await.unwrap() == NUMBERED_AT_ONCE {}
        newest_in_outbox(&self.db).await.unwrap()
    }

    /// SQL for a new id.
    pub(crate) fn new_id(&self) -> &'static str {
        match self.engine {
            Engine::MariaDb => "unhex(replace(uuid(), '-', ''))",
            Engine::Sqlite => "randomblob(16)",
            Engine::Postgres => "gen_random_uuid()",
        }
    }

    /// Everything adds up.
    pub(crate) async fn is_sound(&self) {
        let check = verify(&self.db, 10).await.unwrap();
        assert!(check.is_sound(), "{check:?}");
    }

    pub(crate) async fn find(&self, code: &str) -> account::Model {
        daybook::ledger::account(&self.db, &by(code))
            .await
            .unwrap()
            .unwrap()
    }
}

pub(crate) fn by(code: &str) -> AccountRef {
    AccountRef::Code(code.to_owned())
}

pub(crate) fn new_account(code: &str) -> OpenAccount {
    OpenAccount {
        id: new_account_id(noon(), random()),
        code: code.to_owned(),
        name: format!("Account {code}"),
        currency: "EUR".to_owned(),
        normal_side: Side::Credit,
        class: None,
        limit_policy: LimitPolicy::None,
        min_balance: None,
        max_balance: None,
        metadata: None,
        recorded_by: None,
        visible: None,
    }
}

/// Other limits for an account, in the place of all that it has.
pub(crate) fn new_limits(
    code: &str,
    limit_policy: LimitPolicy,
    min_balance: Option<i64>,
    max_balance: Option<i64>,
) -> UpdateAccount {
    UpdateAccount {
        account: by(code),
        expected_revision: None,
        name: None,
        class: None,
        limit_policy: Some(limit_policy),
        min_balance: Some(min_balance),
        max_balance: Some(max_balance),
        metadata: None,
        recorded_by: None,
    }
}

pub(crate) fn line(debit: &str, credit: &str, amount: i64) -> NewLine {
    NewLine {
        debit: by(debit),
        credit: by(credit),
        amount,
        currency: "EUR".to_owned(),
    }
}

pub(crate) fn new_entry(lines: Vec<NewLine>) -> PostEntry {
    PostEntry {
        id: new_entry_id(noon(), random()),
        lines,
        notes: EntryNotes::default(),
        expect: Vec::new(),
        conditions: Vec::new(),
    }
}

/// The notes of an entry that counts from `instant`.
pub(crate) fn effective(instant: DateTime<Utc>) -> EntryNotes {
    EntryNotes {
        effective_at: Some(instant),
        ..EntryNotes::default()
    }
}

pub(crate) fn new_hold(lines: Vec<NewLine>) -> PlaceHold {
    PlaceHold {
        id: new_entry_id(noon(), random()),
        lines,
        expires_at: None,
        notes: EntryNotes::default(),
        expect: Vec::new(),
        conditions: Vec::new(),
    }
}

pub(crate) fn new_capture(hold_id: Uuid, now: DateTime<Utc>) -> CaptureHold {
    CaptureHold {
        id: new_entry_id(now, random()),
        hold_id,
        amounts: None,
        keeps_rest: false,
        notes: EntryNotes::default(),
    }
}

pub(crate) fn new_reversal(entry_id: Uuid) -> ReverseEntry {
    ReverseEntry {
        id: new_entry_id(noon(), random()),
        entry_id,
        amounts: None,
        notes: EntryNotes::default(),
        expect: Vec::new(),
        conditions: Vec::new(),
    }
}

/// What the database says it is that was violated: the constraint's or trigger's name. SQLite has only columns for a unique
/// constraint, and no name for a foreign key.
pub(crate) fn violated(error: &DbErr) -> String {
    if let Some(name) = violated_constraint(error) {
        return name;
    }
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        panic!("no error of the database: {error:?}");
    };
    let SqlxError::Database(error) = &**error else {
        panic!("no error of the database: {error:?}")
    };
    // A trigger's: on MariaDB `NAME: refused`, on SQLite `…: NAME`.
    let message = error.message();
    let message = message.strip_suffix(": refused").unwrap_or(message);
    let name = message.rsplit(": ").next();
    name.unwrap_or_default().to_owned()
}
