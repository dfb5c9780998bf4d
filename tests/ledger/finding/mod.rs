//! Entries and accounts are found as a fold over all of them finds them, and by index.

mod accounts;
mod before;
mod entries;
mod indexes;

use super::book::{Book, at, effective, line, new_account, new_entry, new_hold};
use super::history::Dice;
use daybook::ledger::{
    Clock, EntryFilter, EntryNotes, EntryOrder, NewLine, OpenAccount, PageRequest, PlaceHold,
    PostEntry, page_entries, post_entry_list,
};
use daybook_entity::{Side, entry};
use daybook_test_harness::TestDatabase;
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use uuid::Uuid;

const CODES: [&str; 6] = ["a", "b", "b:x", "b:y", "c%", "yen"];

/// Whether a JSON object has this value, written as a text, for this key.
fn has(metadata: &Value, (key, value): &(String, String)) -> bool {
    match &metadata[key] {
        Value::String(text) => text == value,
        Value::Bool(is) => is.to_string() == *value,
        Value::Number(number) => {
            let least = number.as_i64().map(i64::unsigned_abs);
            least.is_some_and(|it| it < 10_u64.pow(18)) && number.to_string() == *value
        }
        _ => false,
    }
}

const DESCRIPTIONS: [&str; 5] = [
    "Coffee for the team",
    "coffee",
    "Order 77, paid",
    "Büro-Miete",
    "x",
];

fn metadata(dice: &mut Dice, number: i64) -> Option<Value> {
    Some(match dice.roll(8) {
        0 => json!({ "channel": "shop", "n": number }),
        1..=3 => json!({ "channel": "web", "order": number.to_string() }),
        4 => {
            json!({ "channel": { "deep": "web" }, "paid": true, "rate": 1.5, "none": null, "": "empty" })
        }
        5 => {
            json!({ "channel": "web", "big": 123_456_789_012_345_678_i64, "larger": i64::MAX, "list": ["web"] })
        }
        _ => return None,
    })
}

/// Some thousand entries, so that some conditions are fulfilled by few and some by many, and holds in every state.
async fn filled(database: TestDatabase) -> Book {
    let book = Book::new(database).await;
    for code in CODES {
        let currency = if code == "yen" { "JPY" } else { "EUR" }.to_owned();
        let account = OpenAccount {
            currency,
            metadata: (code.len() == 1)
                .then(|| json!({ "kind": "short", "rank": 7, "code": code })),
            ..new_account(code)
        };
        book.open(account).await.unwrap();
    }
    let yen = OpenAccount {
        currency: "JPY".to_owned(),
        normal_side: Side::Debit,
        ..new_account("yen:2")
    };
    book.open(yen).await.unwrap();
    let mut dice = Dice(0x2545_f491);
    let mut number = 0;
    for batch in 0..6 {
        let mut entries = Vec::new();
        for _ in 0..500 {
            number += 1;
            let pick = |dice: &mut Dice| CODES[usize::try_from(dice.roll(5)).unwrap()];
            let (debit, credit) = (pick(&mut dice), pick(&mut dice));
            let credit = if credit == debit { "c%" } else { credit };
            let debit = if credit == debit { "a" } else { debit };
            let mut lines = vec![line(debit, credit, 1 + dice.roll(100))];
            if dice.roll(9) == 0 {
                let currency = "JPY".to_owned();
                lines.push(NewLine {
                    currency,
                    ..line("yen", "yen:2", 1 + dice.roll(100))
                });
            }
            let text = usize::try_from(dice.roll(12)).unwrap();
            let notes = EntryNotes {
                reference: (dice.roll(5) > 0)
                    .then(|| format!("order-{}", number % 10 * 10_000 + number)),
                description: DESCRIPTIONS.get(text).map(|text| (*text).to_owned()),
                metadata: metadata(&mut dice, number),
                ..effective(at(dice.roll(1000) - 500))
            };
            entries.push(PostEntry {
                notes,
                ..new_entry(lines)
            });
        }
        let clock = Clock::at(at(batch * 10));
        book.write(async |tx| post_entry_list(tx, entries, &clock).await)
            .await
            .unwrap();
    }
    for number in 0..12 {
        let hold = PlaceHold {
            expires_at: (number % 3 == 0).then(|| at(5 + number)),
            notes: EntryNotes {
                metadata: Some(json!({ "channel": "hold" })),
                ..effective(at(number))
            },
            ..new_hold(vec![line("a", "b", 5)])
        };
        let id = book.hold(hold).await.unwrap().entry.id;
        match number % 4 {
            1 => drop(book.capture(id, None, at(1)).await.unwrap()),
            2 => drop(book.release(id, at(1)).await.unwrap()),
            _ => {}
        }
    }
    let some = entry::Entity::find().one(&book.db).await.unwrap().unwrap();
    book.reverse(some.id).await.unwrap();
    book
}

/// All entries that the filter lets through, page by page.
async fn walk(book: &Book, filter: &EntryFilter, order: EntryOrder, most: usize) -> Vec<Uuid> {
    let mut ids = Vec::new();
    let mut after = None;
    while ids.len() < most {
        let request = PageRequest {
            first: Some(37),
            after: after.take(),
            ..PageRequest::default()
        };
        let page = page_entries(&book.db, filter, order, &request)
            .await
            .unwrap();
        ids.extend(page.edges.iter().map(|edge| edge.node.id));
        if !page.has_next_page {
            break;
        }
        after = page.edges.last().map(|edge| edge.cursor.clone());
    }
    ids
}
