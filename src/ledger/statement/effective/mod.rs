//! Statements in the order of the instants that lines count from, and among equals in the order of posting, with the balance after each line
//! in that order.
//!
//! It is two lists, merged. A line that does not count from an earlier instant than a line before it is *in order*: among these, the order of
//! versions is also that of instants. The others are *late* (see [`history`](super::super::history)), and `late_place` has them by instant.
//! A page is read from both by index, from one edge on, and one statement reads the pages of any number of accounts.
//!
//! **The balance after a line** is that at the edge, and what the lines from there to it add. At a place in the order, the balance is
//!
//! ```text
//! balance after the last line in order up to there - late lines posted before that line + late lines up to the place
//! ```
//!
//! all of which is stored, as in `history`. So the balance at an edge comes with the page. If the filter leaves out lines that
//! move money, the page does not have all that lies between its lines, and the balance is looked up for each line ([`running_balances`]).

mod mariadb;
mod read;
mod sql;

use super::{StatementFilter, StatementLine};
use crate::ledger::keyset::{Key, Position, Window};
use crate::ledger::{Edge, InvalidInput, Page, PageRequest};
use chrono::{DateTime, TimeDelta, Utc};
use daybook_entity::{LineEffect, Side, account};
pub use read::{effective_lines, running_balances};
pub use sql::{balances as running_balances_statement, lines as effective_lines_statement};
use uuid::Uuid;

/// Tells cursors of this order from others.
const TAG: u8 = 6;

/// A place between lines. Places are in the order of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    /// Before all lines.
    Beginning,
    /// After those that count from before the instant, and of those from the instant, after those up to the version.
    After(DateTime<Utc>, i64),
    /// After all lines.
    End,
}

impl Place {
    /// Before all lines that count from `instant`.
    fn before(instant: DateTime<Utc>) -> Self {
        Self::After(instant - TimeDelta::microseconds(1), i64::MAX)
    }
}

/// Lines of an account that are read together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EffectiveSlice {
    account_id: Uuid,
    /// The lines after the first and up to the second.
    between: (Place, Place),
    effects: Option<Vec<LineEffect>>,
    side: Option<Side>,
    /// From which edge on.
    newest_first: bool,
    limit: usize,
}

impl EffectiveSlice {
    /// Whether no line can be in it.
    fn is_empty(&self) -> bool {
        self.between.0 >= self.between.1
    }
}

/// What was read for an [`EffectiveSlice`].
#[derive(Clone, Debug, Default)]
pub struct EffectiveLines {
    /// From the edge on, with the instants that they count from.
    lines: Vec<EffectiveLine>,
    /// The balance at the edge.
    balance: i64,
}

#[derive(Clone, Debug)]
struct EffectiveLine {
    line: StatementLine,
    effective_at: DateTime<Utc>,
    is_late: bool,
}

/// A line with the posted balance after it, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningLine {
    /// The line.
    pub line: StatementLine,
    /// The balance.
    pub balance: RunningBalance,
}

/// A balance in this order, positive on the normal side, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunningBalance {
    /// It came with the page.
    Known(i64),
    /// [`running_balances`] finds it.
    After(LinePlace),
}

/// A line, by its place in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinePlace {
    account_id: Uuid,
    effective_at: DateTime<Utc>,
    version: i64,
    is_late: bool,
}

/// A page of a statement in this order, to be read.
#[derive(Clone, Debug)]
pub struct EffectiveRequest {
    account_id: Uuid,
    normal_side: Side,
    newest_first: bool,
    count: usize,
    /// Whether the page is taken from the newest lines between the cursors, rather than from the oldest.
    at_end: bool,
    /// What the filter says of instants.
    within: (Place, Place),
    /// The cursors.
    between: (Option<Place>, Option<Place>),
    filter: StatementFilter,
}

impl EffectiveRequest {
    /// The page of `account`'s statement that is asked for.
    ///
    /// # Errors
    /// When the arguments break a rule.
    pub fn new(
        account: &account::Model,
        page: &PageRequest,
        filter: StatementFilter,
        newest_first: bool,
    ) -> Result<Self, InvalidInput> {
        let window = Window::new(page, TAG)?;
        let line = |field: &str, position: Option<Position>| match position {
            None => Ok(None),
            Some(Position {
                key: Key::InstantAndVersion(instant, version),
                id,
            }) if id == account.id => Ok(Some((instant, version))),
            Some(_) => Err(InvalidInput::new(
                field,
                "is a cursor of another account's statement",
            )),
        };
        let after = line("after", window.after)?;
        let before = line("before", window.before)?;
        let (low, high) = if newest_first {
            (before, after)
        } else {
            (after, before)
        };
        let filter = super::check(filter)?;
        let within = if account.version == 0 {
            (Place::Beginning, Place::Beginning)
        } else {
            let from = filter.effective_from.map(Place::before);
            let until = filter.effective_until.map(Place::before);
            (
                from.unwrap_or(Place::Beginning),
                until.unwrap_or(Place::End),
            )
        };
        Ok(Self {
            account_id: account.id,
            normal_side: account.normal_side,
            newest_first,
            count: usize::try_from(window.count).unwrap_or(usize::MAX),
            at_end: newest_first != window.backward,
            within,
            between: (
                low.map(|(instant, version)| Place::After(instant, version)),
                high.map(|(instant, version)| Place::After(instant, version.saturating_sub(1))),
            ),
            filter,
        })
    }

    /// What is to be read for the page: its lines first, then what shows whether there are pages beside it.
    #[must_use]
    pub fn slices(&self) -> Vec<EffectiveSlice> {
        let (first, last) = self.within;
        let (low, high) = self.between;
        let slice = |between, newest_first, limit| EffectiveSlice {
            account_id: self.account_id,
            between,
            effects: self.filter.effects.clone(),
            side: self.filter.side,
            newest_first,
            limit,
        };
        let page = (
            low.unwrap_or(first).max(first),
            high.unwrap_or(last).min(last),
        );
        // Without a cursor there is nothing beside the page, and an empty slice is not read.
        let earlier = (first, low.unwrap_or(first).min(last));
        let later = (high.unwrap_or(last).max(first), last);
        vec![
            slice(page, self.at_end, self.count.saturating_add(1)),
            slice(earlier, true, 1),
            slice(later, false, 1),
        ]
    }

    /// The page, from what was read for [`EffectiveRequest::slices`], in their order.
    #[must_use]
    pub fn page(&self, read: Vec<EffectiveLines>) -> Page<RunningLine> {
        let mut read = read.into_iter();
        let EffectiveLines { lines, balance } = read.next().unwrap_or_default();
        let more = lines.len() > self.count;
        let mut edges = self.edges(lines, balance);
        let mut beside = || read.next().is_some_and(|read| !read.lines.is_empty());
        let (earlier, later) = (beside(), beside());
        let (earlier, later) = if self.at_end {
            (earlier || more, later)
        } else {
            (earlier, later || more)
        };
        if self.at_end != self.newest_first {
            edges.reverse();
        }
        let (has_next_page, has_previous_page) = if self.newest_first {
            (earlier, later)
        } else {
            (later, earlier)
        };
        Page {
            edges,
            has_next_page,
            has_previous_page,
        }
    }

    /// The lines of the page, from the edge on that they were read from, where the balance is `balance`.
    fn edges(&self, lines: Vec<EffectiveLine>, mut balance: i64) -> Vec<Edge<RunningLine>> {
        let has_all_moves = self.has_all_moves();
        let lines = lines.into_iter().take(self.count);
        let edge = |read: EffectiveLine| {
            let EffectiveLine {
                line,
                effective_at,
                is_late,
            } = read;
            let version = line.version();
            // Balances are what some of the account's lines add up to, so they and the steps between them fit.
            let change = line.change(self.normal_side);
            let after = if self.at_end {
                balance
            } else {
                balance + change
            };
            balance = if self.at_end { balance - change } else { after };
            let balance = if has_all_moves {
                RunningBalance::Known(after)
            } else {
                RunningBalance::After(LinePlace {
                    account_id: self.account_id,
                    effective_at,
                    version,
                    is_late,
                })
            };
            let position = Position {
                key: Key::InstantAndVersion(effective_at, version),
                id: self.account_id,
            };
            Edge {
                cursor: position.encode(TAG),
                node: RunningLine { line, balance },
            }
        };
        lines.map(edge).collect()
    }

    /// Whether the filter lets every line through that moves money.
    fn has_all_moves(&self) -> bool {
        let moves = [LineEffect::Post, LineEffect::Capture];
        let effects = self.filter.effects.as_ref();
        self.filter.side.is_none()
            && effects.is_none_or(|effects| moves.iter().all(|it| effects.contains(it)))
    }
}
