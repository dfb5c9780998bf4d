//! How answers look: CSV, pages to print, colours, and texts that others wrote.

use std::{
    io::Read,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use daybook::ledger::OpenAccount;
use daybook_test_harness::{TestDatabase, on_every_engine};

use super::{
    Ledger, ask, ask_with,
    between::{Answer, Between},
    command,
};
use crate::ledger::book::{Book, line, new_account, new_entry};

/// A text that ends elements, attributes and lines, and turns the direction of writing.
const HOSTILE: &str =
    "</td></style><script>alert(\"1\")</script> & 'x'\nand\t\"more\" \u{202e}txet";

/// Accounts and an entry that somebody has named so.
async fn hostile(book: &Book) {
    for code in ["<b>a</b>", "b&\"quoted\""] {
        let account = OpenAccount {
            name: format!("<i>{code}</i>"),
            ..new_account(code)
        };
        book.open(account).await.unwrap();
    }
    let mut entry = new_entry(vec![line("<b>a</b>", "b&\"quoted\"", 1234)]);
    entry.notes.description = Some(HOSTILE.to_owned());
    entry.notes.reference = Some("<u>no. 1</u>, \"1\"".to_owned());
    book.post(entry).await.unwrap();
}

on_every_engine! {
    async fn csv_has_every_text_as_it_is(test: TestDatabase) {
        let ledger = Ledger::of(test, hostile).await;
        let text = ledger.both(&["statement", "b&\"quoted\"", "--format", "csv"]).await.printed();
        let mut csv = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(csv.headers().unwrap().iter().collect::<Vec<_>>(), [
            "date", "effective_at", "recorded_at", "entry", "kind", "reference", "description", "account", "account_name",
            "effect", "amount", "change", "balance", "currency",
        ]);
        let rows: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
        let id = ledger.observer().await.i64("SELECT COUNT(*) FROM entry").await;
        assert_eq!((rows.len(), id), (1, 1));
        let cell = |index: usize| &rows[0][index];
        assert_eq!((cell(0), cell(1)), ("2026-11-23", "2026-11-23T12:00:00.000000Z"));
        assert!(cell(3).starts_with("entry_"));
        assert_eq!(rows[0].iter().skip(4).collect::<Vec<_>>(), [
            "POST", "<u>no. 1</u>, \"1\"", HOSTILE, "<b>a</b>", "<i><b>a</b></i>", "POST", "12.34", "12.34", "12.34", "EUR",
        ]);
    }

    /// The page loads nothing and runs nothing, whatever the texts of the ledger are.
    async fn a_page_to_print_is_safe(test: TestDatabase) {
        let ledger = Ledger::of(test, hostile).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("page.html");
        let file = file.to_str().unwrap();
        let args = ["statement", "b&\"quoted\"", "--format", "html", "--output", file];
        assert_eq!(ask(&[&args[..], &ledger.places()[0]].concat()).await.printed(), "");
        let page = std::fs::read_to_string(file).unwrap();
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        for text in [
            "<!doctype html>\n<html lang=\"en\">",
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;; base-uri &#39;none&#39;; form-action &#39;none&#39;\">",
            "<title>Statement of b&amp;&quot;quoted&quot;</title>",
            "<h1><bdi>&lt;i&gt;b&amp;&quot;quoted&quot;&lt;/i&gt;</bdi></h1>",
            "<bdi>&lt;/td&gt;&lt;/style&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;\nand\t&quot;more&quot; \u{202e}txet</bdi>",
            "<bdi>&lt;u&gt;no. 1&lt;/u&gt;, &quot;1&quot;</bdi> · <bdi>&lt;b&gt;a&lt;/b&gt;</bdi>",
            "@media print",
            "<tr class=\"balance\"><td></td><td>Opening balance</td><td class=\"amount\"></td><td class=\"amount\">0.00</td></tr>",
            "<tr class=\"balance closing\"><td></td><td>Closing balance</td><td class=\"amount\"></td><td class=\"amount\">12.34</td></tr>",
        ] {
            assert!(page.contains(text), "{text} is not in {page}");
        }
        // Every tag is one of these: no text has made one, and nothing is loaded.
        let known = [
            "!doctype", "html", "head", "meta", "title", "style", "body", "h1", "bdi", "dl", "dt", "dd", "table", "thead", "tbody", "tr",
            "th", "td", "small", "footer", "p",
        ];
        for tag in page.split('<').skip(1) {
            let name: String = tag.trim_start_matches('/').chars().take_while(|c| !c.is_whitespace() && *c != '>').collect();
            assert!(known.contains(&name.as_str()), "<{tag}");
        }
        assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("url("), "{page}");
    }

    /// A file is a whole statement: one that is interrupted leaves what was there before.
    async fn a_file_is_whole_or_not_written(test: TestDatabase) {
        let ledger = Ledger::of(test, async |book| {
            for code in ["a", "b"] {
                book.account(code).await;
            }
            for _ in 0..100 {
                book.transfer("a", "b", 1).await.unwrap();
            }
        }).await;
        let between = Between::start(ledger.server.base(), |request| {
            let answer = if request.contains("query StatementPage") { Answer::Lost } else { Answer::Passed };
            Box::pin(async { answer })
        }).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("page.html");
        std::fs::write(&file, "before").unwrap();
        let args = ["statement", "b", "--format", "html", "--output", file.to_str().unwrap()];
        let said = ask(&[&args[..], &["--server", &between.url]].concat()).await.refused(4);
        assert!(said.starts_with("daybook: there is no answer of http://127.0.0.1:"), "{said}");
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(names, ["page.html"]);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "before");
        ask(&[&args[..], &ledger.places()[1]].concat()).await.printed();
        assert!(std::fs::read_to_string(&file).unwrap().contains("<p>100 lines</p>"));
    }

    /// What is printed in part is not JSON.
    async fn a_part_of_an_answer_is_no_json(test: TestDatabase) {
        let ledger = Ledger::of(test, async |book| {
            for number in 0..101 {
                book.account(&format!("a{number:03}")).await;
            }
        }).await;
        let between = Between::start(ledger.server.base(), |request| {
            let answer = if request.contains("\"after\":null") { Answer::Passed } else { Answer::Lost };
            Box::pin(async { answer })
        }).await;
        for command in ["accounts", "balance"] {
            let part = ask(&[command, "--json", "--server", &between.url]).await;
            assert_eq!(part.code, Some(4), "{part:?}");
            assert!(part.out.contains("a089") && serde_json::from_str::<serde_json::Value>(&part.out).is_err());
            let said: serde_json::Value = serde_json::from_str(&part.err).unwrap();
            assert_eq!(said["outcome"], "NOT_NOW");
        }
    }

    /// A terminal obeys nothing of what others wrote.
    async fn texts_of_others_are_plain(test: TestDatabase) {
        let ledger = Ledger::of(test, async |book| {
            hostile(book).await;
            let mut entry = new_entry(vec![line("<b>a</b>", "b&\"quoted\"", 1)]);
            entry.notes.description = Some("\u{202e}a\u{2066}\r\nb\tc".to_owned());
            book.post(entry).await.unwrap();
        }).await;
        let table = ledger.both(&["statement", "b&\"quoted\""]).await.printed();
        let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("2026")).collect();
        // In one line each, cut, and not turned.
        assert_eq!(rows, [
            "2026-11-23  </td></style><script>alert(\"1\")</script> & 'x'…  <b>a</b>   12.34    12.34",
            "2026-11-23  \u{fffd}a\u{fffd}  b c                                         <b>a</b>    0.01    12.35",
        ]);
    }

    /// Colours are for terminals, and for those who ask for them.
    async fn colours_are_for_terminals(test: TestDatabase) {
        let ledger = Ledger::of(test, async |book| {
            for code in ["a", "b"] {
                book.account(code).await;
            }
            book.transfer("a", "b", 1).await.unwrap();
        }).await;
        let place = ledger.places()[0];
        let plain = ledger.both(&["balance"]).await.printed();
        assert!(!plain.contains('\u{1b}'));
        let painted = ledger.both(&["balance", "--color", "always"]).await.printed();
        assert!(painted.contains("\u{1b}[1mACCOUNT"), "{painted:?}");
        assert!(painted.contains("\u{1b}[31m-0.01\u{1b}[0m     0.00      \u{1b}[31m-0.01\u{1b}[0m  EUR"), "{painted:?}");
        let stripped = painted.replace("\u{1b}[1m", "").replace("\u{1b}[31m", "").replace("\u{1b}[0m", "");
        assert_eq!(stripped, plain);
        // JSON and CSV have none, whatever is asked for.
        let json = ask(&[&["balance", "--json", "--color", "always"], &place[..]].concat()).await.printed();
        let csv = ask(&[&["statement", "a", "--format", "csv", "--color", "always"], &place[..]].concat()).await.printed();
        assert!(!json.contains('\u{1b}') && !csv.contains('\u{1b}'));

        for (variables, is_painted) in [
            (&[("TERM", "xterm")][..], true),
            (&[("TERM", "xterm"), ("NO_COLOR", "1")], false),
            (&[("TERM", "xterm"), ("NO_COLOR", "")], true),
            (&[("TERM", "dumb")], false),
        ] {
            let shown = on_a_terminal(&[&["balance"], &place[..]].concat(), variables).await;
            assert!(shown.contains("ACCOUNT"), "{shown}");
            assert_eq!(shown.contains('\u{1b}'), is_painted, "{variables:?}: {shown:?}");
            let never = on_a_terminal(&[&["balance", "--color", "never"], &place[..]].concat(), variables).await;
            assert!(!never.contains('\u{1b}'), "{variables:?}: {never:?}");
        }
        let always = ask_with(&[&["balance", "--color", "always"], &place[..]].concat(), &[("NO_COLOR", "1")]).await;
        assert_eq!(always.printed(), painted);
    }

    /// `daybook accounts | head` ends quietly.
    async fn whoever_reads_may_stop(test: TestDatabase) {
        let ledger = Ledger::of(test, async |book| {
            // More than a pipe holds.
            for number in 0..700 {
                let account = OpenAccount { name: "x".repeat(200), ..new_account(&format!("a{number:03}")) };
                book.open(account).await.unwrap();
            }
        }).await;
        let args = [&["accounts", "--json"], &ledger.places()[0][..]].concat();
        let mut child = command(&args, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let ended = tokio::task::spawn_blocking(move || {
            let mut first = [0; 10];
            let mut out = child.stdout.take().unwrap();
            out.read_exact(&mut first).unwrap();
            drop(out);
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            (child.wait().unwrap().code(), said)
        });
        assert_eq!(ended.await.unwrap(), (Some(0), String::new()));
    }
}

/// What the command shows on a terminal of its own (`script`, of util-linux).
async fn on_a_terminal(args: &[&str], variables: &[(&str, &str)]) -> String {
    let quoted: Vec<String> = args.iter().map(|arg| format!("'{arg}'")).collect();
    let line = format!("{} {}", env!("CARGO_BIN_EXE_daybook"), quoted.join(" "));
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env_remove("NO_COLOR")
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || script.output().unwrap());
    let output = output.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
