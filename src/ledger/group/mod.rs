//! Groups of accounts: trees beside the hierarchy of codes, for reports by another breakdown.
//!
//! A tree is a group without a parent. A group is known by its path, `tax-report:income:wages`; its parent is the group whose path is one
//! part shorter. An account is in at most one group of a tree by hand; otherwise it is in the one with the longest prefix of its code, if
//! there is one ([`place`]). Groups have no history of their own in reports: whatever the period, accounts are in the groups where they are
//! now, as with classes.
//!
//! The verbs insert rows into the history (`group_change`), and the database itself writes them to the tables of what is now. It also keeps
//! trees without cycles. Before it reads what decides, a verb locks the tree: so changes of one tree come one after the other, and postings
//! never wait for them. Read `change` for groups themselves, `contents` for what is in them.

mod change;
mod contents;
mod error;
mod find;
mod history;
pub(super) mod place;

use super::{Id, InvalidInput, input};
pub use change::{
    CreateAccountGroup, DeleteAccountGroup, UpdateAccountGroup, create_account_group,
    delete_account_group, update_account_group,
};
pub use contents::{ChangeGroupContents, add_to_account_group, remove_from_account_group};
pub use error::{AccountGroupError, GroupNotFound};
pub use find::{
    account_group, account_groups_by_id, account_groups_by_path, account_trees, children_of_groups,
    code_prefixes_of_groups, count_account_groups, page_account_groups,
};
pub(super) use find::{named_group, named_tree};
pub use history::{GroupChangeFilter, count_group_changes, page_group_changes};
pub use place::{GroupPlace, groups_by_hand, groups_of_accounts};
use std::fmt;
use uuid::Uuid;

/// The most groups of a tree. The database keeps it, too.
pub const MOST_GROUPS: u64 = 1000;

/// The most trees. The database keeps it, too.
pub const MOST_TREES: u64 = 20;

/// The most prefixes of codes in a tree. The database keeps it, too.
pub const MOST_PREFIXES: usize = 1000;

/// The most parts of a path.
const MOST_PARTS: usize = 10;

/// How a caller names a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GroupRef {
    /// By its id.
    Id(Uuid),
    /// By its path.
    Path(String),
    /// By a text that was given as an id, and that no group can have as one.
    NoId(String),
}

impl fmt::Display for GroupRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => Id::Group(*id).fmt(f),
            Self::Path(text) | Self::NoId(text) => f.write_str(text),
        }
    }
}

/// A path: 1 to 200 characters by the rules of codes, in at most ten parts that colons separate, none of them empty.
fn path(field: &str, text: &str) -> Result<String, InvalidInput> {
    let path = input::reference(field, text)?;
    let parts: Vec<&str> = path.split(':').collect();
    if parts.len() > MOST_PARTS {
        let problem = format!(
            "has {} parts: at most {MOST_PARTS} are kept, the tree included",
            parts.len()
        );
        return Err(InvalidInput::new(field, problem));
    }
    if parts
        .iter()
        .any(|part| part.is_empty() || part.trim() != *part)
    {
        let problem = "has a part that is empty, or that begins or ends with a space: write it as `tree:group:group`";
        return Err(InvalidInput::new(field, problem));
    }
    Ok(path)
}

/// The path of the tree that a path is in.
fn tree_of(path: &str) -> &str {
    path.split_once(':').map_or(path, |(tree, _)| tree)
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn paths_have_parts_that_can_be_seen() {
        let deep = ["a"; 10].join(":");
        for (text, stored) in [
            (" tax ", "tax"),
            ("tax:line 3:cafe\u{301}", "tax:line 3:caf\u{e9}"),
            (deep.as_str(), deep.as_str()),
        ] {
            assert_eq!(path("path", text).as_deref(), Ok(stored));
        }
        let too_deep = format!("{deep}:a");
        let long = "x".repeat(201);
        for text in [
            "",
            ":",
            "a:",
            ":a",
            "a::b",
            "a: b",
            "a :b",
            "a\nb",
            "a:\u{200b}",
            &too_deep,
            &long,
        ] {
            assert!(path("path", text).is_err(), "{text:?}");
        }
    }
}
