//! Which accounts are in which groups: beside a fold over accounts, prefixes and what was done by hand, after each of many random changes.

use super::{add, create, delete, moved, path, remove, update};
use crate::ledger::book::{Book, noon};
use crate::ledger::history::Dice;
use daybook::ledger::{
    AccountFilter, AccountOrder, GroupRef, InGroup, PageRequest, account_group, account_trees,
    count_accounts, groups_of_accounts, page_account_groups, page_accounts, page_group_changes,
};
use daybook_entity::account;
use daybook_test_harness::{TestDatabase, on_every_engine};
use sea_orm::EntityTrait;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CODES: [&str; 12] = [
    "a",
    "a:b",
    "a:b:c",
    "a:bc",
    "a%",
    "ab",
    "b",
    "b:\u{10ffff}",
    "b:\u{10ffff}\u{10ffff}x",
    "é",
    "éa",
    "資",
];

const PREFIXES: [&str; 9] = [
    "a",
    "a:",
    "a:b",
    "a:b:",
    "a%",
    "b:",
    "é",
    "資産",
    "b:\u{10ffff}",
];

/// What is in the groups of a ledger, as the commands say.
#[derive(Clone, Default)]
pub(super) struct Model {
    /// Paths.
    pub(super) groups: BTreeSet<String>,
    /// The tree and the account's code; the group.
    pub(super) hands: BTreeMap<(String, String), String>,
    /// The tree and the prefix; the group.
    pub(super) prefixes: BTreeMap<(String, String), String>,
}

fn tree(path: &str) -> String {
    path.split(':').next().unwrap().to_owned()
}

impl Model {
    /// The group of an account in a tree, and the prefix by which it is there.
    pub(super) fn place(&self, of_tree: &str, code: &str) -> Option<(String, Option<String>)> {
        let hand = self.hands.get(&(of_tree.to_owned(), code.to_owned()));
        if let Some(group) = hand {
            return Some((group.clone(), None));
        }
        let rules = self.prefixes.iter();
        let rules = rules.filter(|((it, prefix), _)| it == of_tree && code.starts_with(prefix));
        let longest = rules.max_by_key(|((_, prefix), _)| prefix.len());
        longest.map(|((_, prefix), group)| (group.clone(), Some(prefix.clone())))
    }

    fn rename(&mut self, from: &str, to: &str) {
        let renamed = |path: &str| match path.strip_prefix(from) {
            Some(rest) if rest.is_empty() || rest.starts_with(':') => format!("{to}{rest}"),
            _ => path.to_owned(),
        };
        self.groups = self.groups.iter().map(|it| renamed(it)).collect();
        for places in [&mut self.hands, &mut self.prefixes] {
            *places = places
                .iter()
                .map(|((_, content), group)| {
                    let group = renamed(group);
                    ((tree(&group), content.clone()), group)
                })
                .collect();
        }
    }

    fn is_empty(&self, path: &str) -> bool {
        let below = format!("{path}:");
        !self.groups.iter().any(|it| it.starts_with(&below))
            && !self.hands.values().any(|it| it == path)
            && !self.prefixes.values().any(|it| it == path)
    }
}

fn one<'a>(dice: &mut Dice, of: &[&'a str]) -> &'a str {
    of[usize::try_from(dice.roll(i64::try_from(of.len()).unwrap())).unwrap()]
}

/// Does something at random to the groups of the ledger, and to the model if that must succeed; whether it succeeded.
async fn step(book: &Book, model: &mut Model, dice: &mut Dice, opened: &[&str]) -> bool {
    let paths = [
        "t", "u", "t:a", "t:b", "t:a:x", "t:a:y", "t:b:x", "u:a", "u:a:a", "t:a:x:z", "t-a",
    ];
    let group = one(dice, &paths);
    let there = model.groups.contains(group);
    match dice.roll(10) {
        0..=1 => {
            let parent = group.rsplit_once(':').map(|(parent, _)| parent.to_owned());
            let may = !there && parent.is_none_or(|it| model.groups.contains(&it));
            let created = create(book, group).await;
            assert_eq!(created.is_ok(), may, "{group}: {created:?}");
            if may {
                model.groups.insert(group.to_owned());
            }
            may
        }
        2 => {
            let to = one(dice, &paths);
            let parent = to.rsplit_once(':').map(|(parent, _)| parent);
            let below = to.starts_with(&format!("{group}:"));
            let may = there
                && (to == group
                    || !below
                        && !model.groups.contains(to)
                        && match (group.contains(':'), parent) {
                            (false, None) => true,
                            (true, Some(parent)) => {
                                tree(to) == tree(group) && model.groups.contains(parent)
                            }
                            _ => false,
                        });
            let answer = update(book, moved(group, to)).await;
            assert_eq!(answer.is_ok(), may, "{group} to {to}: {answer:?}");
            if may {
                model.rename(group, to);
            }
            may
        }
        3 => {
            let may = there && model.is_empty(group);
            let answer = delete(book, group).await;
            assert_eq!(answer.is_ok(), may, "{group}: {answer:?}");
            if may {
                model.groups.remove(group);
            }
            may
        }
        4..=7 => {
            let codes = [one(dice, opened), one(dice, opened)];
            let prefixes = [one(dice, &PREFIXES)];
            let (codes, prefixes): (&[&str], &[&str]) = match dice.roll(3) {
                0 => (&codes, &[]),
                1 => (&[], &prefixes),
                _ => (&codes[..1], &prefixes),
            };
            let answer = add(book, group, codes, prefixes).await;
            assert_eq!(answer.is_ok(), there, "{group}: {answer:?}");
            if there {
                for code in codes {
                    let key = (tree(group), (*code).to_owned());
                    model.hands.insert(key, group.to_owned());
                }
                for prefix in prefixes {
                    let key = (tree(group), (*prefix).to_owned());
                    model.prefixes.insert(key, group.to_owned());
                }
            }
            there
        }
        _ => {
            let (code, prefix) = (one(dice, opened), one(dice, &PREFIXES));
            let by_hand = dice.roll(2) == 0;
            let content = if by_hand { code } else { prefix };
            let key = (tree(group), content.to_owned());
            let places = match by_hand {
                true => &mut model.hands,
                false => &mut model.prefixes,
            };
            let may = there && places.get(&key).is_some_and(|it| it == group);
            let (codes, prefixes): (&[&str], &[&str]) = match by_hand {
                true => (&[code], &[]),
                false => (&[], &[prefix]),
            };
            let answer = remove(book, group, codes, prefixes).await;
            assert_eq!(answer.is_ok(), may, "{group}: {answer:?}");
            if may {
                places.remove(&key);
            }
            may
        }
    }
}

/// The codes of the accounts that a filter lets through.
async fn codes(book: &Book, filter: &AccountFilter) -> Vec<String> {
    let (order, request) = (AccountOrder::default(), PageRequest::default());
    let page = page_accounts(&book.db, filter, order, &request)
        .await
        .unwrap();
    let codes: Vec<_> = page.edges.iter().map(|it| it.node.code.clone()).collect();
    assert_eq!(
        count_accounts(&book.db, filter).await.unwrap(),
        codes.len() as u64
    );
    codes
}

/// The ledger says what the model says, whichever way it is asked.
async fn agrees(book: &Book, model: &Model) {
    let request = PageRequest {
        first: Some(100),
        ..PageRequest::default()
    };
    let page = page_account_groups(&book.db, None, &request).await.unwrap();
    let paths: Vec<_> = page.edges.iter().map(|it| it.node.path.clone()).collect();
    assert_eq!(paths, model.groups.iter().cloned().collect::<Vec<_>>());
    let accounts = account::Entity::find().all(&book.db).await.unwrap();
    let ids: Vec<_> = accounts.iter().map(|it| it.id).collect();
    let places = groups_of_accounts(&book.db, &ids).await.unwrap();
    let trees: BTreeSet<String> = model.groups.iter().map(|it| tree(it)).collect();
    for account in &accounts {
        let found = places.get(&account.id).cloned().unwrap_or_default();
        let found: Vec<_> = found
            .into_iter()
            .map(|it| (it.group.path, it.code_prefix))
            .collect();
        let mut expected: Vec<_> = trees
            .iter()
            .filter_map(|tree| model.place(tree, &account.code))
            .collect();
        expected.sort();
        assert_eq!(found, expected, "{}", account.code);
    }
    let of = |keep: &dyn Fn(&str) -> bool| {
        let codes: BTreeSet<_> = accounts.iter().map(|it| it.code.clone()).collect();
        codes
            .into_iter()
            .filter(|code| keep(code))
            .collect::<Vec<_>>()
    };
    for group in &model.groups {
        let tree = tree(group);
        let below = format!("{group}:");
        for subgroups in [false, true] {
            let filter = AccountFilter {
                group: Some(InGroup {
                    group: path(group),
                    subgroups,
                }),
                ..AccountFilter::default()
            };
            let expected = of(&|code| {
                let place = model.place(&tree, code);
                place.is_some_and(|(it, _)| it == *group || subgroups && it.starts_with(&below))
            });
            assert_eq!(codes(book, &filter).await, expected, "{group} {subgroups}");
        }
        let by_path = account_group(&book.db, &path(group))
            .await
            .unwrap()
            .unwrap();
        let by_id = account_group(&book.db, &GroupRef::Id(by_path.id)).await;
        assert_eq!(by_id.unwrap(), Some(by_path));
    }
    for tree in &trees {
        let filter = AccountFilter {
            ungrouped_in: Some(tree.clone()),
            ..AccountFilter::default()
        };
        let expected = of(&|code| model.place(tree, code).is_none());
        assert_eq!(codes(book, &filter).await, expected, "{tree}");
    }
    let found = account_trees(&book.db).await.unwrap();
    let found: BTreeSet<_> = found.into_iter().map(|it| it.path).collect();
    assert_eq!(found, trees);
}

/// A ledger whose groups were changed at random.
pub(super) async fn shuffled(book: &Book, seed: u64, steps: usize) -> Model {
    for code in CODES {
        book.account(code).await;
    }
    let (mut model, mut dice) = (Model::default(), Dice(seed));
    for _ in 0..steps {
        step(book, &mut model, &mut dice, &CODES).await;
    }
    // Whatever the dice have left: prefixes within prefixes, and a hand that goes before them.
    for path in ["v", "v:a", "v:b", "v:b:c"] {
        create(book, path).await.unwrap();
        model.groups.insert(path.to_owned());
    }
    for (group, code, prefix) in [
        ("v:a", "ab", "a"),
        ("v:b", "a%", "a:"),
        ("v:b:c", "資", "a:b"),
    ] {
        add(book, group, &[code], &[prefix]).await.unwrap();
        let key = |content: &str| ("v".to_owned(), content.to_owned());
        model.hands.insert(key(code), group.to_owned());
        model.prefixes.insert(key(prefix), group.to_owned());
    }
    // With what is in it, and in what is below it.
    update(book, moved("v:b", "v:a:b")).await.unwrap();
    model.rename("v:b", "v:a:b");
    model
}

on_every_engine! {
    async fn accounts_are_where_a_fold_finds_them(database: TestDatabase) {
        let book = Book::new(database).await;
        for code in &CODES[..9] {
            book.account(code).await;
        }
        let (mut model, mut dice) = (Model::default(), Dice(0x51f1_5eed));
        let (mut done, mut refused) = (0, 0);
        for number in 0..220 {
            let opened = if number > 150 { &CODES[..] } else { &CODES[..9] };
            match step(&book, &mut model, &mut dice, opened).await {
                true => done += 1,
                false => refused += 1,
            }
            if number == 150 {
                // What is opened later falls under the prefixes by itself.
                for code in &CODES[9..] {
                    book.account(code).await;
                }
            }
            if number % 20 == 19 {
                agrees(&book, &model).await;
            }
        }
        assert!(done > 60 && refused > 40, "{done} {refused}");
        assert!(model.groups.len() > 4 && model.hands.len() > 4 && model.prefixes.len() > 4);
        book.is_sound().await;
        // Each change is in the history, the last of them first.
        let changes = page_group_changes(&book.db, &Default::default(), &PageRequest::default()).await.unwrap();
        assert!(changes.has_next_page);
        assert!(changes.edges.iter().all(|it| it.node.recorded_at == noon()));
        assert!(changes.edges.is_sorted_by(|later, earlier| later.node.number > earlier.node.number));
    }
}
