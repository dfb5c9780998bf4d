//! The rows of an entry's lines, with the versions and balances that each side had after them.

use super::command::ResolvedLine;
use super::movement::Movement;
use crate::ledger::balance::signed;
use daybook_entity::{Side, account, entry_line};
use std::collections::BTreeMap;
use uuid::Uuid;

/// An account on its way through the lines of an entry.
struct Running {
    normal_side: Side,
    debits: i64,
    credits: i64,
    version: i64,
}

impl Running {
    /// The account before `movement`, from the account after it.
    const fn before(account: &account::Model, movement: &Movement) -> Self {
        Self {
            normal_side: account.normal_side,
            debits: account.debits_posted - movement.debits,
            credits: account.credits_posted - movement.credits,
            version: account.version - movement.lines,
        }
    }

    /// The version and balance after one more line. Totals stay at or below those that the database has accepted.
    fn step(&mut self, debit: i64, credit: i64) -> (i64, i64) {
        self.debits += debit;
        self.credits += credit;
        self.version += 1;
        (
            self.version,
            signed(self.normal_side, self.debits, self.credits),
        )
    }
}

/// The rows of the lines: each account goes from where it was before the entry, one version per line, to `after`.
pub(super) fn rows(
    entry_id: Uuid,
    lines: &[ResolvedLine],
    movements: &BTreeMap<Uuid, Movement>,
    after: &BTreeMap<Uuid, account::Model>,
) -> Vec<entry_line::Model> {
    let mut running: BTreeMap<Uuid, Running> = movements
        .iter()
        .filter_map(|(id, movement)| Some((*id, Running::before(after.get(id)?, movement))))
        .collect();
    #[expect(
        clippy::expect_used,
        reason = "every account of a line has a movement, and each of those was applied"
    )]
    let mut step = |id, debit, credit| {
        running
            .get_mut(&id)
            .expect("an account of the entry")
            .step(debit, credit)
    };
    let row = |(line, line_no): (&ResolvedLine, i32)| {
        let (debit_version, debit_balance) = step(line.debit, line.amount, 0);
        let (credit_version, credit_balance) = step(line.credit, 0, line.amount);
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
        }
    };
    lines.iter().zip(1..).map(row).collect()
}
