//! Groups of accounts: what is in them beside a fold over everything, what the database refuses by itself, and changes at the same time.

mod damage;
mod limits;
mod places;
mod races;
mod rules;
mod sums;
mod volume;

use super::book::{Book, by, noon};
use daybook::ledger::{
    AccountGroupError, ChangeGroupContents, Clock, CreateAccountGroup, DeleteAccountGroup,
    GroupRef, UpdateAccountGroup, add_to_account_group, create_account_group, delete_account_group,
    random, remove_from_account_group, update_account_group,
};
use daybook_entity::account_group;

pub(crate) type Answer = Result<account_group::Model, AccountGroupError>;

pub(super) fn path(path: &str) -> GroupRef {
    GroupRef::Path(path.to_owned())
}

pub(super) fn contents(group: &str, accounts: &[&str], prefixes: &[&str]) -> ChangeGroupContents {
    ChangeGroupContents {
        group: path(group),
        accounts: accounts.iter().map(|code| by(code)).collect(),
        code_prefixes: prefixes.iter().map(|it| (*it).to_owned()).collect(),
        recorded_by: None,
    }
}

pub(super) fn new_group(path: &str) -> CreateAccountGroup {
    CreateAccountGroup {
        random: random(),
        path: path.to_owned(),
        name: format!("Group {path}"),
        recorded_by: None,
    }
}

pub(super) fn moved(group: &str, to: &str) -> UpdateAccountGroup {
    UpdateAccountGroup {
        group: path(group),
        expected_revision: None,
        path: Some(to.to_owned()),
        name: None,
        recorded_by: None,
    }
}

pub(crate) async fn create(book: &Book, path: &str) -> Answer {
    let clock = Clock::at(noon());
    book.write(async |tx| create_account_group(tx, new_group(path), &clock).await)
        .await
}

pub(super) async fn update(book: &Book, command: UpdateAccountGroup) -> Answer {
    let clock = Clock::at(noon());
    book.write(async |tx| update_account_group(tx, command, &clock).await)
        .await
}

pub(super) async fn delete(book: &Book, group: &str) -> Answer {
    let command = DeleteAccountGroup {
        group: path(group),
        expected_revision: None,
        recorded_by: None,
    };
    let clock = Clock::at(noon());
    book.write(async |tx| delete_account_group(tx, command, &clock).await)
        .await
}

pub(crate) async fn add(book: &Book, group: &str, accounts: &[&str], prefixes: &[&str]) -> Answer {
    let (command, clock) = (contents(group, accounts, prefixes), Clock::at(noon()));
    book.write(async |tx| add_to_account_group(tx, command, &clock).await)
        .await
}

pub(super) async fn remove(
    book: &Book,
    group: &str,
    accounts: &[&str],
    prefixes: &[&str],
) -> Answer {
    let (command, clock) = (contents(group, accounts, prefixes), Clock::at(noon()));
    book.write(async |tx| remove_from_account_group(tx, command, &clock).await)
        .await
}

/// A tree with two branches, in which is an account by hand and two prefixes, one longer than the other.
pub(super) async fn a_tree(book: &Book) {
    for code in ["a", "a:b", "a:b:c", "x"] {
        book.account(code).await;
    }
    for path in ["tax", "tax:in", "tax:in:deep", "tax:out"] {
        create(book, path).await.unwrap();
    }
    add(book, "tax:in", &[], &["a"]).await.unwrap();
    add(book, "tax:in:deep", &[], &["a:b"]).await.unwrap();
    add(book, "tax:out", &["a:b:c"], &[]).await.unwrap();
}
