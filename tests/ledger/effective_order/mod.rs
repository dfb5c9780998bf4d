//! Statements in the order of the instants that lines count from. Here: how the tests read them, and entries to read.

mod fold;
mod index;
mod places;

use super::book::{Book, at, effective, line, new_entry, new_hold};
use chrono::{DateTime, Utc};
use daybook::ledger::{
    CaptureHold, Clock, EffectiveRequest, LinePlace, Page, PageRequest, PlaceHold, PostEntry,
    PostedEntry, ReleaseHold, RunningBalance, RunningLine, StatementFilter, capture_hold,
    effective_lines, new_entry_id, random, release_hold, running_balances,
};
use daybook_entity::account;
use uuid::Uuid;

struct Read {
    /// Cursor, version, balance.
    lines: Vec<(String, i64, i64)>,
    has_next_page: bool,
    has_previous_page: bool,
}

async fn page_of(
    book: &Book,
    account: &account::Model,
    page: &PageRequest,
    filter: &StatementFilter,
    newest_first: bool,
) -> Page<RunningLine> {
    let request = EffectiveRequest::new(account, page, filter.clone(), newest_first).unwrap();
    let slices = request.slices();
    let mut read = effective_lines(&book.db, &slices).await.unwrap();
    let read = slices
        .iter()
        .map(|slice| read.remove(slice).unwrap_or_default());
    request.page(read.collect())
}

async fn read(
    book: &Book,
    account: &account::Model,
    page: &PageRequest,
    filter: &StatementFilter,
    newest_first: bool,
) -> Read {
    let page = page_of(book, account, page, filter, newest_first).await;
    let places = looked_up(&page);
    let balances = running_balances(&book.db, &places).await.unwrap();
    let lines = page.edges.into_iter().map(|edge| {
        let balance = match edge.node.balance {
            RunningBalance::Known(balance) => balance,
            RunningBalance::After(place) => balances[&place],
        };
        (edge.cursor, edge.node.line.version(), balance)
    });
    Read {
        lines: lines.collect(),
        has_next_page: page.has_next_page,
        has_previous_page: page.has_previous_page,
    }
}

/// The lines whose balances do not come with the page.
fn looked_up(page: &Page<RunningLine>) -> Vec<LinePlace> {
    let edges = page.edges.iter();
    let places = edges.filter_map(|edge| match edge.node.balance {
        RunningBalance::After(place) => Some(place),
        RunningBalance::Known(_) => None,
    });
    places.collect()
}

const ALL: PageRequest = PageRequest {
    first: Some(100),
    after: None,
    last: None,
    before: None,
};

/// An entry that counts from so many seconds after noon: what it does, from, to, amount.
type Step = (i64, u8, usize, usize, i64);

async fn carry_out(book: &Book, codes: &[String], steps: &[Step]) -> Vec<PostedEntry> {
    let mut entries = Vec::new();
    let mut holds: Vec<(Uuid, DateTime<Utc>)> = Vec::new();
    for (number, (seconds, kind, from, distance, amount)) in (100..).zip(steps) {
        let to = (from + distance) % codes.len();
        let lines = vec![
            line(&codes[*from], &codes[to], *amount),
            line(&codes[to], &codes[*from], 1),
        ];
        let (now, notes) = (at(number), effective(at(*seconds)));
        let id = new_entry_id(now, random());
        let posted = match kind {
            0 => {
                let hold = PlaceHold {
                    notes,
                    ..new_hold(lines)
                };
                let hold = book.hold(hold).await.unwrap();
                holds.push((hold.entry.id, hold.entry.effective_at));
                hold
            }
            1 | 2 if !holds.is_empty() => {
                let (hold_id, since) = holds.remove(0);
                let notes = effective(since.max(at(*seconds)));
                if *kind == 1 {
                    let capture = CaptureHold {
                        id,
                        hold_id,
                        amounts: None,
                        keeps_rest: false,
                        notes,
                    };
                    let capture = async |tx: &_| capture_hold(tx, capture, &Clock::at(now)).await;
                    book.write(capture).await.unwrap()
                } else {
                    let release = ReleaseHold {
                        id,
                        hold_id,
                        amounts: None,
                        notes,
                    };
                    let release = async |tx: &_| release_hold(tx, release, &Clock::at(now)).await;
                    book.write(release).await.unwrap()
                }
            }
            _ => book
                .post(PostEntry {
                    notes,
                    ..new_entry(lines)
                })
                .await
                .unwrap(),
        };
        entries.push(posted);
    }
    entries
}
