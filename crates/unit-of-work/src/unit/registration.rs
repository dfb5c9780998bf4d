//! What code registers with a unit: effects, and rows that prove its COMMIT.

use std::{borrow::Cow, hash::Hash, sync::Arc};

use futures_util::future::BoxFuture;
use sea_orm::IsolationLevel;

use super::{
    UnitOfWork,
    effects::{Effects, When},
    evidence::Evidence,
    group::Names,
    scope::Scope,
};
use crate::database::begin::Begin;
#[cfg(doc)]
use crate::{Database, DatabaseOptions, SessionSettings};

impl UnitOfWork {
    /// Runs `effect` once, after COMMIT has succeeded and before the client hears of it; never after a rollback.
    ///
    /// Effects run one after another in the order of their registration, even if the client has gone meanwhile. A panic in one is logged
    /// and harms nothing. An effect is not durable: if the process dies between COMMIT and the effect, it is lost. For what must not be
    /// lost, write a row in the unit.
    ///
    /// In a read-only or a finished unit, the effect is dropped. Inside a savepoint, it is dropped if the savepoint is rolled back.
    ///
    /// The response waits for it, until the operation's deadline. For longer work, use [`UnitOfWork::after_commit_detached`].
    pub fn after_commit(&self, effect: impl Future<Output = ()> + Send + 'static) {
        self.register(When::Committed, Box::pin(effect));
    }

    /// As [`UnitOfWork::after_commit`], but neither the response nor later effects wait for it. [`Database::close`] does, so that a
    /// stopping server leaves none half done.
    pub fn after_commit_detached(&self, effect: impl Future<Output = ()> + Send + 'static) {
        self.register(When::CommittedDetached, Box::pin(effect));
    }

    /// Runs `effect` once, after the unit was rolled back for any reason: for example to release what was reserved elsewhere. If an
    /// operation is run again after a conflict, it runs for each attempt that was rolled back. If the outcome of a COMMIT is not known,
    /// neither this nor [`UnitOfWork::after_commit`] runs.
    pub fn after_rollback(&self, effect: impl Future<Output = ()> + Send + 'static) {
        self.register(When::RolledBack, Box::pin(effect));
    }

    fn register(&self, when: When, effect: BoxFuture<'static, ()>) {
        let scope = self.innermost_scope();
        self.inner.effects.push(scope, when, effect);
    }

    pub(crate) fn effects(&self) -> &Effects {
        &self.inner.effects
    }

    /// Names a row that this unit has inserted with a random id, in the column `id` of `table`. If the answer to COMMIT is lost, PostgreSQL
    /// is asked whether that row exists. It costs nothing, and saves the [marker](crate::unit::marker) that is inserted otherwise.
    ///
    /// The client's answer rests on this row, so it must be one that
    /// - this unit has inserted, with an id that was drawn for this attempt (a client's own id, or one that another attempt
    ///   has too, proves nothing), and that nobody deletes or renames within the next hour;
    /// - every connection of the [`Database`] finds by the table's name alone, without a schema. Where a policy hides it, the
    ///   outcome is unknown.
    ///
    /// Name it where it was inserted: a row that was named inside a savepoint is forgotten if the savepoint is rolled back. The first named
    /// row is used. An operation with [`SessionSettings`] has a marker nevertheless, since rows that it sees may be hidden from others. On
    /// SQLite, nothing has to be proved.
    ///
    /// ```no_run
    /// # use sea_orm::{ConnectionTrait, DbErr, Statement};
    /// # async fn example(unit: &unit_of_work::UnitOfWork, id: sea_orm::prelude::Uuid) -> Result<(), DbErr> {
    /// let insert = "INSERT INTO payment (id, amount) VALUES ($1, 100)";
    /// unit.execute_raw(Statement::from_sql_and_values(unit.get_database_backend(), insert, [id.into()])).await?;
    /// unit.evidence("payment", id);
    /// # Ok(()) }
    /// ```
    pub fn evidence(&self, table: impl Into<Cow<'static, str>>, id: impl Into<sea_orm::Value>) {
        let scope = self.innermost_scope();
        self.name_evidence(scope, table, id);
    }

    /// Says that this unit needs no proof of its COMMIT, because what it does is repeated anyway, such as a `NOTIFY` that only wakes others
    /// earlier. It saves the [marker](crate::unit::marker), with its row and its flush to the disk. If the answer to COMMIT is lost, the
    /// outcome is unknown.
    pub fn needs_no_proof(&self) {
        self.inner.evidence.needs_none();
    }

    /// Names what the unit is going to lock first, such as the ids of rows that it updates, so that mutations which wait for the same
    /// lock can share one COMMIT.
    ///
    /// On PostgreSQL, a mutation holds its locks until its COMMIT is on the disk, and others that need the same rows wait for it. If
    /// all of them have named those rows, the next one is handed the open transaction instead, as with SQLite's one writer
    /// ([`DatabaseOptions::share_commits`]). Nothing rests on the names: they lock nothing, and a unit that names other rows than it locks,
    /// or none, waits in the database as always. Two names are the same if they are equal; rows of different tables need names that
    /// differ.
    ///
    /// Call it before the first statement; later, and for a second time, it has no effect. An operation with an idempotency key has claimed
    /// its key by then, and so waits in the database. With more than 16 different names, in a unit that does not share its COMMIT, with
    /// another isolation than READ COMMITTED, and on SQLite, it does nothing.
    ///
    /// ```no_run
    /// # use sea_orm::{ConnectionTrait, DbErr};
    /// # async fn example(unit: &unit_of_work::UnitOfWork, from: i64, to: i64) -> Result<(), DbErr> {
    /// unit.will_lock([("account", from), ("account", to)]);
    /// unit.execute_unprepared("UPDATE account SET …").await?;
    /// # Ok(()) }
    /// ```
    pub fn will_lock(&self, names: impl IntoIterator<Item = impl Hash>) {
        let is_needed = self.inner.terms.shares_commit && !self.database().has_one_writer();
        if is_needed
            && self.inner.names.get().is_none()
            && let Some(names) = Names::of(names)
        {
            self.inner.names.get_or_init(|| names);
        }
    }

    /// The names for which the unit waits, if it may be handed a transaction or hand its own on: its BEGIN must be like that of all others.
    /// A statement must see what was committed when it begins, and not when somebody else's transaction began.
    pub(super) fn names_to_share(&self, begin: &Begin) -> Option<&Names> {
        let names = self.inner.names.get()?;
        let sees_all = self.isolation() == IsolationLevel::ReadCommitted;
        (begin.is_like_others() && sees_all).then_some(names)
    }

    pub(crate) fn name_evidence(
        &self,
        scope: Option<Arc<Scope>>,
        table: impl Into<Cow<'static, str>>,
        id: impl Into<sea_orm::Value>,
    ) {
        self.inner.evidence.push(scope, || Evidence::Row {
            table: table.into(),
            id: id.into(),
        });
    }

    /// Names the row of an idempotency key that this unit has claimed.
    pub(crate) fn key_is_evidence(&self, key: impl FnOnce() -> Evidence) {
        self.inner.evidence.push(None, key);
    }

    /// Forgets the effects and the evidence of a savepoint that is rolled back.
    pub(crate) fn discard_within(&self, scope: &Scope) {
        self.inner.effects.discard_within(scope);
        self.inner.evidence.discard_within(scope);
    }
}
