//! How the accounts of an entry are locked where an operation writes more than one.
//!
//! An entry locks its accounts in the order of their ids, so two entries cannot deadlock. Two transactions of several entries
//! can: one locks x and then z, the other z and then x. PostgreSQL takes a second (`deadlock_timeout`) to find that out. Whoever
//! runs such a transaction again knows which accounts it is about: it says so with [`locking`], and the first entry locks all of
//! them, in one order. And where accounts have met in a deadlock lately, a later entry need not wait for them: [`Locking::waits`].
//!
//! SQLite locks no rows. MariaDB finds a deadlock out at once, and rolls one of the two back. What its statement is like is in [`mariadb`].

pub(super) mod mariadb;

use super::AccountRef;
use daybook_entity::{account, entry_line};
use sea_orm::sea_query::{LockBehavior, LockType, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult,
    QueryFilter, QueryOrder, QuerySelect, Select,
};
use uuid::Uuid;

/// Accounts, as far as they are known before they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockSet {
    /// By name.
    pub accounts: Vec<AccountRef>,
    /// Those that these entries touch.
    pub entries: Vec<Uuid>,
}

impl LockSet {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.entries.is_empty()
    }

    /// Adds what `other` has, once.
    pub fn extend(&mut self, other: &Self) {
        for account in &other.accounts {
            if !self.accounts.contains(account) {
                self.accounts.push(account.clone());
            }
        }
        for entry in &other.entries {
            if !self.entries.contains(entry) {
                self.entries.push(*entry);
            }
        }
    }
}

/// How accounts are locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locking {
    /// What is locked together with the accounts that are asked for.
    pub also: LockSet,
    /// Whether to wait for a lock that another transaction has. If not, the statement fails with 55P03.
    pub waits: bool,
}

impl Default for Locking {
    fn default() -> Self {
        Self {
            also: LockSet::default(),
            waits: true,
        }
    }
}

tokio::task_local! {
    static LOCKING: Locking;
}

/// Runs `verb`, in which accounts are locked like this.
///
/// # Cancel safety
/// As `verb`.
pub async fn locking<F: Future>(locking: Locking, verb: F) -> F::Output {
    LOCKING.scope(locking, verb).await
}

/// How accounts are locked here, where that was said.
pub(super) fn wanted() -> Option<Locking> {
    LOCKING.try_with(Clone::clone).ok()
}

/// Locks and reads an account that is about to be updated, and locks what [`locking`] adds: one statement. Nobody changes the account
/// until the transaction ends.
pub(super) async fn account(
    db: &impl ConnectionTrait,
    by: &AccountRef,
) -> Result<Option<account::Model>, DbErr> {
    let (ids, codes) = match by.normalised() {
        Some(AccountRef::Id(id)) => (vec![id], Vec::new()),
        Some(AccountRef::Code(code)) => (Vec::new(), vec![code]),
        Some(AccountRef::NoId(_)) | None => return Ok(None),
    };
    let wanted = wanted().unwrap_or_default();
    let found = match db.get_database_backend() {
        DbBackend::MySql => {
            let statement = mariadb::statement(&ids, &codes, &wanted, None)?;
            account::Model::find_by_statement(statement).all(db).await?
        }
        _ => statement(&ids, &codes, &wanted).all(db).await?,
    };
    let mut found = found.into_iter();
    Ok(found.find(|it| ids.contains(&it.id) || codes.contains(&it.code)))
}

/// The statement that locks and reads these accounts, and those that `locking` adds, in the order of their ids. That of MariaDB is in
/// [`mariadb`].
pub(super) fn statement(
    ids: &[Uuid],
    codes: &[String],
    locking: &Locking,
) -> Select<account::Entity> {
    let (mut all_ids, mut all_codes) = AccountRef::ids_and_codes(&locking.also.accounts);
    all_ids.extend(ids);
    all_codes.extend_from_slice(codes);
    let mut wanted = Condition::any();
    if !all_ids.is_empty() {
        wanted = wanted.add(account::Column::Id.is_in(all_ids));
    }
    if !all_codes.is_empty() {
        wanted = wanted.add(account::Column::Code.is_in(all_codes));
    }
    if !locking.also.entries.is_empty() {
        for side in [
            entry_line::Column::DebitAccountId,
            entry_line::Column::CreditAccountId,
        ] {
            let touched = Query::select()
                .column(side)
                .from(entry_line::Entity)
                .and_where(entry_line::Column::EntryId.is_in(locking.also.entries.clone()))
                .to_owned();
            wanted = wanted.add(account::Column::Id.in_subquery(touched));
        }
    }
    let select = account::Entity::find()
        .filter(wanted)
        // ORDER BY fixes the order of locking, whatever the plan. This lock is the one that an UPDATE of totals takes; foreign keys can
        // still refer to the account meanwhile.
        .order_by_asc(account::Column::Id);
    if locking.waits {
        select.lock(LockType::NoKeyUpdate)
    } else {
        select.lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::Nowait)
    }
}

/// Locks a whole table against who does the same, until the transaction ends: on PostgreSQL in this mode, on MariaDB by the row of
/// `named_lock` that stands for it. SQLite has one writer. One statement, or none.
pub(super) async fn whole(
    db: &impl ConnectionTrait,
    table: &'static str,
    mode: &'static str,
) -> Result<(), DbErr> {
    let lock = match db.get_database_backend() {
        DbBackend::Sqlite => return Ok(()),
        DbBackend::Postgres => format!("LOCK TABLE {table} IN {mode} MODE"),
        DbBackend::MySql => {
            // The turn counts, so that whoever has waited with an older snapshot is told of a conflict.
            format!("UPDATE named_lock SET turn = turn + 1 WHERE name = '{table}'")
        }
        _ => return Err(unknown_engine()),
    };
    let locked = db.execute_unprepared(&lock).await?;
    if db.get_database_backend() == DbBackend::MySql && locked.rows_affected() != 1 {
        return Err(DbErr::RecordNotFound(format!("the lock `{table}`")));
    }
    Ok(())
}

fn unknown_engine() -> DbErr {
    DbErr::Custom("this database cannot be locked: it is of an unknown kind".to_owned())
}

/// The lock that an UPDATE takes which changes no key. MariaDB has only one kind for all UPDATEs, for which foreign keys wait.
pub(super) fn of_update(db: &impl ConnectionTrait) -> LockType {
    match db.get_database_backend() {
        DbBackend::MySql => LockType::Update,
        _ => LockType::NoKeyUpdate,
    }
}
