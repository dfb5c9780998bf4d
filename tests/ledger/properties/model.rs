//! What the ledger should do, in a few lines: totals of accounts, and reasons to refuse.

use std::collections::BTreeSet;

use daybook::ledger::Code;
use daybook_entity::{AccountStatus, LimitPolicy, Side};
use uuid::Uuid;

use super::operation::{Condition, Lines};

const MAX: i128 = i64::MAX as i128;

/// What a line adds, times its amount, to posted and pending totals.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Effect {
    Post,
    Hold,
    Capture,
    Release,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Account {
    pub(super) normal_side: Side,
    pub(super) policy: LimitPolicy,
    pub(super) min: Option<i64>,
    pub(super) max: Option<i64>,
    pub(super) status: AccountStatus,
    /// Debits posted and pending, credits posted and pending.
    pub(super) totals: [i128; 4],
    pub(super) version: i64,
}

/// What is taken of each line, or the reasons that there are not to.
pub(super) type Taken = Result<Vec<i64>, BTreeSet<&'static str>>;

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) id: Uuid,
    pub(super) is_hold: bool,
    /// What it has moved, or set aside.
    pub(super) lines: Lines,
    /// What is left of each of these lines.
    pub(super) left: Vec<i64>,
    pub(super) moves: bool,
    /// Whether nothing is left.
    pub(super) is_over: bool,
}

impl Entry {
    /// The amounts to ask for, and what is then to be taken.
    pub(super) fn take(&self, over: Code, quarters: Option<&[i64]>) -> (Option<Vec<i64>>, Taken) {
        let amounts = quarters.map(|quarters| {
            let lines = self.lines.iter().zip(quarters);
            let amounts = lines.map(|((_, _, amount), quarters)| amount / 4 * quarters);
            amounts.collect::<Vec<_>>()
        });
        let taken = amounts.clone().unwrap_or_else(|| self.left.clone());
        let code = if self.is_over {
            Some(over)
        } else if taken.iter().zip(&self.left).any(|(take, left)| take > left) {
            Some(Code::RemainingExceeded)
        } else if taken.iter().all(|take| *take == 0) {
            Some(Code::BadUserInput)
        } else {
            None
        };
        let result = match code {
            Some(code) => Err(BTreeSet::from([code.as_str()])),
            None => Ok(taken),
        };
        (amounts, result)
    }

    /// Notes that so much was taken of each line.
    pub(super) fn took(&mut self, taken: &[i64]) {
        for (left, taken) in self.left.iter_mut().zip(taken) {
            *left -= taken;
        }
        self.is_over = self.left.iter().all(|left| *left == 0);
    }
}

#[derive(Clone)]
pub(super) struct Model {
    pub(super) accounts: Vec<Account>,
    pub(super) entries: Vec<Entry>,
}

impl Account {
    /// Whether it is beyond what holds for the balance at the least (or a policy), and at the most, were all holds captured that are in the
    /// way.
    fn beyond(&self) -> (bool, bool) {
        let [debits, debits_pending, credits, credits_pending] = self.totals;
        let policy = match self.policy {
            LimitPolicy::None => false,
            LimitPolicy::NoDebitOverdraft => debits + debits_pending > credits,
            LimitPolicy::NoCreditOverdraft => credits + credits_pending > debits,
        };
        let (lowest, highest) = match self.normal_side {
            Side::Debit => (
                debits - credits - credits_pending,
                debits + debits_pending - credits,
            ),
            Side::Credit => (
                credits - debits - debits_pending,
                credits + credits_pending - debits,
            ),
        };
        let below = self.min.is_some_and(|min| lowest < i128::from(min));
        let above = self.max.is_some_and(|max| highest > i128::from(max));
        (policy || below, above)
    }

    /// Sets the limits, or says all the reasons that there are not to.
    pub(super) fn limit(
        &mut self,
        policy: LimitPolicy,
        min: Option<i64>,
        max: Option<i64>,
    ) -> Result<(), BTreeSet<&'static str>> {
        let after = Self {
            policy,
            min,
            max,
            ..self.clone()
        };
        if after == *self {
            return Ok(());
        }
        let mut reasons = BTreeSet::new();
        // A policy is a limit of 0.
        let (floor, ceiling) = match (policy, self.normal_side) {
            (LimitPolicy::None, _) => (i64::MIN, i64::MAX),
            (LimitPolicy::NoDebitOverdraft, Side::Credit)
            | (LimitPolicy::NoCreditOverdraft, Side::Debit) => (0, i64::MAX),
            (LimitPolicy::NoDebitOverdraft, Side::Debit)
            | (LimitPolicy::NoCreditOverdraft, Side::Credit) => (i64::MIN, 0),
        };
        let no_effect = min.is_some_and(|min| min < floor) || max.is_some_and(|max| max > ceiling);
        if no_effect || min.zip(max).is_some_and(|(min, max)| min > max) {
            reasons.insert(Code::BadUserInput.as_str());
        }
        if after.beyond() != (false, false) {
            reasons.insert(Code::LimitExceeded.as_str());
        }
        if !reasons.is_empty() {
            return Err(reasons);
        }
        *self = after;
        Ok(())
    }
}

impl Model {
    /// Applies lines if the conditions are true before, or says all the reasons that there are to refuse them.
    pub(super) fn apply_if(
        &mut self,
        conditions: &[Condition],
        lines: &[(usize, usize, i64, Effect)],
    ) -> Result<(), BTreeSet<&'static str>> {
        let mut reasons = BTreeSet::new();
        for &(index, is_available, at_least, at_most) in conditions {
            let account = &self.accounts[index];
            let [debits, debits_pending, credits, credits_pending] = account.totals;
            let (balance, taken) = match account.normal_side {
                Side::Debit => (debits - credits, credits_pending),
                Side::Credit => (credits - debits, debits_pending),
            };
            let balance = if is_available {
                balance - taken
            } else {
                balance
            };
            let range = at_least.map_or(-MAX, i128::from)..=at_most.map_or(MAX, i128::from);
            if !range.contains(&balance) {
                reasons.insert(Code::ConditionNotMet.as_str());
            }
            if range.is_empty() || at_least.is_none() && at_most.is_none() {
                reasons.insert(Code::BadUserInput.as_str());
            }
        }
        let mut after = self.clone();
        reasons.extend(after.apply(lines).err().into_iter().flatten());
        if !reasons.is_empty() {
            return Err(reasons);
        }
        *self = after;
        Ok(())
    }

    pub(super) fn new() -> Self {
        let account =
            |(normal_side, policy, limits): (Side, LimitPolicy, Option<(i64, i64)>)| Account {
                normal_side,
                policy,
                min: limits.map(|(min, _)| min),
                max: limits.map(|(_, max)| max),
                status: AccountStatus::Open,
                totals: [0; 4],
                version: 0,
            };
        let accounts = [
            (Side::Debit, LimitPolicy::None, None),
            (Side::Credit, LimitPolicy::NoDebitOverdraft, None),
            (Side::Debit, LimitPolicy::NoCreditOverdraft, None),
            (Side::Credit, LimitPolicy::None, Some((-300, 300))),
        ];
        Self {
            accounts: accounts.map(account).to_vec(),
            entries: Vec::new(),
        }
    }

    pub(super) fn holds(&self) -> Vec<usize> {
        let holds = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.is_hold);
        holds.map(|(index, _)| index).collect()
    }

    /// Applies lines, or says all the reasons that there are to refuse them.
    pub(super) fn apply(
        &mut self,
        lines: &[(usize, usize, i64, Effect)],
    ) -> Result<(), BTreeSet<&'static str>> {
        let mut reasons = BTreeSet::new();
        let mut changes = vec![[0_i128; 4]; self.accounts.len()];
        let (mut touched, mut opens) = (
            vec![0; self.accounts.len()],
            vec![false; self.accounts.len()],
        );
        for &(from, to, amount, effect) in lines {
            if amount <= 0 || from == to {
                reasons.insert(Code::BadUserInput.as_str());
            }
            let (posted, pending) = match effect {
                Effect::Post => (1, 0),
                Effect::Hold => (0, 1),
                Effect::Capture => (1, -1),
                Effect::Release => (0, -1),
            };
            for (account, side) in [(from, 0), (to, 2)] {
                changes[account][side] += posted * i128::from(amount);
                changes[account][side + 1] += pending * i128::from(amount);
                touched[account] += 1;
                opens[account] |= effect != Effect::Release;
            }
        }
        let mut after = self.accounts.clone();
        for (index, account) in after.iter_mut().enumerate() {
            for (total, change) in account.totals.iter_mut().zip(changes[index]) {
                *total += change;
                if change > MAX {
                    reasons.insert(Code::AmountOutOfRange.as_str());
                }
            }
            let [debits, debits_pending, credits, credits_pending] = account.totals;
            if debits + debits_pending > MAX || credits + credits_pending > MAX {
                reasons.insert(Code::AmountOutOfRange.as_str());
            }
            if opens[index] && account.status != AccountStatus::Open {
                reasons.insert(Code::AccountNotOpen.as_str());
            }
            let (below, above) = account.beyond();
            if below {
                reasons.insert(Code::InsufficientFunds.as_str());
            }
            if above {
                reasons.insert(Code::LimitExceeded.as_str());
            }
            account.version += touched[index];
        }
        if reasons.is_empty() {
            self.accounts = after;
            Ok(())
        } else {
            Err(reasons)
        }
    }
}

pub(super) fn with_effect(lines: &Lines, effect: Effect) -> Vec<(usize, usize, i64, Effect)> {
    lines
        .iter()
        .map(|&(from, to, amount)| (from, to, amount, effect))
        .collect()
}
