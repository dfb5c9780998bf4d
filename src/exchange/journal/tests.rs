//! Journals in, transactions out.

use super::*;

fn read(text: &str) -> Result<Vec<Item>, String> {
    let mut journal = Journal::new(text.as_bytes());
    let mut items = Vec::new();
    while let Some(item) = journal.next().map_err(|error| error.to_string())? {
        items.push(item);
    }
    Ok(items)
}

/// The only transaction of the journal.
fn transaction(text: &str) -> Transaction {
    let mut items = read(text).unwrap();
    items.retain(|item| matches!(item, Item::Transaction(_)));
    assert_eq!(items.len(), 1, "{items:?}");
    match items.remove(0) {
        Item::Transaction(transaction) => transaction,
        _ => unreachable!(),
    }
}

fn postings(text: &str) -> Vec<String> {
    let posting = |it: &Posting| {
        format!(
            "{} {}{}",
            it.account,
            crate::exchange::amount::text(it.quantity),
            it.symbol
        )
    };
    transaction(text).postings.iter().map(posting).collect()
}

#[test]
fn everything_of_a_transaction_is_kept() {
    let journal = "\
comment
2020/01/01 not this one
end comment
# nor this
2008/06/03=2008/06/05 * (100) eat & shop | x  ; first
    ; second: two
    expenses:food  stuff      $1  ; third

    assets:never
";
    // The empty line ends the transaction.
    assert!(
        read(journal)
            .unwrap_err()
            .starts_with("line 7, column 20: the amount `stuff")
    );
    let journal = journal
        .replace("food  stuff", "food stuff")
        .replace("third\n\n", "third\n");
    let read = transaction(&journal);
    assert_eq!(read.line, 5);
    assert_eq!(read.effective_at.to_rfc3339(), "2008-06-03T00:00:00+00:00");
    assert_eq!(read.description.as_deref(), Some("eat & shop | x"));
    assert_eq!(
        read.metadata,
        json!({ "code": "100", "status": "cleared", "secondaryDate": "2008-06-05", "comments": ["first", "second: two", "third"] })
    );
    assert_eq!(
        postings(&journal),
        ["expenses:food stuff 1$", "assets:never -1$"]
    );
}

#[test]
fn the_amount_left_out_is_what_the_others_leave_in_each_currency() {
    assert_eq!(
        postings("2020-1-2\n a  1 EUR\n b\n c  2 USD\n\td\t-3 USD\n"),
        ["a 1EUR", "b -1EUR", "b 1USD", "c 2USD", "d -3USD"]
    );
}

#[test]
fn directives_say_what_amounts_are() {
    assert_eq!(
        postings("decimal-mark ,\n2020-1-2\n a  1.000 EUR\n b\n")[0],
        "a 1000EUR"
    );
    assert_eq!(
        postings("commodity 1.000,00 EUR\n2020-1-2\n a  1.000 EUR\n b\n")[0],
        "a 1000EUR"
    );
    assert_eq!(
        postings("commodity EUR\n  format 1.000,00 EUR\n2020-1-2\n a  1,000 EUR\n b\n")[0],
        "a 1EUR"
    );
    assert_eq!(
        postings("D $1,000.00\nY2020\n1/2\n a  1,000\n b\n")[0],
        "a 1000$"
    );
    let declared =
        read("account a:b  ; x, type:L\naccount c\n  ; type: X\naccount d  ; subtype: A\n")
            .unwrap();
    let classes: Vec<_> = declared
        .iter()
        .map(|item| match item {
            Item::Account(declared) => (declared.name.as_str(), declared.class),
            _ => panic!("{item:?}"),
        })
        .collect();
    use daybook_entity::AccountClass::{Expense, Liability};
    assert_eq!(
        classes,
        [("a:b", Some(Liability)), ("c", Some(Expense)), ("d", None)]
    );
}

#[test]
fn a_code_can_have_a_semicolon_and_a_comment_a_secondary_date() {
    let journal =
        "2026-01-10 ! (a;b)x ; y\n a\u{a0}c  1 EUR ; date2:2026-02-01, [=2026-02-03]\n b\n";
    let read = transaction(journal);
    assert_eq!(read.description.as_deref(), Some("x"));
    assert_eq!(read.metadata["code"], "a;b");
    assert_eq!(
        read.metadata["comments"],
        json!(["y", "date2:2026-02-01, [=2026-02-03]"])
    );
    // A white space of another kind makes no other account.
    assert_eq!(read.postings[0].account, "a c");
}

/// The last posting takes what is left in a thousand currencies, and each of the others is asserted.
#[test]
fn a_large_transaction_with_assertions_is_read() {
    use std::fmt::Write as _;
    let mut text = "2026-11-20 Many\n".to_owned();
    for n in 0..999 {
        writeln!(text, "  a{n}  1 \"C{n:03}\" = 1 \"C{n:03}\"").unwrap();
    }
    text.push_str("  b\n");
    assert_eq!(transaction(&text).postings.len(), 2 * 999);
    let wrong = text.replace("= 1 \"C500\"", "= 2 \"C500\"");
    let said = read(&wrong).unwrap_err();
    assert!(
        said.contains("the balance of `a500` is asserted to be 2 C500, and is 1"),
        "{said}"
    );
}

#[test]
fn assertions_are_checked_where_they_can_be() {
    let journal =
        |second: &str| format!("2020-1-2\n a  1 EUR = 1 EUR\n b\n2020-1-3\n{second}\n b\n");
    assert!(read(&journal(" a  2 EUR = 3.00 EUR")).is_ok());
    assert!(read(&journal(" a  0 EUR = 1 EUR")).is_ok());
    let refused = read(&journal(" a  2 EUR = 4 EUR")).unwrap_err();
    assert_eq!(
        refused,
        "line 5: the balance of `a` is asserted to be 4 EUR, and is 3 in this file: correct one of them"
    );
    let late = journal(" a  2 EUR").replace("2020-1-3", "2020-1-1");
    assert!(
        read(&late)
            .unwrap_err()
            .starts_with("line 5: the posting is dated before a balance assertion of `a`")
    );
    let early = "2020-1-3\n a  1 EUR\n b\n2020-1-2\n a  1 EUR = 1 EUR\n b\n";
    assert!(read(early).unwrap_err().starts_with(
        "line 5: the balance cannot be checked, for `a` has a posting with a later date"
    ));
}

/// Each is refused, with its place and what to do.
#[test]
fn what_cannot_be_kept_is_refused_with_its_line() {
    let long = format!("2020-1-2 x\n{}", " a  1 EUR\n b  -1 EUR\n".repeat(1001));
    for (journal, refusal) in [
        (
            "~ monthly\n a  1 EUR\n",
            "line 1: a periodic transaction is a rule",
        ),
        (
            "\n= ^a\n (b)  1\n",
            "line 2: an automated posting is a rule",
        ),
        (
            "2020-1-2\n (a)  1 EUR\n",
            "line 2, column 2: a virtual posting moves no money",
        ),
        (
            "2020-1-2\n [a b]  1 EUR\n",
            "line 2, column 2: a virtual posting moves no money",
        ),
        (
            "2020-1-2\n a  1 EUR @ 2 USD\n b\n",
            "line 2, column 11: a price makes two currencies one",
        ),
        (
            "2020-1-2\n a  1 EUR {2 USD}\n b\n",
            "line 2, column 11: a price makes two currencies one",
        ),
        (
            "2020-1-2\n a  1 EUR\n b  -1 USD\n",
            "line 1: the postings in EUR do not add up to zero but to 1; each currency balances by itself",
        ),
        (
            "2020-1-2\n a  1 EUR\n b  -0.98 EUR\n",
            "line 1: the postings in EUR do not add up to zero but to 0.02; correct",
        ),
        (
            "2020-1-2\n a\n b\n c  1 EUR\n",
            "line 3: two postings have no amount (the other is in line 2)",
        ),
        (
            "2020-1-2\n a  $1,000\n b\n",
            "line 2, column 5: the amount `$1,000` can be 1000 or 1.000",
        ),
        (
            "2020-1-2\n a  = 1 EUR\n b\n",
            "line 2, column 5: the posting has no amount",
        ),
        (
            "2020-1-2\n a  1 EUR == 1 EUR\n b\n",
            "line 2, column 11: this kind of balance assertion",
        ),
        (
            "2020-1-2\n a  1 EUR x\n b\n",
            "line 2, column 11: `x` after the amount means nothing",
        ),
        (
            "2020-2-30\n a  1 EUR\n b\n",
            "line 1: `2020-2-30` is no date: the calendar",
        ),
        (
            "2026-01/10 x\n",
            "line 1: `2026-01/10` is no date: its separators are different",
        ),
        (
            "26-01-10 x\n",
            "line 1: `26-01-10` is no date: write its year with four digits",
        ),
        ("Y26\n", "line 1: a year is a number of four digits"),
        (
            "2026-01-10 (code x\n",
            "line 1: the transaction's code begins with `(` and does not end",
        ),
        (
            "2026-01-10 x\n a  1 EUR ; paid date:2026-02-01\n b\n",
            "line 2, column 18: `date:2026-02-01` gives the posting another date",
        ),
        (
            "2026-01-10 x\n a  1 EUR\n ; [2026/02/01=2026/02/03]\n b\n",
            "line 3, column 4: `[2026/02/01=2026/02/03]` gives the posting another date",
        ),
        (
            "2026-01-10 x ; [2026-02-01]\n a  1 EUR\n b\n",
            "line 1, column 16: `[2026-02-01]` gives the transaction another date",
        ),
        (
            "decimal-mark ,\n2026-01-10 x\n a  .5 EUR\n b\n",
            "line 3, column 5: the amount `.5 EUR` begins with a mark",
        ),
        // hledger reads 150 EUR: it takes the style of `D` for every currency that has none of its own.
        (
            "D $1,000.00\n2026-01-10 x\n a  1,50 EUR\n b\n",
            "line 3, column 5: the amount `1,50 EUR` can be 150 or 1.50, for the line `D`",
        ),
        (
            "D 1.000,00 EUR\n2026-01-10 x\n a  1.50 USD\n b\n",
            "line 3, column 5: the amount `1.50 USD` can be 150 or 1.50, for the line `D`",
        ),
        (
            "commodity 1.000,00 EUR\ncommodity 1,000.00 EUR\n",
            "line 2: the decimal mark is another one",
        ),
        ("02/03 x\n", "line 1: `02/03` is no date: write its year"),
        ("2020-1-x\n", "line 1: `2020-1-x` is no date: write it like"),
        ("include other.journal\n", "line 1: an import is one file"),
        (
            "alias a=b\n",
            "line 1: `alias` changes what other lines mean",
        ),
        ("apply account x\n", "line 1: `apply` changes"),
        (
            "frobnicate\n",
            "line 1: `frobnicate` is nothing that can be imported",
        ),
        ("; x\n  a  1 EUR\n", "line 2: an indented line belongs to"),
        (
            "account a\n  alias b\n",
            "line 2: `alias b` of an account is not supported",
        ),
        ("decimal-mark x\n", "line 1: a decimal mark is"),
        (
            "2020-1-2\n ; daybook: {}\n a  1 EUR\n b\n",
            "line 2: what Daybook wrote here was changed",
        ),
        (
            "2020-1-2\n ; daybook: {\"kind\":\"POST\",\"effectiveAt\":\"2020-01-03T00:00:00Z\",\"recordedAt\":\"\"}\n a  1 EUR\n b\n",
            "line 2: this says 2020-01-03, and the transaction 2020-01-02",
        ),
        (
            &long,
            "line 2002: the transaction has more than 2000 postings",
        ),
    ] {
        let refused = read(journal).unwrap_err();
        assert!(
            refused.starts_with(refusal),
            "{journal}\nexpected {refusal}\nand not  {refused}"
        );
    }
    let refused = |bytes: &[u8]| Journal::new(bytes).next().unwrap_err().to_string();
    assert!(refused(b"; x\n2020-1-2 \xff\n").starts_with("line 2: this is not UTF-8"));
    assert!(refused(&vec![b'x'; 2 << 20]).starts_with("line 1: the line is longer than"));
}

#[test]
fn what_changes_no_balance_is_counted() {
    let text =
        "\u{feff}P 2020-1-2 $ 1 EUR\r\npayee x\ntag y\n  ; z\n2020-1-2\r\n a  1 EUR\r\n b\r\n";
    let mut journal = Journal::new(text.as_bytes());
    while journal.next().unwrap().is_some() {}
    assert_eq!(journal.left_out(), 3);
}
