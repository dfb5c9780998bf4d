//! Pages against a model: the whole list, filtered, sorted and cut in memory.

use super::book::{Book, at, by, effective, line, new_account, new_entry};
use daybook::ledger::{
    AccountFilter, AccountOrder, AccountOrderField, Clock, Code, EntryFilter, EntryOrder,
    EntryOrderField, OpenAccount, Page, PageError, PageRequest, PostEntry, count_accounts,
    count_entries, open_account, page_accounts, page_entries, post_entry,
};
use daybook_entity::{AccountStatus, EntryKind, account, entry};
use daybook_test_harness::{TestDatabase, on_every_engine};
use uuid::Uuid;

/// Accounts whose codes sort differently by byte, by locale and without regard to case; pairs opened at the same instant.
async fn with_accounts(database: TestDatabase) -> Book {
    let book = Book::new(database).await;
    let codes = ["a", "B", "ab", "a%", "a_", "é", "Z", "資産", "a b", "A"];
    for (index, code) in (0..).zip(codes) {
        let currency = if index % 3 == 0 { "JPY" } else { "EUR" }.to_owned();
        let command = OpenAccount {
            currency,
            ..new_account(code)
        };
        book.write(async |tx| open_account(tx, command, at(index / 2)).await)
            .await
            .unwrap();
    }
    book.set_status("ab", AccountStatus::Frozen).await.unwrap();
    book
}

/// The page that the specification asks for, of a list that is sorted already.
pub(super) fn model<Id: Copy + PartialEq>(
    all: &[Id],
    request: &PageRequest,
    places: &[(String, Id)],
) -> (Vec<Id>, bool, bool) {
    let place = |cursor: &Option<String>| {
        let cursor = cursor.as_ref()?;
        let id = places.iter().find(|(known, _)| known == cursor).unwrap().1;
        Some(all.iter().position(|known| *known == id).unwrap())
    };
    let from = place(&request.after).map_or(0, |place| place + 1);
    let until = place(&request.before).unwrap_or(all.len());
    let (mut from, mut until) = (from.min(all.len()), until.max(from.min(all.len())));
    match (request.first, request.last) {
        (None, Some(last)) => from = from.max(until.saturating_sub(usize::try_from(last).unwrap())),
        (first, _) => until = until.min(from + usize::try_from(first.unwrap_or(20)).unwrap()),
    }
    (all[from..until].to_vec(), until < all.len(), from > 0)
}

/// Every request with cursors out of the list (in the right order) and small counts.
pub(super) fn requests<Id>(places: &[(String, Id)]) -> Vec<PageRequest> {
    let counts = [
        (None, None),
        (Some(0), None),
        (Some(1), None),
        (Some(3), None),
        (None, Some(0)),
        (None, Some(2)),
        (None, Some(100)),
    ];
    let mut requests = Vec::new();
    for after in 0..=places.len() {
        for before in (0..=places.len()).filter(|before| after <= *before) {
            for (first, last) in counts {
                requests.push(PageRequest {
                    first,
                    last,
                    after: after.checked_sub(1).map(|place| places[place].0.clone()),
                    before: places.get(before).map(|place| place.0.clone()),
                });
            }
        }
    }
    requests
}

fn outline<M>(page: &Page<M>, id: impl Fn(&M) -> Uuid) -> (Vec<Uuid>, bool, bool) {
    (
        page.edges.iter().map(|edge| id(&edge.node)).collect(),
        page.has_next_page,
        page.has_previous_page,
    )
}

const ALL: PageRequest = PageRequest {
    first: Some(100),
    after: None,
    last: None,
    before: None,
};

async fn check_accounts(
    book: &Book,
    filter: &AccountFilter,
    order: AccountOrder,
    expected: &[account::Model],
) {
    let mut expected = expected.to_vec();
    match order.field {
        AccountOrderField::Code => expected.sort_by(|a, b| a.code.cmp(&b.code)),
        AccountOrderField::CreatedAt => expected.sort_by_key(|row| (row.created_at, row.id)),
    }
    if order.descending {
        expected.reverse();
    }
    let expected: Vec<Uuid> = expected.iter().map(|row| row.id).collect();
    let all = page_accounts(&book.db, filter, order, &ALL).await.unwrap();
    assert_eq!(
        outline(&all, |row| row.id),
        (expected.clone(), false, false)
    );
    assert_eq!(
        count_accounts(&book.db, filter).await.unwrap(),
        expected.len() as u64
    );
    let places: Vec<_> = all
        .edges
        .into_iter()
        .map(|edge| (edge.cursor, edge.node.id))
        .collect();
    for request in requests(&places) {
        let page = page_accounts(&book.db, filter, order, &request)
            .await
            .unwrap();
        assert_eq!(
            outline(&page, |row| row.id),
            model(&expected, &request, &places),
            "{order:?} {request:?}"
        );
    }
}

async fn check_entries(
    book: &Book,
    filter: &EntryFilter,
    order: EntryOrder,
    expected: &[entry::Model],
) {
    let mut expected = expected.to_vec();
    expected.sort_by_key(|row| match order.field {
        EntryOrderField::RecordedAt => (row.recorded_at, row.id),
        EntryOrderField::EffectiveAt => (row.effective_at, row.id),
    });
    if order.descending {
        expected.reverse();
    }
    let expected: Vec<Uuid> = expected.iter().map(|row| row.id).collect();
    let all = page_entries(&book.db, filter, order, &ALL).await.unwrap();
    assert_eq!(
        outline(&all, |row| row.id),
        (expected.clone(), false, false)
    );
    assert_eq!(
        count_entries(&book.db, filter).await.unwrap(),
        expected.len() as u64
    );
    let places: Vec<_> = all
        .edges
        .into_iter()
        .map(|edge| (edge.cursor, edge.node.id))
        .collect();
    for request in requests(&places) {
        let page = page_entries(&book.db, filter, order, &request)
            .await
            .unwrap();
        assert_eq!(
            outline(&page, |row| row.id),
            model(&expected, &request, &places),
            "{order:?} {request:?}"
        );
    }
}

on_every_engine! {
    async fn pages_of_accounts_are_the_model_s(database: TestDatabase) {
        let book = with_accounts(database).await;
        let all = page_accounts(&book.db, &AccountFilter::default(), AccountOrder::default(), &ALL).await.unwrap();
        let all: Vec<account::Model> = all.edges.into_iter().map(|edge| edge.node).collect();
        assert_eq!(all.len(), 10);
        for field in [AccountOrderField::Code, AccountOrderField::CreatedAt] {
            for descending in [false, true] {
                check_accounts(&book, &AccountFilter::default(), AccountOrder { field, descending }, &all).await;
            }
        }
    }

    async fn filters_of_accounts_are_exact(database: TestDatabase) {
        let book = with_accounts(database).await;
        let all = page_accounts(&book.db, &AccountFilter::default(), AccountOrder::default(), &ALL).await.unwrap();
        let all: Vec<account::Model> = all.edges.into_iter().map(|edge| edge.node).collect();
        let prefix = |prefix: &str| AccountFilter { code_prefix: Some(prefix.to_owned()), ..AccountFilter::default() };
        for text in ["", "a", "A", "a%", "a_", "é", "資", "x"] {
            let expected: Vec<_> = all.iter().filter(|row| row.code.starts_with(text)).cloned().collect();
            check_accounts(&book, &prefix(text), AccountOrder::default(), &expected).await;
        }
        let filter = AccountFilter {
            currency: Some("EUR".to_owned()),
            status: Some(AccountStatus::Open),
            code_prefix: Some("a".to_owned()),
            ..AccountFilter::default()
        };
        let expected: Vec<_> = all
            .iter()
            .filter(|row| row.currency == "EUR" && row.status == AccountStatus::Open && row.code.starts_with('a'))
            .cloned()
            .collect();
        assert!(!expected.is_empty());
        check_accounts(&book, &filter, AccountOrder { descending: true, ..AccountOrder::default() }, &expected).await;
    }

    async fn pages_and_filters_of_entries_are_the_model_s(database: TestDatabase) {
        let book = Book::new(database).await;
        for code in ["a", "b", "c"] {
            book.account(code).await;
        }
        let mut all = Vec::new();
        for index in 0..6 {
            let (debit, credit) = if index % 2 == 0 { ("a", "b") } else { ("c", "a") };
            // Pairs are recorded at the same instant, and effective dates go backwards.
            let command = PostEntry { notes: effective(at(-10 * (index / 3))), ..new_entry(vec![line(debit, credit, 1); 2]) };
            let posted = book.write(async |tx| post_entry(tx, command, &Clock::at(at(index / 2))).await).await.unwrap();
            all.push(posted.entry);
        }
        for field in [EntryOrderField::RecordedAt, EntryOrderField::EffectiveAt] {
            for descending in [false, true] {
                check_entries(&book, &EntryFilter::default(), EntryOrder { field, descending }, &all).await;
            }
        }
        let none = EntryFilter::default;
        let a = book.find("a").await.id;
        for (filter, keep) in [
            (EntryFilter { kind: Some(EntryKind::Post), ..none() }, [0, 1, 2, 3, 4, 5].as_slice()),
            (EntryFilter { kind: Some(EntryKind::Hold), ..none() }, &[]),
            (EntryFilter { account: Some(by("b")), ..none() }, &[0, 2, 4]),
            (EntryFilter { account: Some(by("c")), ..none() }, &[1, 3, 5]),
            (EntryFilter { account: Some(daybook::ledger::AccountRef::Id(a)), ..none() }, &[0, 1, 2, 3, 4, 5]),
            (EntryFilter { effective_from: Some(at(0)), ..none() }, &[0, 1, 2]),
            (EntryFilter { effective_until: Some(at(0)), ..none() }, &[3, 4, 5]),
            (EntryFilter { effective_from: Some(at(-10)), effective_until: Some(at(-9)), account: Some(by("b")), ..none() }, &[4]),
        ] {
            let expected: Vec<_> = keep.iter().map(|index: &usize| all[*index].clone()).collect();
            check_entries(&book, &filter, EntryOrder::default(), &expected).await;
        }
    }

    async fn bad_arguments_are_refused_with_their_name(database: TestDatabase) {
        let book = with_accounts(database).await;
        let order = AccountOrder::default();
        let all = page_accounts(&book.db, &AccountFilter::default(), order, &ALL).await.unwrap();
        let cursor = Some(all.edges[3].cursor.clone());
        let none = PageRequest::default;
        for (field, request) in [
            ("first", PageRequest { first: Some(-1), ..none() }),
            ("first", PageRequest { first: Some(101), ..none() }),
            ("last", PageRequest { last: Some(-1), ..none() }),
            ("last", PageRequest { last: Some(i32::MAX), ..none() }),
            ("last", PageRequest { first: Some(1), last: Some(1), ..none() }),
            ("after", PageRequest { after: Some("x".to_owned()), ..none() }),
            ("before", PageRequest { before: Some(String::new()), ..none() }),
        ] {
            match page_accounts(&book.db, &AccountFilter::default(), order, &request).await.unwrap_err() {
                PageError::Input(input) => assert_eq!(input.field, field),
                other => panic!("{other:?}"),
            }
        }
        let by_age = AccountOrder { field: AccountOrderField::CreatedAt, ..order };
        let request = PageRequest { after: cursor, ..none() };
        assert!(page_accounts(&book.db, &AccountFilter::default(), order, &request).await.is_ok());
        let refused = page_accounts(&book.db, &AccountFilter::default(), by_age, &request).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::BadUserInput));
        for filter in [
            AccountFilter { currency: Some("\0".to_owned()), ..AccountFilter::default() },
            AccountFilter { code_prefix: Some("\0".to_owned()), ..AccountFilter::default() },
        ] {
            assert_eq!(count_accounts(&book.db, &filter).await.unwrap_err().code(), Some(Code::BadUserInput));
        }
    }
}
