//! A transaction of a file, and the lines of the ledger that it is.

use super::Refusal;
use super::amount::text;
use crate::ledger::LINES_PER_ENTRY;
use chrono::{DateTime, Utc};
use daybook_entity::Side;
use serde_json::Value as Json;
use std::collections::VecDeque;

/// A transaction: its postings add up to zero in each currency.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// The line that it begins in.
    pub line: u64,
    /// From when it counts.
    pub effective_at: DateTime<Utc>,
    /// What people read.
    pub description: Option<String>,
    /// What else the file says of it.
    pub metadata: Json,
    /// In the order of the file; none is of nothing.
    pub postings: Vec<Posting>,
}

/// What a transaction does to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The line that it is in.
    pub line: u64,
    /// The name of the account.
    pub account: String,
    /// The normal side of the account, where the file says it here.
    pub side: Option<Side>,
    /// What the file calls the currency.
    pub symbol: String,
    /// In 10^-18 of the currency's unit; positive is a debit.
    pub quantity: i128,
    /// How many decimal places it is written with.
    pub places: u32,
}

/// A line of the ledger to be: the postings that it is made of, and how much of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair<'a> {
    pub(super) debit: &'a Posting,
    pub(super) credit: &'a Posting,
    /// In 10^-18 of the currency's unit; positive.
    pub(super) quantity: i128,
}

/// What postings make of one currency, with the place of the first of them.
pub(super) fn sums(postings: &[Posting]) -> Vec<(&Posting, Option<i128>)> {
    let mut sums: Vec<(&Posting, Option<i128>)> = Vec::new();
    for posting in postings {
        match sums.iter_mut().find(|(it, _)| it.symbol == posting.symbol) {
            Some((_, sum)) => *sum = sum.and_then(|sum| sum.checked_add(posting.quantity)),
            None => sums.push((posting, Some(posting.quantity))),
        }
    }
    sums
}

impl Transaction {
    /// Refuses postings that do not balance.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let off: Vec<_> = sums(&self.postings)
            .into_iter()
            .filter(|(_, sum)| *sum != Some(0))
            .collect();
        let Some((first, sum)) = off.first() else {
            return Ok(());
        };
        let name = match first.symbol.as_str() {
            "" => "without a currency",
            symbol => &format!("in {symbol}"),
        };
        let by = sum.map_or("too much".to_owned(), text);
        let advice = if off.len() > 1 {
            "each currency balances by itself: add two postings to an account such as equity:conversion, one in each currency"
        } else {
            "correct an amount, or leave one out"
        };
        Err(Refusal {
            line: self.line,
            column: None,
            problem: format!("the postings {name} do not add up to zero but to {by}; {advice}"),
        })
    }

    /// The lines that the postings are: one for each two neighbours that cancel each other, where all do, as an export of Daybook's
    /// has them. Else debits are matched with credits of their currency, both in their order; an account that is on both sides counts with
    /// what is left of it.
    ///
    /// None, where it moves nothing between accounts.
    pub(super) fn pairs(&self) -> Result<Vec<Pair<'_>>, Refusal> {
        let pairs = neighbours(&self.postings).unwrap_or_else(|| matched(&self.postings));
        if pairs.len() > LINES_PER_ENTRY {
            return Err(Refusal {
                line: self.line,
                column: None,
                problem: format!(
                    "the transaction makes {} lines, and an entry has at most {LINES_PER_ENTRY}: split it",
                    pairs.len()
                ),
            });
        }
        Ok(pairs)
    }
}

fn neighbours(postings: &[Posting]) -> Option<Vec<Pair<'_>>> {
    let pair = |two: &'_ [Posting]| match two {
        [a, b] if a.symbol == b.symbol && a.account != b.account && a.quantity == -b.quantity => {
            Some(a.quantity)
        }
        _ => None,
    };
    postings
        .chunks(2)
        .map(|two| {
            let quantity = pair(two)?;
            let (debit, credit) = if quantity > 0 {
                (&two[0], &two[1])
            } else {
                (&two[1], &two[0])
            };
            Some(Pair {
                debit,
                credit,
                quantity: quantity.abs(),
            })
        })
        .collect()
}

fn matched(postings: &[Posting]) -> Vec<Pair<'_>> {
    let mut pairs = Vec::new();
    for (first, _) in sums(postings) {
        let mut left: Vec<(&Posting, i128)> = Vec::new();
        let of_currency = || postings.iter().filter(|it| it.symbol == first.symbol);
        for posting in of_currency() {
            let is_other_way = |it: &&Posting| {
                it.account == posting.account && it.quantity.signum() != posting.quantity.signum()
            };
            let here = left
                .iter_mut()
                .find(|(it, _)| it.account == posting.account);
            match here {
                Some((_, sum)) if of_currency().any(|it| is_other_way(&it)) => {
                    *sum += posting.quantity;
                }
                _ => left.push((posting, posting.quantity)),
            }
        }
        let side = |sign: i128| -> VecDeque<(&Posting, i128)> {
            let side = left.iter().filter(|(_, sum)| sum.signum() == sign);
            side.map(|(posting, sum)| (*posting, sum.abs())).collect()
        };
        let (mut debits, mut credits) = (side(1), side(-1));
        while let (Some((debit, owed)), Some((credit, paid))) =
            (debits.front_mut(), credits.front_mut())
        {
            let quantity = (*owed).min(*paid);
            pairs.push(Pair {
                debit,
                credit,
                quantity,
            });
            (*owed, *paid) = (*owed - quantity, *paid - quantity);
            let (is_owed, is_paid) = (*owed == 0, *paid == 0);
            if is_owed {
                debits.pop_front();
            }
            if is_paid {
                credits.pop_front();
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(postings: &[(&str, i128)]) -> Vec<(String, String, i128)> {
        let posting = |(account, quantity): &(&str, i128)| Posting {
            line: 1,
            account: (*account).to_owned(),
            side: None,
            symbol: "EUR".to_owned(),
            quantity: *quantity,
            places: 0,
        };
        let transaction = Transaction {
            line: 1,
            effective_at: DateTime::UNIX_EPOCH,
            description: None,
            metadata: Json::Null,
            postings: postings.iter().map(posting).collect(),
        };
        let pairs = transaction.pairs().unwrap();
        let pair = |it: &Pair<'_>| {
            (
                it.debit.account.clone(),
                it.credit.account.clone(),
                it.quantity,
            )
        };
        pairs.iter().map(pair).collect()
    }

    fn line(debit: &str, credit: &str, quantity: i128) -> (String, String, i128) {
        (debit.to_owned(), credit.to_owned(), quantity)
    }

    #[test]
    fn debits_are_matched_with_credits_in_their_order() {
        assert_eq!(
            pairs(&[("a", 5), ("b", -3), ("c", 2), ("d", -4)]),
            [line("a", "b", 3), line("a", "d", 2), line("c", "d", 2)]
        );
        assert_eq!(
            pairs(&[("a", 2), ("a", 3), ("b", -5)]),
            [line("a", "b", 2), line("a", "b", 3)]
        );
    }

    #[test]
    fn neighbours_that_cancel_are_lines() {
        assert_eq!(
            pairs(&[("a", 5), ("b", -5), ("c", -5), ("b", 5)]),
            [line("a", "b", 5), line("b", "c", 5)]
        );
    }

    #[test]
    fn an_account_on_both_sides_counts_with_what_is_left() {
        assert_eq!(
            pairs(&[("a", 10), ("a", -3), ("b", -7)]),
            [line("a", "b", 7)]
        );
        assert_eq!(pairs(&[("a", 1), ("a", -1)]), []);
    }
}
