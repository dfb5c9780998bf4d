//! The rows of an entry's lines, with the versions and balances that each side had after them.

use super::movement::{Movement, change};
use super::resolve::ResolvedLine;
use crate::ledger::balance::signed;
use daybook_entity::{LineEffect, Side, account, account_pending, entry_line};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The rows of an entry.
pub(super) struct Rows {
    pub(super) lines: Vec<entry_line::Model>,
    /// The pending totals after each line that changes them.
    pub(super) pending: Vec<account_pending::Model>,
    /// What each line adds to each of its accounts.
    pub(super) changes: Vec<Change>,
}

/// What one line adds to one account.
pub(super) struct Change {
    pub(super) account_id: Uuid,
    /// The account's version after the line.
    pub(super) version: i64,
    /// Positive on the normal side.
    pub(super) posted: i64,
    pub(super) debits_pending: i64,
    pub(super) credits_pending: i64,
}

/// An account on its way through the lines of an entry.
struct Running {
    normal_side: Side,
    debits: i64,
    credits: i64,
    debits_pending: i64,
    credits_pending: i64,
    version: i64,
}

impl Running {
    /// The account before `movement`, from the account after it.
    const fn before(account: &account::Model, movement: &Movement) -> Self {
        Self {
            normal_side: account.normal_side,
            debits: account.debits_posted - movement.debits,
            credits: account.credits_posted - movement.credits,
            debits_pending: account.debits_pending - movement.debits_pending,
            credits_pending: account.credits_pending - movement.credits_pending,
            version: account.version - movement.lines,
        }
    }

    /// One more line. Posted totals stay at or below those that the database has accepted, and so do pending ones, for an entry
    /// either adds to them or takes away.
    fn step(&mut self, account_id: Uuid, side: Side, effect: LineEffect, amount: i64) -> Change {
        let (posted, pending) = change(effect, amount);
        let (debits, credits, debits_pending, credits_pending) = match side {
            Side::Debit => (posted, 0, pending, 0),
            Side::Credit => (0, posted, 0, pending),
        };
        self.debits += debits;
        self.credits += credits;
        self.debits_pending += debits_pending;
        self.credits_pending += credits_pending;
        self.version += 1;
        Change {
            account_id,
            version: self.version,
            posted: signed(self.normal_side, debits, credits),
            debits_pending,
            credits_pending,
        }
    }

    fn balance(&self) -> i64 {
        signed(self.normal_side, self.debits, self.credits)
    }
}

/// The rows of the lines: each account goes from where it was before the entry, one version per line, to `after`.
pub(super) fn rows(
    entry_id: Uuid,
    lines: &[ResolvedLine],
    movements: &BTreeMap<Uuid, Movement>,
    after: &BTreeMap<Uuid, account::Model>,
) -> Rows {
    let mut running: BTreeMap<Uuid, Running> = movements
        .iter()
        .filter_map(|(id, movement)| Some((*id, Running::before(after.get(id)?, movement))))
        .collect();
    let (mut pending, mut changes) = (Vec::new(), Vec::new());
    #[expect(
        clippy::expect_used,
        reason = "every account of a line has a movement, and each of those was applied"
    )]
    let mut step = |account_id, side, line: &ResolvedLine| {
        let account = running
            .get_mut(&account_id)
            .expect("an account of the entry");
        changes.push(account.step(account_id, side, line.effect, line.amount));
        if line.effect != LineEffect::Post {
            pending.push(account_pending::Model {
                account_id,
                version: account.version,
                debits_pending: account.debits_pending,
                credits_pending: account.credits_pending,
            });
        }
        (account.version, account.balance())
    };
    let row = |(line, line_no): (&ResolvedLine, i32)| {
        let (debit_version, debit_balance) = step(line.debit, Side::Debit, line);
        let (credit_version, credit_balance) = step(line.credit, Side::Credit, line);
        entry_line::Model {
            entry_id,
            line_no,
            debit_account_id: line.debit,
            credit_account_id: line.credit,
            currency: line.currency.clone(),
            amount: line.amount,
            debit_version,
            debit_balance,
            credit_version,
            credit_balance,
            effect: line.effect,
        }
    };
    let lines = lines.iter().zip(1..).map(row).collect();
    Rows {
        lines,
        pending,
        changes,
    }
}
