//! `verify` finds what was damaged behind the ledger's back.

use super::book::{Book, at, effective, line, new_entry, new_hold, noon};
use super::rules_of_mariadb;
use daybook::ledger::{
    AnnotateEntry, Clock, CloseBooks, Difference, EntryProblem, EntryRef, PostEntry, Total,
    annotate_entry, close_books, random, verify,
};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;

/// Runs `sql` with the database's own rules out of the way, as a restored or edited file would have it.
async fn damage(book: &Book, sql: &str) {
    let (before, after) = match book.engine {
        Engine::MariaDb => (
            "DROP TRIGGER IF EXISTS account_next_revision; DROP TRIGGER IF EXISTS entry_line_refuse_UPDATE;
             DROP TRIGGER IF EXISTS entry_line_refuse_DELETE",
            "",
        ),
        Engine::Sqlite => (
            "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; DROP TRIGGER IF EXISTS account_next_revision;
             DROP TRIGGER IF EXISTS entry_line_refuse_UPDATE; DROP TRIGGER IF EXISTS entry_line_refuse_DELETE",
            "PRAGMA foreign_keys = ON; PRAGMA ignore_check_constraints = OFF",
        ),
        Engine::Postgres => (
            "ALTER TABLE entry_line DISABLE TRIGGER ALL; ALTER TABLE account DISABLE TRIGGER account_next_revision;
             ALTER TABLE account DROP CONSTRAINT IF EXISTS account_no_debit_overdraft, DROP CONSTRAINT IF EXISTS account_closed_is_empty,
                 DROP CONSTRAINT IF EXISTS account_min_balance, DROP CONSTRAINT IF EXISTS account_max_balance",
            "ALTER TABLE entry_line ENABLE TRIGGER ALL",
        ),
    };
    let sql = match book.engine {
        // What is off is off for a session.
        Engine::MariaDb => &format!("{}; {sql}; {}", rules_of_mariadb::OFF, rules_of_mariadb::ON),
        Engine::Sqlite | Engine::Postgres => sql,
    };
    for sql in [before, sql, after]
        .into_iter()
        .filter(|sql| !sql.is_empty())
    {
        book.db.execute_unprepared(sql).await.unwrap();
    }
}

/// Two wallets that a bank has filled, with five lines.
async fn a_sound_book(database: TestDatabase) -> Book {
    let book = Book::new(database).await;
    book.account("bank").await;
    book.wallet("w1").await;
    book.wallet("w2").await;
    book.post(new_entry(vec![
        line("bank", "w1", 100),
        line("bank", "w2", 50),
    ]))
    .await
    .unwrap();
    for _ in 0..3 {
        book.transfer("w1", "w2", 10).await.unwrap();
    }
    let check = verify(&book.db, 10).await.unwrap();
    assert!(check.is_sound(), "{check:?}");
    assert_eq!((check.accounts, check.entries, check.lines), (3, 4, 5));
    book
}

async fn differences(book: &Book) -> Vec<Difference> {
    let check = verify(&book.db, 100).await.unwrap();
    assert!(!check.is_sound() && !check.truncated);
    check.differences
}

/// Whether a difference is the one that is looked for.
type Tells = Box<dyn Fn(&Difference) -> bool>;

/// Entries of every kind: a hold that was captured in part, one that was released, one that is open; a reversal; a late entry.
pub(super) async fn a_varied_book(database: TestDatabase) -> Book {
    let book = a_sound_book(database).await;
    let hold = async |amount| {
        let hold = new_hold(vec![line("w1", "w2", amount), line("w1", "bank", 1)]);
        book.hold(hold).await.unwrap().entry.id
    };
    let (captured, released) = (hold(5).await, hold(7).await);
    hold(9).await;
    book.capture(captured, Some(vec![3, 1]), noon())
        .await
        .unwrap();
    book.release(released, noon()).await.unwrap();
    let mistake = book.transfer("w1", "w2", 2).await.unwrap();
    let reversal = book.reverse(mistake.entry.id).await.unwrap().entry.id;
    for n in 1..=2 {
        let added = AnnotateEntry {
            entry: EntryRef::Id(reversal),
            metadata: json!({ "n": n, "text": "ä" }),
            replace: true,
            recorded_by: None,
        };
        book.write(async |tx| annotate_entry(tx, added, &Clock::at(noon())).await)
            .await
            .unwrap();
    }
    let late = PostEntry {
        notes: effective(at(-60)),
        ..new_entry(vec![line("w1", "w2", 1)])
    };
    book.post(late).await.unwrap();
    let closing = CloseBooks {
        random: random(),
        code_prefix: "x".to_owned(),
        closed_until: Some(at(-30)),
        reason: None,
        recorded_by: None,
    };
    book.write(async |tx| close_books(tx, closing, &Clock::at(noon())).await)
        .await
        .unwrap();
    book.is_sound().await;
    book
}

/// An entry that was reversed in three parts, and a hold of which a part was captured, another released, and a third is still set aside.
pub(super) async fn a_book_of_parts(database: TestDatabase) -> Book {
    let book = a_sound_book(database).await;
    let lines = vec![line("w1", "w2", 20), line("w1", "w2", 10)];
    let posted = book.post(new_entry(lines)).await.unwrap().entry.id;
    for amounts in [Some(vec![5, 0]), Some(vec![5, 5]), None] {
        book.reverse_of(posted, amounts).await.unwrap();
    }
    let hold = book.hold(new_hold(vec![line("w1", "w2", 30)])).await;
    let hold = hold.unwrap().entry.id;
    book.capture_part(hold, &[10]).await.unwrap();
    book.release_of(hold, Some(vec![5]), noon()).await.unwrap();
    book.is_sound().await;
    book
}

/// What `verify` finds when `sql` has been run with the rules of the database out of the way. Everything is undone afterwards.
pub(super) async fn found_after(book: &Book, sql: &str) -> Vec<Difference> {
    let lift = match book.engine {
        Engine::MariaDb => {
            rules_of_mariadb::drop_triggers(book).await;
            rules_of_mariadb::OFF.to_owned()
        }
        Engine::Sqlite => {
            book.db
                .execute_unprepared(
                    "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON",
                )
                .await
                .unwrap();
            let tables = [
                "entry",
                "entry_line",
                "line_part",
                "account_pending",
                "late_line",
                "late_place",
                "outbox",
                "account_change",
                "entry_change",
                "closing",
                "seal",
            ];
            let drops = tables.map(|table| {
                format!("DROP TRIGGER {table}_refuse_UPDATE; DROP TRIGGER {table}_refuse_DELETE;")
            });
            drops.concat() + "DROP TRIGGER account_next_revision; DROP TRIGGER account_change_to_history; DROP TRIGGER entry_change_follows; DROP TRIGGER entry_change_to_entry;
                DROP TRIGGER closed_period_stays; DROP TRIGGER closed_period_fixed; DROP TRIGGER closed_period_is_closing;
                DROP TRIGGER seal_follows; DROP TRIGGER account_identity_fixed; DROP TRIGGER line_part_follows; DROP TRIGGER entry_part_follows;"
        }
        Engine::Postgres => "SET LOCAL session_replication_role = replica;
            ALTER TABLE entry_line DROP CONSTRAINT entry_line_amount_positive;
            ALTER TABLE entry DROP CONSTRAINT entry_part_form;
            DROP INDEX entry_resolved_once; DROP INDEX entry_reversed_once;"
            .to_owned(),
    };
    let mut found = Vec::new();
    let undone = book
        .write(async |tx| {
            tx.execute_unprepared(&lift).await?;
            tx.execute_unprepared(sql).await?;
            found = verify(tx, 100).await?.differences;
            if book.engine == Engine::MariaDb {
                tx.execute_unprepared(rules_of_mariadb::ON).await?;
            }
            Err::<(), _>(DbErr::Custom("undone".to_owned()))
        })
        .await;
    assert_eq!(undone, Err(DbErr::Custom("undone".to_owned())), "{sql}");
    found
}

on_every_engine! {
    /// Each way to damage what is beside the accounts' totals, and the difference that tells of it.
    async fn each_damage_is_found_as_what_it_is(database: TestDatabase) {
        use EntryProblem as Problem;
        let book = a_varied_book(database).await;
        let of = |kind: &str| format!("(SELECT id FROM entry WHERE kind = '{kind}')");
        let problem = |problem: EntryProblem| move |found: &Difference| matches!(found, Difference::Entry { problem: is, .. } if *is == problem);
        let pending = |found: &Difference| matches!(found, Difference::Pending { recorded: Some(_), recomputed: Some(_), .. });
        let lost = |found: &Difference| matches!(found, Difference::Pending { recorded: None, recomputed: Some(_), .. });
        let spurious = |found: &Difference| matches!(found, Difference::Pending { recorded: Some(_), recomputed: None, .. });
        let history = |found: &Difference| matches!(found, Difference::History { .. });
        let closing = |found: &Difference| matches!(found, Difference::Closing { .. });
        let changes = |found: &Difference| matches!(found, Difference::AccountChanges { account } if account.code == "w1");
        let (capture, release, reversal) = (of("CAPTURE"), of("RELEASE"), of("REVERSAL"));
        let captured = "(SELECT resolves_id FROM entry WHERE kind = 'CAPTURE')";
        let nobody = match book.engine {
            Engine::MariaDb => "X'018f0000000070008000000000000000'",
            Engine::Sqlite => "x'018f0000000070008000000000000000'",
            Engine::Postgres => "CAST('018f0000-0000-7000-8000-000000000000' AS uuid)",
        };
        let late_line = match book.engine {
            // It has a generated column.
            Engine::MariaDb => " (account_id, version, latest_effective_at, `lines`, posted, debits_pending, credits_pending, held)",
            Engine::Sqlite | Engine::Postgres => "",
        };
        let columns = "kind, reverses_id, description, effective_at, recorded_at, expires_at, metadata";
        let mut damages: Vec<(String, Tells)> = vec![
            ("UPDATE account_pending SET debits_pending = debits_pending + 1 WHERE debits_pending = 23".to_owned(), Box::new(pending)),
            ("UPDATE account_pending SET credits_pending = credits_pending + 1".to_owned(), Box::new(pending)),
            ("DELETE FROM account_pending WHERE debits_pending = 23".to_owned(), Box::new(lost)),
            ("INSERT INTO account_pending SELECT id, 1, 0, 0 FROM account WHERE code = 'w1'".to_owned(), Box::new(spurious)),
            ("UPDATE late_line SET posted = posted + 1".to_owned(), Box::new(history)),
            ("UPDATE late_line SET latest_effective_at = (SELECT MIN(effective_at) FROM entry)".to_owned(), Box::new(history)),
            ("DELETE FROM late_line".to_owned(), Box::new(history)),
            (format!("INSERT INTO late_line{late_line} SELECT account_id, 1, latest_effective_at, 1, 0, 0, 0, 0 FROM late_line"), Box::new(history)),
            ("UPDATE late_place SET posted = posted + 1".to_owned(), Box::new(history)),
            ("UPDATE late_place SET effective_at = (SELECT MAX(effective_at) FROM entry)".to_owned(), Box::new(history)),
            ("DELETE FROM late_place".to_owned(), Box::new(history)),
            ("INSERT INTO late_place SELECT account_id, effective_at, version + 1, posted FROM late_place".to_owned(), Box::new(history)),
            ("UPDATE late_total SET posted = posted + 1 WHERE level = 4".to_owned(), Box::new(history)),
            ("UPDATE late_total SET bucket = bucket + 1 WHERE level = 0".to_owned(), Box::new(history)),
            ("DELETE FROM late_total WHERE level = 9".to_owned(), Box::new(history)),
            ("UPDATE account SET latest_effective_at = NULL WHERE code = 'w1'".to_owned(), Box::new(history)),
            ("UPDATE account SET latest_effective_at = (SELECT MIN(effective_at) FROM entry) WHERE code = 'w1'".to_owned(), Box::new(history)),
            (format!("UPDATE entry SET metadata = '{{\"x\": 1}}' WHERE id = {reversal}"), Box::new(problem(Problem::Changes))),
            (format!("UPDATE entry_change SET metadata_after = '{{\"x\": 1}}' WHERE entry_id = {reversal} AND number = 1"), Box::new(problem(Problem::Changes))),
            (format!("UPDATE entry_change SET metadata_before = '{{\"x\": 1}}' WHERE entry_id = {reversal} AND number = 2"), Box::new(problem(Problem::Changes))),
            (format!("UPDATE entry_change SET number = 3 WHERE entry_id = {reversal} AND number = 2"), Box::new(problem(Problem::Changes))),
            (format!("DELETE FROM entry_change WHERE entry_id = {reversal} AND number = 1"), Box::new(problem(Problem::Changes))),
            (format!("DELETE FROM entry_change WHERE entry_id = {reversal} AND number = 2"), Box::new(problem(Problem::Changes))),
            (format!("DELETE FROM outbox WHERE entry_id = {reversal} AND revision = 2"), Box::new(problem(Problem::Outbox))),
            (format!("INSERT INTO outbox (entry_id, revision) SELECT {reversal}, 2"), Box::new(problem(Problem::Outbox))),
            (format!("INSERT INTO outbox (entry_id, revision) SELECT {reversal}, 3"), Box::new(problem(Problem::Changes))),
            ("UPDATE closed_period SET closed_until = (SELECT MAX(effective_at) FROM entry)".to_owned(), Box::new(closing)),
            ("UPDATE closed_period SET code_prefix = 'y'".to_owned(), Box::new(closing)),
            ("DELETE FROM closed_period".to_owned(), Box::new(closing)),
            ("INSERT INTO closed_period SELECT 'y', closed_until FROM closed_period".to_owned(), Box::new(closing)),
            ("UPDATE closing SET closed_until = NULL".to_owned(), Box::new(closing)),
            ("UPDATE closing SET code_prefix = 'w', after_seq = 0".to_owned(), Box::new(problem(Problem::PeriodClosed))),
            ("UPDATE account SET name = 'x' WHERE code = 'w1'".to_owned(), Box::new(changes)),
            ("UPDATE account SET class = 'ASSET' WHERE code = 'w1'".to_owned(), Box::new(changes)),
            ("UPDATE account SET revision = 2 WHERE code = 'w1'".to_owned(), Box::new(changes)),
            ("UPDATE account_change SET recorded_by = 'x' WHERE account_id = (SELECT id FROM account WHERE code = 'w1')".to_owned(), Box::new(changes)),
            ("DELETE FROM account_change WHERE account_id = (SELECT id FROM account WHERE code = 'w1')".to_owned(), Box::new(changes)),
            ("DELETE FROM outbox WHERE account_id = (SELECT id FROM account WHERE code = 'w1')".to_owned(), Box::new(changes)),
            ("INSERT INTO outbox (account_id, revision) SELECT id, 1 FROM account WHERE code = 'w1'".to_owned(), Box::new(changes)),
            (format!("DELETE FROM entry_line WHERE entry_id = {release}"), Box::new(problem(Problem::NoLines))),
            (format!("DELETE FROM entry WHERE id = {release}"), Box::new(problem(Problem::Missing))),
            (format!("UPDATE entry_line SET amount = 0 WHERE entry_id = {release}"), Box::new(problem(Problem::Amount))),
            (format!("UPDATE entry_line SET amount = -amount WHERE entry_id = {release}"), Box::new(problem(Problem::Amount))),
            (format!("UPDATE entry_line SET effect = 'POST' WHERE entry_id = {release}"), Box::new(problem(Problem::Effect))),
            (format!("UPDATE entry_line SET effect = 'HOLD' WHERE entry_id = {reversal}"), Box::new(problem(Problem::Effect))),
            (format!("UPDATE entry SET kind = 'POST' WHERE id = {captured}"), Box::new(problem(Problem::ResolvesNoHold))),
            (format!("UPDATE entry_line SET amount = amount + 1 WHERE entry_id = {capture}"), Box::new(problem(Problem::ResolvedInPart))),
            (format!("DELETE FROM entry_line WHERE entry_id = {capture} AND effect = 'RELEASE'"), Box::new(problem(Problem::ResolvedInPart))),
            (format!("UPDATE entry_line SET amount = amount + 1 WHERE entry_id = {reversal}"), Box::new(problem(Problem::ReversedInPart))),
            (format!("DELETE FROM outbox WHERE entry_id = {reversal}"), Box::new(problem(Problem::Outbox))),
            (format!("INSERT INTO outbox (entry_id) SELECT {reversal}"), Box::new(problem(Problem::Outbox))),
            (format!("INSERT INTO outbox (entry_id) SELECT {nobody}"), Box::new(problem(Problem::Missing))),
        ];
        // SQLite cannot drop a unique constraint.
        if book.engine == Engine::Postgres {
            let twice = format!("INSERT INTO entry (id, resolves_id, {columns}) SELECT {nobody}, resolves_id, {columns} FROM entry WHERE kind = 'CAPTURE'");
            damages.push((twice, Box::new(problem(Problem::ResolvedTwice))));
            let twice = format!("INSERT INTO entry (id, resolves_id, {columns}) SELECT {nobody}, resolves_id, {columns} FROM entry WHERE kind = 'REVERSAL'");
            damages.push((twice, Box::new(problem(Problem::ReversedTwice))));
        }
        for (sql, tells) in damages {
            // There, events are without a number at first, and looked at as well.
            let sql = match book.engine {
                Engine::MariaDb => sql.replace("INTO outbox (", "INTO outbox_unnumbered ("),
                Engine::Sqlite | Engine::Postgres => sql,
            };
            let found = found_after(&book, &sql).await;
            assert!(found.iter().any(tells), "{sql}: {found:#?}");
            for difference in &found {
                assert!(difference.to_string().len() > 20, "{difference:?}");
            }
        }
        book.is_sound().await;
    }

    /// Each way to damage what is said of parts.
    async fn each_damage_of_parts_is_found(database: TestDatabase) {
        use EntryProblem as Problem;
        let book = a_book_of_parts(database).await;
        let reversed = "(SELECT reverses_id FROM entry WHERE kind = 'REVERSAL' AND part = 1)";
        let number = |part| format!("(SELECT id FROM entry WHERE kind = 'REVERSAL' AND part = {part})");
        let (second, third) = (number(2), number(3));
        let damages = [
            // The sum of what is left and taken is as before; only the lines of the parts tell.
            (format!("UPDATE line_part SET remaining = remaining + 1, amount = amount - 1 WHERE entry_id = {reversed} AND line_no = 1 AND part = 1"), Problem::Parts),
            (format!("UPDATE line_part SET remaining = remaining + 1 WHERE entry_id = {reversed} AND line_no = 1 AND part = 2"), Problem::Parts),
            ("UPDATE line_part SET remaining = remaining - 1 WHERE entry_id IN (SELECT id FROM entry WHERE kind = 'HOLD')".to_owned(), Problem::Parts),
            // Two lines between the same accounts: their sum is right, and each of them is not.
            (format!("UPDATE line_part SET line_no = 2 WHERE by_entry_id = {}", number(1)), Problem::Parts),
            (format!("DELETE FROM line_part WHERE by_entry_id = {second}"), Problem::Parts),
            (format!("DELETE FROM line_part WHERE by_entry_id = {third}"), Problem::Parts),
            ("DELETE FROM line_part".to_owned(), Problem::Parts),
            (format!("UPDATE line_part SET by_entry_id = {} WHERE by_entry_id = {second} AND line_no = 2", number(1)), Problem::Parts),
            (format!("UPDATE entry SET part = 4 WHERE id = {third}"), Problem::Parts),
            (format!("UPDATE entry SET part = 4 WHERE id = {second}"), Problem::Parts),
            (format!("UPDATE entry SET leaves_rest = TRUE WHERE id = {third}"), Problem::Parts),
            (format!("UPDATE entry SET leaves_rest = FALSE WHERE id = {second}"), Problem::Parts),
            (format!("UPDATE entry SET leaves_rest = FALSE WHERE id = {second}"), Problem::ReversedTwice),
            ("UPDATE entry SET leaves_rest = FALSE WHERE resolves_id IS NOT NULL".to_owned(), Problem::ResolvedInPart),
            (format!("UPDATE entry_line SET amount = amount + 1 WHERE entry_id = {second}"), Problem::Parts),
            (format!("UPDATE entry_line SET amount = amount + 100 WHERE entry_id = {second}"), Problem::ReversedInPart),
            ("UPDATE entry_line SET amount = amount + 100 WHERE effect = 'CAPTURE'".to_owned(), Problem::ResolvedInPart),
        ];
        for (sql, problem) in damages {
            let found = found_after(&book, &sql).await;
            let tells = |found: &Difference| matches!(found, Difference::Entry { problem: is, .. } if *is == problem);
            assert!(found.iter().any(tells), "{sql}: {found:#?}");
        }
        book.is_sound().await;
    }

    async fn an_empty_ledger_is_sound(database: TestDatabase) {
        let book = Book::new(database).await;
        assert!(verify(&book.db, 0).await.unwrap().is_sound());
    }

    async fn a_changed_total_is_found(database: TestDatabase) {
        let book = a_sound_book(database).await;
        damage(&book, "UPDATE account SET credits_posted = credits_posted + 7, credits_pending = 3 WHERE code = 'w2'").await;
        let found = differences(&book).await;
        assert!(
            matches!(
                &found[..],
                [
                    Difference::Total { account, total: Total::CreditsPosted, recorded: 87, recomputed: 80 },
                    Difference::Total { total: Total::CreditsPending, recorded: 3, recomputed: 0, .. },
                ] if account.code == "w2"
            ),
            "{found:?}"
        );
    }

    async fn a_changed_version_is_found(database: TestDatabase) {
        let book = a_sound_book(database).await;
        damage(&book, "UPDATE account SET version = 9 WHERE code = 'w2'").await;
        let found = differences(&book).await;
        assert!(matches!(&found[..], [Difference::Version { recorded: 9, recomputed: 4, .. }]), "{found:?}");
    }

    async fn a_changed_amount_is_found_in_totals_and_from_its_line_on(database: TestDatabase) {
        let book = a_sound_book(database).await;
        damage(&book, "UPDATE entry_line SET amount = 60 WHERE amount = 50").await;
        let found = differences(&book).await;
        let totals = found.iter().filter(|found| matches!(found, Difference::Total { .. })).count();
        let running = found.iter().filter(|found| matches!(found, Difference::RunningBalance { .. })).count();
        // Two totals; the bank's second line, and all four of the wallet's.
        assert_eq!((totals, running, found.len()), (2, 5, 7), "{found:?}");
    }

    async fn a_missing_line_is_found_with_its_empty_entry(database: TestDatabase) {
        let book = a_sound_book(database).await;
        damage(&book, "DELETE FROM entry_line WHERE debit_version = 3").await;
        let found = differences(&book).await;
        let empty = |found: &Difference| matches!(found, Difference::Entry { problem: EntryProblem::NoLines, .. });
        assert!(found.iter().any(empty), "{found:?}");
        assert!(found.iter().any(|found| matches!(found, Difference::Version { .. })), "{found:?}");
        assert!(found.iter().any(|found| matches!(found, Difference::RunningBalance { .. })), "{found:?}");
    }

    async fn a_changed_balance_or_version_of_a_line_is_found(database: TestDatabase) {
        let book = a_sound_book(database).await;
        damage(&book, "UPDATE entry_line SET credit_balance = 61 WHERE credit_balance = 60").await;
        let found = differences(&book).await;
        assert!(
            matches!(&found[..], [Difference::RunningBalance { recorded_balance: 61, recomputed_balance: 60, .. }]),
            "{found:?}"
        );
        damage(&book, "UPDATE entry_line SET credit_balance = 60, credit_version = 9 WHERE credit_balance = 80").await;
        assert!(differences(&book).await.iter().any(|found| matches!(
            found,
            Difference::RunningBalance { recorded_version: 9, recomputed_version: 4, .. }
        )));
    }

    async fn a_line_of_a_foreign_currency_is_found(database: TestDatabase) {
        let book = a_sound_book(database).await;
        damage(&book, "UPDATE entry_line SET currency = 'USD' WHERE amount = 50").await;
        let found = differences(&book).await;
        assert_eq!(found.len(), 2, "one for each side: {found:?}");
        assert!(found.iter().all(|found| matches!(found, Difference::Currency { line_currency, .. } if line_currency == "USD")));
    }

    async fn an_overdrawn_or_full_closed_account_is_found(database: TestDatabase) {
        let book = a_sound_book(database).await;
        damage(&book, "UPDATE account SET debits_pending = 71 WHERE code = 'w1'").await;
        damage(&book, "UPDATE account SET status = 'CLOSED' WHERE code = 'w2'").await;
        let found = differences(&book).await;
        assert!(found.iter().any(|found| matches!(found, Difference::Overdraft { by: 1, .. })), "{found:?}");
        assert!(
            found.iter().any(|found| matches!(found, Difference::ClosedNotEmpty { account } if account.code == "w2")),
            "{found:?}"
        );
    }

    /// Also by more than 64 bits hold. What describes the account is not what its history says, either.
    async fn an_account_beyond_its_least_or_largest_balance_is_found(database: TestDatabase) {
        let book = a_sound_book(database).await;
        let most = i128::from(i64::MAX);
        // The bank has been debited 150, the wallet has 70.
        for (code, limit, beyond) in [
            ("w1", "min_balance = 71", 1),
            ("w1", "max_balance = 69", 1),
            ("w1", "max_balance = -9223372036854775807", 70 + most),
            ("bank", "min_balance = -149", 1),
            ("bank", "min_balance = 9223372036854775807", 150 + most),
            ("bank", "max_balance = -151", 1),
        ] {
            damage(&book, &format!("UPDATE account SET {limit} WHERE code = '{code}'")).await;
            let found = differences(&book).await;
            let [Difference::Overdraft { account, by }, Difference::AccountChanges { .. }] = &found[..] else { panic!("{limit}: {found:?}") };
            assert_eq!((account.code.as_str(), *by), (code, beyond), "{limit}");
            damage(&book, "UPDATE account SET min_balance = NULL, max_balance = NULL").await;
        }
        // What exactly fits is within.
        damage(&book, "UPDATE account SET min_balance = 70, max_balance = 70 WHERE code = 'w1'").await;
        let found = differences(&book).await;
        assert!(matches!(&found[..], [Difference::AccountChanges { .. }]), "{found:?}");
    }

    async fn no_more_differences_are_reported_than_asked_for(database: TestDatabase) {
        let book = a_sound_book(database).await;
        damage(&book, "UPDATE entry_line SET amount = 60 WHERE amount = 50").await;
        for (limit, reported, truncated) in [(0, 0, true), (1, 1, true), (6, 6, true), (7, 7, false), (8, 7, false)] {
            let check = verify(&book.db, limit).await.unwrap();
            assert_eq!((check.differences.len(), check.truncated), (reported, truncated), "{limit}");
            assert!(!check.is_sound());
        }
    }
}
