//! A transaction of a file, and the entry lines that it becomes.

use super::amount::text;
use super::refusal::Refusal;
use crate::ledger::LINES_PER_ENTRY;
use chrono::{DateTime, Utc};
use daybook_entity::Side;
use serde_json::Value as Json;
use std::collections::{HashMap, VecDeque};

/// A transaction: its postings add up to zero in each currency.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// The line that it begins in.
    pub line: u64,
    /// When it counts from.
    pub effective_at: DateTime<Utc>,
    /// What people read.
    pub description: Option<String>,
    /// Everything else that the file has about it.
    pub metadata: Json,
    /// The reference that its entry is to have.
    pub reference: Option<String>,
    /// In the order of the file. None is zero.
    pub postings: Vec<Posting>,
}

/// A posting: what a transaction adds to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The line that it is in.
    pub line: u64,
    /// The name of the account.
    pub account: String,
    /// The normal side of the account, if the file gives it here.
    pub side: Option<Side>,
    /// The file's symbol for the currency.
    pub symbol: String,
    /// In 10^-18 of the currency's unit; positive is a debit.
    pub quantity: i128,
    /// The count of decimal places that it is written with.
    pub places: u32,
}

/// A future entry line: a debit posting, a credit posting, and the quantity of both that it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair<'a> {
    pub(super) debit: &'a Posting,
    pub(super) credit: &'a Posting,
    /// In 10^-18 of the currency's unit; positive.
    pub(super) quantity: i128,
}

/// The sum of the postings of each currency, with the first posting of each.
pub(super) fn sums(postings: &[Posting]) -> Vec<(&Posting, Option<i128>)> {
    let of_currency = by_currency(postings).into_iter();
    let sum = |postings: Vec<&'_ Posting>| {
        let mut quantities = postings.iter().map(|it| it.quantity);
        quantities.try_fold(0, |sum: i128, it| sum.checked_add(it))
    };
    of_currency
        .map(|postings| (postings[0], sum(postings)))
        .collect()
}

/// The postings of each currency, in the order of the file; no list is empty. A transaction may have thousands of postings in as many
/// currencies, so the time must not grow with the square of their number.
fn by_currency(postings: &[Posting]) -> Vec<Vec<&Posting>> {
    let mut groups: Vec<Vec<&Posting>> = Vec::new();
    let mut places = HashMap::new();
    for posting in postings {
        let place = *places
            .entry(posting.symbol.as_str())
            .or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(posting);
    }
    groups
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

    /// The entry lines that the postings become. If every two neighbours cancel each other, as in an export of Daybook, each two are a
    /// line. Otherwise debits are matched with credits of their currency, both in their order; an account that is on both sides counts with
    /// its difference.
    ///
    /// Empty if the transaction moves nothing between accounts.
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
    for postings in by_currency(postings) {
        let mut left: Vec<(&Posting, i128)> = Vec::new();
        // Debits and credits of each account.
        let mut sides: HashMap<&str, (bool, bool)> = HashMap::new();
        for posting in &postings {
            let (has_debits, has_credits) = sides.entry(&posting.account).or_default();
            *has_debits |= posting.quantity > 0;
            *has_credits |= posting.quantity < 0;
        }
        // The place of the difference of an account that is on both sides.
        let mut places: HashMap<&str, usize> = HashMap::new();
        for posting in postings {
            let is_on_both_sides = sides.get(posting.account.as_str()) == Some(&(true, true));
            match places.get(posting.account.as_str()) {
                Some(place) if is_on_both_sides => left[*place].1 += posting.quantity,
                _ => {
                    places.entry(&posting.account).or_insert(left.len());
                    left.push((posting, posting.quantity));
                }
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
            reference: None,
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

    /// Each with each would be 10^10 comparisons, which takes minutes.
    #[test]
    fn time_grows_with_the_postings_and_not_with_their_square() {
        const MOST: std::time::Duration = std::time::Duration::from_secs(10);
        let posting = |account: String, symbol: String, quantity| Posting {
            line: 1,
            account,
            side: None,
            symbol,
            quantity,
            places: 0,
        };
        let mut postings = Vec::new();
        for n in 0..50_000 {
            // Many currencies, and many accounts on both sides of one.
            postings.push(posting("a".to_owned(), format!("C{n}"), 1));
            postings.push(posting("a".to_owned(), format!("C{n}"), -1));
            postings.push(posting(format!("a{n}"), "EUR".to_owned(), 1));
            postings.push(posting(format!("a{n}"), "EUR".to_owned(), -1));
        }
        let transaction = Transaction {
            line: 1,
            effective_at: DateTime::UNIX_EPOCH,
            description: None,
            metadata: Json::Null,
            reference: None,
            postings,
        };
        let began = std::time::Instant::now();
        transaction.check().unwrap();
        assert!(transaction.pairs().unwrap().is_empty());
        assert!(began.elapsed() < MOST, "{:?}", began.elapsed());
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
