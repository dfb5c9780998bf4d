//! Out and in again.

use super::command::{
    balances, every_event, export, hledger_balances, imported, ledger_balances, start, stderr,
};
use crate::ledger::book::{Book, at, by, new_account, new_entry, new_hold};
use crate::ledger::groups;
use daybook::ledger::register_currency;
use daybook::ledger::{
    AnnotateEntry, Clock, CloseBooks, CreateLedger, EntryNotes, EntryRef, NewLine, OpenAccount,
    PostEntry, UpdateAccount, annotate_entry, close_books, create_ledger, new_entry_id, random,
    update_account,
};
use daybook_entity::{AccountClass, LimitPolicy, Side};
use daybook_test_harness::{Observer, TestDatabase, on_every_engine};
use serde_json::{Value as Json, json};

const CODES: [(&str, &str); 14] = [
    ("資産:現金", "EUR"),
    ("alice", "EUR"),
    ("(bracket)", "EUR"),
    ("two  spaces; and 100%", "EUR"),
    ("assets:bank", "JPY"),
    ("assets:bank [JPY]", "JPY"),
    ("a", "KWD"),
    ("b", "KWD"),
    ("btc", "BTC"),
    ("btc:minér", "BTC"),
    ("eth", "ETH18"),
    ("eth:💰", "ETH18"),
    ("::", "EUR"),
    ("never used", "EUR"),
];

/// Those of the accounts, one after the other, whatever their sides are. `assets:bank` is not classified.
const CLASSES: [Option<AccountClass>; 9] = [
    Some(AccountClass::Asset),
    Some(AccountClass::Liability),
    Some(AccountClass::Equity),
    Some(AccountClass::Income),
    None,
    Some(AccountClass::Expense),
    None,
    Some(AccountClass::Asset),
    Some(AccountClass::Liability),
];

/// A ledger with everything in it.
async fn rich(book: &Book) {
    for (code, exponent) in [("BTC", 8), ("ETH18", 18)] {
        book.write(async |tx| register_currency(tx, code.to_owned(), exponent, at(0)).await)
            .await
            .unwrap();
    }
    for (number, (code, currency)) in CODES.iter().enumerate() {
        book.open(OpenAccount {
            name: format!("“{code}” [1] date: type:x"),
            currency: (*currency).to_owned(),
            normal_side: if number % 2 == 0 {
                Side::Debit
            } else {
                Side::Credit
            },
            class: CLASSES[number % CLASSES.len()],
            limit_policy: if *code == "alice" {
                LimitPolicy::NoDebitOverdraft
            } else {
                LimitPolicy::None
            },
            metadata: Some(
                json!({ "list": [1, [2, "[2020/01/01]"]], "text": "date:x, type:Y ; z" }),
            ),
            ..new_account(code)
        })
        .await
        .unwrap();
    }
    let line = |debit: usize, credit: usize, amount: i64| NewLine {
        debit: by(CODES[debit].0),
        credit: by(CODES[credit].0),
        amount,
        currency: CODES[debit].1.to_owned(),
    };
    let entry = |lines: Vec<NewLine>, seconds: i64| PostEntry {
        id: new_entry_id(at(seconds), random()),
        lines,
        notes: EntryNotes {
            effective_at: Some(at(seconds)),
            description: Some(format!(
                "no. {seconds}; with\n(a line) | and [2020/01/01] date:x"
            )),
            metadata: Some(json!({ "seconds": seconds, "list": [7], "text": "date2:1\n" })),
            reference: Some(format!("[2020/01/01] date:x ; (no, \"{seconds}\") ß 資")),
            ..EntryNotes::default()
        },
        expect: Vec::new(),
        conditions: Vec::new(),
    };
    // Days ahead and behind, and one in the middle of a day.
    let first = book
        .post(entry(
            vec![line(0, 1, 1500), line(4, 5, 12), line(6, 7, 1)],
            0,
        ))
        .await
        .unwrap();
    book.post(entry(
        vec![
            line(8, 9, 1),
            line(10, 11, i64::MAX - 1),
            line(0, 2, 7),
            line(2, 0, 7),
        ],
        -400_000,
    ))
    .await
    .unwrap();
    book.post(entry(vec![line(3, 12, 1), line(1, 3, 700)], 86_400))
        .await
        .unwrap();
    let plain = PostEntry {
        notes: EntryNotes::default(),
        ..entry(vec![line(3, 12, 5)], 3)
    };
    let plain = book.post(plain).await.unwrap();
    book.reverse(plain.entry.id).await.unwrap();
    let hold = book
        .hold(new_hold(vec![line(1, 2, 300), line(1, 0, 100)]))
        .await
        .unwrap();
    book.capture(hold.entry.id, Some(vec![250, 0]), at(5))
        .await
        .unwrap();
    let hold = book.hold(new_hold(vec![line(1, 2, 10)])).await.unwrap();
    book.release(hold.entry.id, at(6)).await.unwrap();
    book.hold(new_hold(vec![line(1, 2, 20)])).await.unwrap();
    assert_eq!(first.lines.len(), 3);
    // What is changed later goes out as it is then.
    let changed = UpdateAccount {
        account: by(CODES[1].0),
        expected_revision: Some(1),
        name: Some("Alice; the second".to_owned()),
        class: None,
        limit_policy: None,
        min_balance: None,
        max_balance: None,
        metadata: Some(json!({ "since": "today", "n": 2 })),
        recorded_by: None,
    };
    // It had more meanwhile, and nothing at first.
    let limits = UpdateAccount {
        account: by(CODES[0].0),
        name: None,
        metadata: None,
        limit_policy: None,
        min_balance: Some(Some(1400)),
        max_balance: Some(Some(1500)),
        ..changed.clone()
    };
    let added = AnnotateEntry {
        entry: EntryRef::Id(first.entry.id),
        metadata: json!({ "added later": ["ä", 1] }),
        replace: false,
        recorded_by: None,
    };
    let closing = CloseBooks {
        random: random(),
        code_prefix: String::new(),
        closed_until: Some(at(-500_000)),
        reason: Some("the year".to_owned()),
        recorded_by: Some("ann".to_owned()),
    };
    let clock = Clock::at(at(7));
    book.write(async |tx| close_books(tx, closing, &clock).await)
        .await
        .unwrap();
    book.write(async |tx| update_account(tx, changed, &clock).await)
        .await
        .unwrap();
    book.write(async |tx| update_account(tx, limits, &clock).await)
        .await
        .unwrap();
    book.write(async |tx| annotate_entry(tx, added, &clock).await)
        .await
        .unwrap();
}

/// Everything that moved money, as far as it is carried.
async fn moved(observer: &Observer) -> Vec<Option<String>> {
    observer
        .texts(&format!(
            "SELECT CAST(line_no AS text) || ' ' || d.code || ' ' || c.code || ' ' || CAST(amount AS text) || ' ' || l.currency || ' '
                    || CAST(effective_at AS text) || ' ' || CAST(e.metadata AS text) || ' ' || COALESCE(description, '-') || ' ' || COALESCE(reference, '-')
             FROM entry_line l JOIN entry e ON e.id = l.entry_id JOIN {} o ON o.entry_id = e.id
             JOIN account d ON d.id = debit_account_id JOIN account c ON c.id = credit_account_id
             WHERE effect IN ('POST', 'CAPTURE') AND o.revision IS NULL ORDER BY seq, line_no",
            every_event(observer.engine())
        ))
        .await
}

async fn accounts(observer: &Observer, columns: &str) -> Vec<Option<String>> {
    observer
        .texts(&format!(
            "SELECT {columns} FROM account WHERE version > 0 ORDER BY code"
        ))
        .await
}

/// Names of journals, as the codes that they are for.
fn by_code(mut balances: super::command::Balances) -> super::command::Balances {
    for (name, code) in [
        ("%28bracket)", "(bracket)"),
        ("two %20spaces%3B and 100%25", "two  spaces; and 100%"),
        ("%3A%3A", "::"),
    ] {
        let balance = balances
            .remove(name)
            .unwrap_or_else(|| panic!("no {name} in {balances:?}"));
        balances.insert(code.to_owned(), balance);
    }
    balances
}

on_every_engine! {
    async fn hledger_and_ledger_print_the_balances_of_the_ledger(test: TestDatabase) {
        let url = test.url().to_owned();
        let observer = test.observer().await;
        let book = Book::new(test).await;
        rich(&book).await;
        let balances = balances(&observer).await;
        assert_eq!(balances.len(), 13);
        assert_eq!(balances["eth"], "9.223372036854775806 \"ETH18\"");
        assert_eq!(balances["assets:bank"], "12 JPY");
        assert_eq!(balances["a"], "0.001 KWD");
        assert_eq!(by_code(hledger_balances(&export(&url, "hledger"))), balances);
        let mut non_zero = by_code(ledger_balances(&export(&url, "ledger")));
        non_zero.retain(|_, amount| amount != "0");
        let mut expected = balances;
        expected.retain(|_, amount| amount != "0");
        assert_eq!(non_zero, expected);
    }

    async fn an_export_imported_into_an_empty_ledger_is_the_same_money(test: TestDatabase) {
        let url = test.url().to_owned();
        let observer = test.observer().await;
        let book = Book::new(test).await;
        rich(&book).await;
        for format in ["hledger", "csv"] {
            let other = TestDatabase::create(book.engine).await;
            let (other_url, other_observer) = (other.url().to_owned(), other.observer().await);
            let said = imported(&other_url, format, &export(&url, format));
            assert!(said.starts_with("imported 6 entries of 12 lines; opened 1"), "{said}");
            assert_eq!(balances(&other_observer).await, balances(&observer).await);
            assert_eq!(moved(&other_observer).await, moved(&observer).await);
            let kept = "code || currency || normal_side || CAST(debits_posted AS text) || ' ' || CAST(credits_posted AS text)";
            assert_eq!(accounts(&other_observer, kept).await, accounts(&observer, kept).await);
            let of_journals = "COALESCE(class, '-') || name || limit_policy || COALESCE(CAST(min_balance AS text) || ' ' || CAST(max_balance AS text), '-') || CAST(metadata AS text)";
            let is_journal = format == "hledger";
            let same = accounts(&other_observer, of_journals).await == accounts(&observer, of_journals).await;
            assert_eq!(same, is_journal, "{format}");
            let never_used = other_observer.i64("SELECT COUNT(*) FROM account WHERE version = 0").await;
            assert_eq!(never_used, i64::from(is_journal));
            Book::empty(other).await.is_sound().await;
        }
    }

    /// Ledgers come back with their names, their accounts, and references that several of them have.
    async fn ledgers_leave_and_come_back(test: TestDatabase) {
        let (url, engine) = (test.url().to_owned(), test.engine());
        let observer = test.observer().await;
        let book = Book::new(test).await;
        for code in ["acme", "beta"] {
            let command = CreateLedger { code: code.to_owned(), name: format!("{code} & Söhne"), recorded_by: None };
            book.write(async |tx| create_ledger(tx, command.clone(), at(0)).await).await.unwrap();
        }
        for prefix in ["acme:", "beta:", ""] {
            book.account(&format!("{prefix}cash")).await;
            book.account(&format!("{prefix}sales")).await;
            let lines = vec![crate::ledger::book::line(&format!("{prefix}cash"), &format!("{prefix}sales"), 5)];
            let notes = EntryNotes { reference: Some("no. 1".to_owned()), ..EntryNotes::default() };
            book.post(PostEntry { notes, ..new_entry(lines) }).await.unwrap();
        }
        let in_ledgers = "COALESCE(ledger, '-') || ' ' || code";
        let all: Json = serde_json::from_str(&export(&url, "json")).unwrap();
        assert_eq!(all["ledgers"][1]["name"], "beta & Söhne");
        assert_eq!((&all["accounts"][0]["ledger"], &all["entries"][2]["ledger"]), (&json!("acme"), &json!(null)));
        assert_eq!(ledger_balances(&export(&url, "ledger")), balances(&observer).await);
        let journal = export(&url, "hledger");
        assert_eq!(hledger_balances(&journal), balances(&observer).await);
        let other = TestDatabase::create(engine).await;
        let (other_url, other_observer) = (other.url().to_owned(), other.observer().await);
        imported(&other_url, "hledger", &journal);
        assert_eq!(accounts(&other_observer, in_ledgers).await, accounts(&observer, in_ledgers).await);
        assert_eq!(moved(&other_observer).await, moved(&observer).await);
        let names = "SELECT code || name FROM ledger ORDER BY code";
        assert_eq!(other_observer.texts(names).await, observer.texts(names).await);
        Book::empty(other).await.is_sound().await;
    }

    async fn hledger_knows_the_class_of_an_account(test: TestDatabase) {
        let url = test.url().to_owned();
        let observer = test.observer().await;
        let book = Book::new(test).await;
        rich(&book).await;
        let journal = export(&url, "hledger");
        for (tag, class) in [("A", "ASSET"), ("L", "LIABILITY"), ("E", "EQUITY"), ("R", "INCOME"), ("X", "EXPENSE")] {
            let args = ["-f", "-", "accounts", "--declared", &format!("type:{tag}")];
            let output = start("hledger", &args, &journal).wait_with_output().unwrap();
            assert!(output.status.success(), "{}", stderr(&output));
            let said = String::from_utf8(output.stdout).unwrap();
            let mut found: Vec<&str> = said.lines().map(|name| match name {
                "%28bracket)" => "(bracket)",
                "two %20spaces%3B and 100%25" => "two  spaces; and 100%",
                "%3A%3A" => "::",
                name => name,
            }).collect();
            found.sort_unstable();
            let classified = observer.texts(&format!("SELECT code FROM account WHERE class = '{class}' ORDER BY code")).await;
            let mut expected: Vec<String> = classified.into_iter().flatten().collect();
            assert!(!expected.is_empty());
            if class == "ASSET" {
                // It has no class, and hledger takes its type from its name.
                expected.insert(0, "assets:bank".to_owned());
            }
            assert_eq!(found, expected, "{class}\n{journal}");
        }
    }

    /// What moved is in every format, whatever part it was; imported, the money is the same. JSON says what each part takes and leaves.
    async fn parts_leave_the_ledger_with_what_they_moved(test: TestDatabase) {
        let (url, engine) = (test.url().to_owned(), test.engine());
        let observer = test.observer().await;
        let book = Book::new(test).await;
        for code in ["bank", "shop", "wallet"] {
            book.account(code).await;
        }
        let paid = book.transfer("bank", "wallet", 100).await.unwrap().entry.id;
        let hold = book.hold(new_hold(vec![crate::ledger::book::line("wallet", "shop", 70)])).await.unwrap().entry.id;
        book.reverse_of(paid, Some(vec![20])).await.unwrap();
        book.capture_part(hold, &[30]).await.unwrap();
        book.capture(hold, Some(vec![25]), at(0)).await.unwrap();
        let all: Json = serde_json::from_str(&export(&url, "json")).unwrap();
        let entries = all["entries"].as_array().unwrap();
        let parts = entries.iter().map(|it| (it["kind"].as_str().unwrap(), it.get("part"), it.get("leavesRest"), it.get("takes")));
        let takes = |amount: &str, remaining: &str| json!([{ "line": 1, "amount": amount, "remaining": remaining }]);
        let (one, two, yes, no) = (json!(1), json!(2), json!(true), json!(false));
        assert_eq!(parts.collect::<Vec<_>>(), [
            ("POST", None, None, None),
            ("HOLD", None, None, None),
            ("REVERSAL", Some(&one), Some(&yes), Some(&takes("20", "80"))),
            ("CAPTURE", Some(&one), Some(&yes), Some(&takes("30", "40"))),
            ("CAPTURE", Some(&two), Some(&no), Some(&takes("40", "0"))),
        ]);
        let journal = export(&url, "hledger");
        assert_eq!(journal.matches("\"part\":").count(), 3, "{journal}");
        assert_eq!(hledger_balances(&journal), balances(&observer).await, "{journal}");
        for format in ["hledger", "csv"] {
            let other = TestDatabase::create(engine).await;
            let (other_url, other_observer) = (other.url().to_owned(), other.observer().await);
            let said = imported(&other_url, format, &export(&url, format));
            assert!(said.starts_with("imported 4 entries of 4 lines"), "{said}");
            assert_eq!(moved(&other_observer).await, moved(&observer).await);
            Book::empty(other).await.is_sound().await;
        }
    }

    async fn json_has_everything(test: TestDatabase) {
        let url = test.url().to_owned();
        let observer = test.observer().await;
        let book = Book::new(test).await;
        let empty: Json = serde_json::from_str(&export(&url, "json")).unwrap();
        assert_eq!(empty, json!({ "currencies": [], "ledgers": [], "closings": [], "accountGroups": [], "accounts": [], "entries": [] }));
        rich(&book).await;
        for path in ["tax", "tax:in"] {
            groups::create(&book, path).await.unwrap();
        }
        groups::add(&book, "tax:in", &["alice"], &["assets:", "b"]).await.unwrap();
        let all: Json = serde_json::from_str(&export(&url, "json")).unwrap();
        let count = |what: &str| i64::try_from(all[what].as_array().unwrap().len()).unwrap();
        assert_eq!(count("currencies"), 5);
        assert_eq!(count("accounts"), 14);
        assert_eq!(all["closings"], json!([{ "codePrefix": "", "closedUntil": "2026-11-17T17:06:40Z", "reason": "the year", "recordedAt": "2026-11-23T12:00:07Z", "recordedBy": "ann" }]));
        let account = |code: &str| all["accounts"].as_array().unwrap().iter().find(|account| account["code"] == code).unwrap();
        let group_of = |index: usize| { let it = &all["accountGroups"][index]; (it["path"].clone(), it["name"].clone(), it["codePrefixes"].clone()) };
        assert_eq!(count("accountGroups"), 2);
        assert_eq!(group_of(1), (json!("tax:in"), json!("Group tax:in"), json!(["assets:", "b"])));
        assert_eq!((&account("alice")["groups"], &account("assets:bank")["groups"]), (&json!(["tax:in"]), &json!([])));
        let class = |code: &str| account(code)["class"].clone();
        assert_eq!((class("alice"), class("assets:bank")), (json!("LIABILITY"), Json::Null));
        assert_eq!(count("entries"), observer.i64("SELECT COUNT(*) FROM entry").await);
        let kinds: Vec<&str> = all["entries"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["POST", "POST", "POST", "POST", "REVERSAL", "HOLD", "CAPTURE", "HOLD", "RELEASE", "HOLD"]);
        assert_eq!(all["entries"][4]["reverses"], all["entries"][3]["id"]);
        let entries = all["entries"].as_array().unwrap();
        let lines = entries.iter().map(|entry| entry["lines"].as_array().unwrap().len()).sum::<usize>();
        assert_eq!(i64::try_from(lines).unwrap(), observer.i64("SELECT COUNT(*) FROM entry_line").await);
    }
}
