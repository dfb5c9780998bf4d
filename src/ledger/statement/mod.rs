//! Statements: the lines of an account, with the balance after each. Here, in the order in which they were posted.
//!
//! Each line adds one version to its account, without gaps. So without a filter, a page is a range of versions that is known before the
//! database is asked, and it is known whether there are pages beside it. With a filter, lines are read from the cursor on until the page
//! is full. Either way, one statement reads the pages of any number of accounts.
//!
//! In the order of the instants that lines count from, and with balances in that order: [`effective`].

mod count;
mod effective;
mod read;

use super::keyset::{Key, Position, Window};
use super::{Edge, InvalidInput, Page, PageRequest, input};
use chrono::{DateTime, Utc};
pub use count::{StatementCount, count_statement, count_statement_lines};
use daybook_entity::{LineEffect, Side, account, entry_line};
pub use effective::{
    EffectiveLines, EffectiveRequest, EffectiveSlice, LinePlace, RunningBalance, RunningLine,
    effective_lines, effective_lines_statement, running_balances, running_balances_statement,
};
pub use read::{statement_lines, whole_statement};
use uuid::Uuid;

/// Tells cursors of statements from others.
const TAG: u8 = 5;

/// Which lines of a statement; what is not given does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StatementFilter {
    /// That do one of these.
    pub effects: Option<Vec<LineEffect>>,
    /// On which the account is on this side.
    pub side: Option<Side>,
    /// That count from this instant or a later one.
    pub effective_from: Option<DateTime<Utc>>,
    /// That count from before this instant.
    pub effective_until: Option<DateTime<Utc>>,
}

/// A line as one of its accounts sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementLine {
    /// The line.
    pub line: entry_line::Model,
    /// The account's side of it.
    pub side: Side,
}

impl StatementLine {
    /// The account's version after it.
    #[must_use]
    pub const fn version(&self) -> i64 {
        match self.side {
            Side::Debit => self.line.debit_version,
            Side::Credit => self.line.credit_version,
        }
    }

    /// The account's posted balance after it, in minor units.
    #[must_use]
    pub const fn balance_after(&self) -> i64 {
        match self.side {
            Side::Debit => self.line.debit_balance,
            Side::Credit => self.line.credit_balance,
        }
    }

    /// The account on the other side.
    #[must_use]
    pub const fn counterparty_id(&self) -> Uuid {
        match self.side {
            Side::Debit => self.line.credit_account_id,
            Side::Credit => self.line.debit_account_id,
        }
    }

    /// What it adds to the posted balance of its account, whose normal side is `normal_side`, in minor units.
    #[must_use]
    pub fn change(&self, normal_side: Side) -> i64 {
        match self.line.effect {
            LineEffect::Hold | LineEffect::Release => 0,
            LineEffect::Post | LineEffect::Capture if self.side == normal_side => self.line.amount,
            LineEffect::Post | LineEffect::Capture => -self.line.amount,
        }
    }
}

/// Lines of an account that are read together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StatementSlice {
    account_id: Uuid,
    /// The first and the last version that may be in it.
    versions: (i64, i64),
    /// What else is asked of a line, from which end on, and how many at most; without it, all of them.
    search: Option<Search>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Search {
    filter: StatementFilter,
    newest_first: bool,
    limit: u64,
}

/// A page of a statement, to be read.
#[derive(Clone, Debug)]
pub struct StatementRequest {
    account_id: Uuid,
    newest: i64,
    newest_first: bool,
    window: StatementWindow,
    filter: Option<StatementFilter>,
}

/// Where a page lies, by version.
#[derive(Clone, Copy, Debug)]
struct StatementWindow {
    count: i64,
    /// Whether the page is taken from the end of the versions between the cursors, rather than from the beginning.
    at_end: bool,
    /// The first and the last version between the cursors.
    versions: (i64, i64),
}

impl StatementRequest {
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
        let version = |field: &str, position: Option<Position>| match position {
            None => Ok(None),
            Some(Position {
                key: Key::Version(version),
                id,
            }) if id == account.id => Ok(Some(version)),
            Some(_) => Err(InvalidInput::new(
                field,
                "is a cursor of another account's statement",
            )),
        };
        let after = version("after", window.after)?;
        let before = version("before", window.before)?;
        let (low, high) = if newest_first {
            (before, after)
        } else {
            (after, before)
        };
        let first = low.map_or(1, |low| low.saturating_add(1));
        let last = high.map_or(account.version, |high| {
            high.saturating_sub(1).min(account.version)
        });
        let filter = check(filter)?;
        Ok(Self {
            account_id: account.id,
            newest: account.version,
            newest_first,
            window: StatementWindow {
                count: i64::try_from(window.count).unwrap_or(i64::MAX),
                at_end: newest_first != window.backward,
                versions: (first.max(1), last),
            },
            filter: (filter != StatementFilter::default()).then_some(filter),
        })
    }

    /// What is to be read for the page: its lines first, then, with a filter, what shows whether there are pages beside it.
    #[must_use]
    pub fn slices(&self) -> Vec<StatementSlice> {
        let StatementWindow {
            count,
            at_end,
            versions: (first, last),
        } = self.window;
        let slice = |versions, search| StatementSlice {
            account_id: self.account_id,
            versions,
            search,
        };
        let Some(filter) = &self.filter else {
            return vec![slice(self.range(), None)];
        };
        let search = |newest_first, limit| {
            Some(Search {
                filter: filter.clone(),
                newest_first,
                limit,
            })
        };
        let limit = u64::try_from(count).unwrap_or(u64::MAX).saturating_add(1);
        vec![
            slice((first, last), search(at_end, limit)),
            slice((1, first - 1), search(true, 1)),
            slice((last + 1, self.newest), search(false, 1)),
        ]
    }

    /// The versions of the page where nothing is filtered.
    fn range(&self) -> (i64, i64) {
        let StatementWindow {
            count,
            at_end,
            versions: (first, last),
        } = self.window;
        if at_end {
            (
                first.max(last.saturating_sub(count).saturating_add(1)),
                last,
            )
        } else {
            (
                first,
                last.min(first.saturating_add(count).saturating_sub(1)),
            )
        }
    }

    /// The page, from what was read for [`StatementRequest::slices`], in their order.
    #[must_use]
    pub fn page(&self, read: Vec<Vec<StatementLine>>) -> Page<StatementLine> {
        let mut read = read.into_iter();
        let mut lines = read.next().unwrap_or_default();
        let (earlier, later) = if self.filter.is_none() {
            let (first, last) = self.range();
            // An empty page (`first: 0`, or nothing between the cursors) lies where its range would begin.
            let last = last.max(first - 1);
            (first > 1 && self.newest > 0, last < self.newest)
        } else {
            let count = usize::try_from(self.window.count).unwrap_or(usize::MAX);
            let more = lines.len() > count;
            lines.truncate(count);
            lines.sort_by_key(StatementLine::version);
            let mut beside = || read.next().is_some_and(|lines| !lines.is_empty());
            let (earlier, later) = (beside(), beside());
            if self.window.at_end {
                (earlier || more, later)
            } else {
                (earlier, later || more)
            }
        };
        if self.newest_first {
            lines.reverse();
        }
        let (has_next_page, has_previous_page) = if self.newest_first {
            (earlier, later)
        } else {
            (later, earlier)
        };
        let edges = lines.into_iter().map(|line| {
            let key = Key::Version(line.version());
            let position = Position {
                key,
                id: self.account_id,
            };
            Edge {
                cursor: position.encode(TAG),
                node: line,
            }
        });
        Page {
            edges: edges.collect(),
            has_next_page,
            has_previous_page,
        }
    }
}

fn check(filter: StatementFilter) -> Result<StatementFilter, InvalidInput> {
    let instant =
        |field: &str, at: Option<DateTime<Utc>>| at.map(|at| input::instant(field, at)).transpose();
    Ok(StatementFilter {
        effective_from: instant("filter.effectiveFrom", filter.effective_from)?,
        effective_until: instant("filter.effectiveUntil", filter.effective_until)?,
        ..filter
    })
}
