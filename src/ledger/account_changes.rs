//! The history of what describes an account.
//!
//! Revisions have no gaps, and the account knows its own. So a page is a range of revisions that is known before the database is asked.

use super::keyset::{Key, Position, Window};
use super::{Edge, InvalidInput, Page, PageRequest, sql};
use daybook_entity::{account, account_change};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use std::collections::HashMap;
use uuid::Uuid;

/// Tells cursors of these pages from others.
const TAG: u8 = 21;

/// A revision of an account: its id, and the revision's number.
pub type Revision = (Uuid, i64);

/// The page of an account's revisions that is asked for, newest first, each by its number: no statement.
///
/// # Errors
/// When the arguments break a rule.
pub fn page_account_changes(
    account: &account::Model,
    request: &PageRequest,
) -> Result<Page<Revision>, InvalidInput> {
    let window = Window::new(request, TAG)?;
    let revision = |field: &str, position: Option<Position>| match position {
        None => Ok(None),
        Some(Position {
            key: Key::Version(revision),
            id,
        }) if id == account.id => Ok(Some(revision)),
        Some(_) => Err(InvalidInput::new(
            field,
            "is a cursor of another account's changes",
        )),
    };
    let oldest = revision("before", window.before)?.map_or(1, |it| it.saturating_add(1).max(1));
    let newest = revision("after", window.after)?.map_or(account.revision, |it| {
        it.saturating_sub(1).min(account.revision)
    });
    let count = i64::try_from(window.count).unwrap_or(i64::MAX);
    let (first, last) = if window.backward {
        (oldest, newest.min(oldest.saturating_add(count) - 1))
    } else {
        (oldest.max(newest.saturating_sub(count) + 1), newest)
    };
    let edges = (first..=last).rev().map(|revision| Edge {
        cursor: Position {
            key: Key::Version(revision),
            id: account.id,
        }
        .encode(TAG),
        node: (account.id, revision),
    });
    Ok(Page {
        edges: edges.collect(),
        has_next_page: first > 1,
        // An empty page lies where it would begin.
        has_previous_page: last.max(first - 1) < account.revision,
    })
}

/// These revisions of accounts: one statement.
///
/// # Errors
/// When the database fails.
pub async fn account_changes(
    db: &impl ConnectionTrait,
    revisions: &[Revision],
) -> Result<HashMap<Revision, account_change::Model>, DbErr> {
    let mut found = HashMap::with_capacity(revisions.len());
    if revisions.is_empty() {
        return Ok(found);
    }
    let wanted = sql::numbered_of(
        "account_change",
        ("account_id", "revision"),
        revisions.iter().copied(),
    );
    for row in db.query_all_raw(wanted.statement(db)).await? {
        let change = account_change::Model::from_query_result(&row, "")?;
        found.insert((change.account_id, change.revision), change);
    }
    Ok(found)
}
