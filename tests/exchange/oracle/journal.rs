//! Random journals: mostly usual, with something odd here and there.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::string::string_regex;

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(texts).prop_map(str::to_owned)
}

/// Mostly the first, and one of the others now and then.
fn mostly(usual: &'static str, others: &'static [&'static str]) -> BoxedStrategy<String> {
    prop_oneof![29 => Just(usual.to_owned()), 1 => one_of(others)].boxed()
}

fn date() -> impl Strategy<Value = String> {
    let usual =
        (1..=12_u32, 1..=28_u32).prop_map(|(month, day)| format!("2026-{month:02}-{day:02}"));
    let odd = one_of(&[
        "2026/1/9",
        "2026.01.10",
        "2026-01/10",
        "2026/01-10",
        "26-01-10",
        "026-1-1",
        "1/2",
        "1-2",
        "2026-1-2=2026-1-3",
        "2026-1-2=1-3",
        "2026-1-2=1/3",
        "0001-01-01",
        "9999-12-31",
        "2026-02-30",
        "2026-13-01",
        "2026-1",
        "2026-01-10=",
        "2026-001-2",
        "20260110",
        "2024-02-29",
        "2026-01-01-01",
    ]);
    prop_oneof![15 => usual, 1 => odd]
}

fn header() -> impl Strategy<Value = String> {
    let status = mostly("", &["*", "!", "* ", "! ", "**", "*!"]);
    let code = mostly(
        "",
        &[
            "(100)", "(a;b)", "(a b) ", "( x )", "()", "(open", ")", "(a)(b)", "(é;)", "(;)",
            "(a;b", "((a)",
        ],
    );
    let description = prop_oneof![
        6 => one_of(&["shop", "eat & drink", "a | b", ""]),
        1 => one_of(&["x;y", "x ; note", "x  two", "; all note", "x ; date:2026-03-01", "x ; [2026-03-01]", "x (c) y", "= x", "x ; [=3/1]", "\"q\""]),
    ];
    let space = mostly(" ", &["  ", "\t", "\u{a0}", ""]);
    (date(), space, status, code, description).prop_map(
        |(date, space, status, code, description)| {
            format!("{date}{space}{status}{code}{description}")
        },
    )
}

fn account() -> BoxedStrategy<String> {
    prop_oneof![
        20 => one_of(&["a", "b", "a:b", "assets:bank", "income", "a b"]),
        1 => one_of(&["a:b [USD]", "a:b [EUR]", "a [EUR]", "a [USD]", "(v)", "[v]", "a;b", "a ;b", "* a", "!b", "A", "a:", "資産", "(v)x", "a\u{a0}b", "1a"]),
    ]
    .boxed()
}

fn amount() -> BoxedStrategy<String> {
    prop_oneof![
        20 => (1..100_u32, select(&["EUR", "USD"])).prop_map(|(number, currency)| format!("{number} {currency}")),
        2 => one_of(&["EUR 1", "-3 EUR", "$1", "-$1", "$-1.50", "1.50 EUR", "0 EUR", "1EUR", "EUR1", "$ 2", "+1 EUR", "USD -2.25"]),
        1 => one_of(&[
            "1,50 EUR", "1,000 EUR", "1.000 EUR", "1,000.00 EUR", "1 000 EUR", "1e3 EUR", "1.000.000 EUR", "1.000,5 EUR", ".5 EUR", "5. EUR",
            ",5 EUR",
            "1.5 EUR",
            "1,50 USD",
            "--1 EUR", "- 1 EUR", "1", "(1 EUR)", "1 EUR x", "EUR", "\"A B\" 1", "1 \"EUR\"", "1 eur", "1 €", "0.001 EUR", "1,5", "1 EUR USD",
            "-EUR 1", "EUR - 1", "1 000,00 EUR", "1'000 EUR", "٣ EUR",  "0x1 EUR", "1_0 EUR",
        ]),
        // Numbers with any separators, which the decimal mark that the file has said explains, or contradicts.
        1 => string_regex("[$]?[0-9]{1,3}([,. ][0-9]{1,3}){1,3}[,.]?( EUR| USD)?").unwrap(),
        1 => one_of(&[
            "1 EUR @ 2 USD", "1 EUR @@ 2 USD", "1 EUR {2 USD}", "1 EUR = 1 EUR", "1 EUR =1 EUR", "1 EUR == 1 EUR", "1 EUR =* 1 EUR", "= 1 EUR",
            "1 EUR = 2", "1 EUR = $1", "1 EUR [2026-02-01]", "1 EUR (x)", "0 EUR = 0 EUR",
        ]),
    ]
    .boxed()
}

fn comment() -> BoxedStrategy<String> {
    mostly(
        "",
        &[
            " ; plain",
            " ; date:2026-02-01",
            ";date:2026-02-01",
            " ; x date:2/1",
            " ; x, date:2/1",
            " ; date2:2026-02-01",
            " ; [2026-02-01]",
            " ; [=2026-02-01]",
            " ; [2026-02-01=2026-02-03]",
            " ; update:2026-02-01",
            " ; date:",
            " ; date:foo",
            " ; [1]",
            " ; [x]",
            " ; [2/1]",
            " ; x: y date:2/1",
            " ; x: y, date:2/1",
            " ;; date:2/1",
            " ; Date:2/1",
            " # x",
            "\n    ; date:2026-02-01",
            "\n    ; [2026/2/1]",
            "\n    ; plain",
            " ; [2026.2.1] x",
            " ; date: 2026-02-01",
            " ; date:\t2/1",
            " ; [02-01]",
            " ;x:[2026-02-01]",
            " ; date:2026-02-01,",
        ],
    )
}

fn posting() -> impl Strategy<Value = String> {
    let separator = mostly("  ", &[" ", "   ", " \t"]);
    let amount = prop::option::weighted(0.9, amount());
    let indent = mostly("    ", &[" ", "\t", ""]);
    (indent, account(), separator, amount, comment()).prop_map(
        |(indent, account, separator, amount, comment)| match amount {
            Some(amount) => format!("{indent}{account}{separator}{amount}{comment}\n"),
            None => format!("{indent}{account}{comment}\n"),
        },
    )
}

fn transaction() -> impl Strategy<Value = String> {
    // Most balance, by a posting that has no amount.
    let rest = mostly(
        "    equity:rest\n",
        &[
            "",
            "\n",
            "    equity:rest  \n",
            "  equity:rest  ; date:2026-02-02\n",
        ],
    );
    let note = mostly(
        "",
        &[
            "    ; note\n",
            "    ; date:2026-03-01\n",
            "    ; [2026-03-01]\n",
            "    ; x: y\n",
        ],
    );
    (header(), note, prop::collection::vec(posting(), 1..4), rest).prop_map(
        |(header, note, postings, rest)| format!("{header}\n{note}{}{rest}\n", postings.concat()),
    )
}

/// Without what only ledger and newer versions of hledger read: comments that begin with `%` or `|`, `test` blocks, `year`.
fn directive() -> impl Strategy<Value = String> {
    one_of(&[
        "account a\n",
        "account a:b [USD]\n",
        "account a:b  ; type:L\n",
        "commodity 1000.00 EUR\n",
        "commodity 1.000,00 EUR\n",
        "commodity EUR\n  format 1.000,00 EUR\n",
        "commodity $1,000.00\n",
        "D 1000.00 EUR\n",
        "D $1,000.00\n",
        "D 1.000,00 EUR\n",
        "decimal-mark ,\n",
        "decimal-mark .\n",
        "Y2026\n",
        "Y 2025\n",
        "Y26\n",
        "; comment\n",
        "# comment\n",
        "* heading\n",
        "comment\n2026-1-1 x\n  a  1\nend comment\n",
        "P 2026-01-01 USD 0.9 EUR\n",
        "alias a=b\n",
        "apply account x\n",
        "payee shop\n",
        "tag x\n",
        "~ monthly\n  a  1\n  b\n",
        "= a\n  (b)  1\n",
        "end\n",
        "~\n",
        "\n",
        "   \n",
        "  ; indented\n",
        "include x\n",
        "comment\nend comment \n",
        "apply year 2020\n",
        "commodity 1,000 EUR\n",
        "tag date\n",
        "\u{feff}\n",
    ])
}

pub(super) fn journal() -> impl Strategy<Value = String> {
    let chunk = prop_oneof![6 => transaction().boxed(), 1 => directive().boxed()];
    prop::collection::vec(chunk, 1..4).prop_map(|chunks| chunks.concat())
}
