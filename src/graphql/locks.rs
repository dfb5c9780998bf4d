//! The order in which an operation of several fields locks accounts.
//!
//! The fields of a mutation run one after the other, and each locks its accounts when it runs. Two operations with the same fields in
//! opposite orders deadlock, which the database reports only after a second. Therefore:
//!
//! 1. Each attempt notes what its fields lock. If the attempt fails by a conflict and is run again, its first field locks all of these
//!    accounts, in the one order.
//! 2. The accounts of such an attempt count as *contended* for a while. Meanwhile, only the first field of an operation waits for them. A
//!    later field that does not get them at once fails the attempt, without waiting for a second, and rule 1 applies.
//!
//! After [`PATIENT_AFTER`] attempts, every field waits, so that an operation cannot fail for ever.
//!
//! The accounts of the first field are also named to the unit, so that operations which wait for the same account share a COMMIT.

use std::time::{Duration, Instant};

use async_graphql::Context;
use quick_cache::sync::Cache;
use sea_orm::{ConnectionTrait as _, DbBackend};
use unit_of_work::ContextExt as _;

use crate::ledger::{self, AccountRef, LockSet, Locking};

/// How long accounts count as contended after a conflict.
const CONTENDED: Duration = Duration::from_secs(30);

/// The most contended accounts that are remembered.
const MOST_CONTENDED: usize = 10_000;

/// After this many attempts, every field waits for its locks.
const PATIENT_AFTER: u32 = 4;

/// The accounts on which operations had conflicts recently, and when. The key is the account's stored name, so that a client cannot make it
/// long.
pub(super) struct Contended(Cache<AccountRef, Instant>);

impl Default for Contended {
    fn default() -> Self {
        Self(Cache::new(MOST_CONTENDED))
    }
}

impl Contended {
    fn note(&self, account: &AccountRef) {
        if let Some(account) = account.normalised() {
            self.0.insert(account, Instant::now());
        }
    }

    fn has(&self, account: &AccountRef) -> bool {
        let since = account
            .normalised()
            .and_then(|account| self.0.get(&account));
        since.is_some_and(|since| since.elapsed() < CONTENDED)
    }
}

/// The accounts that an attempt has locked, or tried to.
#[derive(Clone, Default)]
struct Touched {
    /// From 1.
    attempt: u32,
    locks: LockSet,
}

/// Runs a verb of the ledger that locks these accounts.
pub(super) fn in_order<F: Future>(
    ctx: &Context<'_>,
    locks: LockSet,
    verb: F,
) -> impl Future<Output = F::Output> {
    // Boxed first: a verb's future has kilobytes, and every future around it would embed it.
    let verb = Box::pin(verb);
    async move {
        match how(ctx, &locks) {
            Some(locking) => ledger::locking(locking, verb).await,
            None => verb.await,
        }
    }
}

/// How to lock the accounts, if not in the usual way.
fn how(ctx: &Context<'_>, locks: &LockSet) -> Option<Locking> {
    let unit = ctx.unit();
    if unit.get_database_backend() == DbBackend::Sqlite {
        return None;
    }
    // Only before the first statement; an account that is called by its id here and by its code there waits in the database.
    unit.will_lock(locks.accounts.iter().filter_map(AccountRef::normalised));
    let contended = ctx.data_unchecked::<Contended>();
    let last = unit.from_last_attempt(Touched::clone);
    unit.for_next_attempt(|touched: &mut Touched| {
        let is_first = touched.locks.is_empty();
        let mut locking = Locking::default();
        if is_first {
            let last = last.unwrap_or_default();
            for account in &last.locks.accounts {
                contended.note(account);
            }
            touched.attempt = last.attempt + 1;
            touched.locks.extend(&last.locks);
            locking.also = last.locks;
        } else {
            let meets = |account: &AccountRef| contended.has(account);
            locking.waits = touched.attempt > PATIENT_AFTER || !locks.accounts.iter().any(meets);
        }
        touched.locks.extend(locks);
        (locking != Locking::default()).then_some(locking)
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client chooses the names, and how long they are.
    #[test]
    fn what_is_remembered_is_bounded_in_bytes() {
        /// A stored code has 64 characters at the most, of up to four bytes.
        const BYTES: usize = MOST_CONTENDED * 64 * 4;
        let contended = Contended::default();
        let space = " ".repeat(100_000);
        let long = "x".repeat(100_000);
        for n in 0..100 {
            contended.note(&AccountRef::Code(format!("{n}{space}")));
            contended.note(&AccountRef::Code(format!("{n}{long}")));
        }
        let bytes: usize = contended
            .0
            .iter()
            .map(|(account, _)| match account {
                AccountRef::Id(_) => 0,
                AccountRef::Code(code) | AccountRef::NoId(code) => code.len(),
            })
            .sum();
        assert!(bytes <= BYTES, "{bytes}");
        // An account is the same one, however its name is written.
        assert!(contended.has(&AccountRef::Code("7".to_owned())));
        assert!(contended.has(&AccountRef::Code(format!("7{space}"))));
    }
}
