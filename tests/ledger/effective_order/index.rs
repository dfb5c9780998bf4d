//! What is read, at volume.

use super::{looked_up, page_of, read};
use crate::ledger::book::{Book, at, effective, line, new_entry};
use crate::ledger::history::nothing_is_scanned;
use crate::ledger::volume::fill;
use daybook::ledger::{
    EffectiveRequest, NewLine, PageRequest, PostEntry, StatementFilter, effective_lines,
    effective_lines_statement, running_balances_statement,
};
use daybook_entity::{Side, account};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, Statement};

async fn page_is_read_by_index(
    book: &Book,
    account: &account::Model,
    page: &PageRequest,
    filter: &StatementFilter,
) -> Vec<(i64, i64)> {
    let request = EffectiveRequest::new(account, page, filter.clone(), false).unwrap();
    let slices = request.slices();
    if book.engine == Engine::MariaDb {
        // Two statements, with functions whose plans are not shown.
        let read = async |tx: &_| effective_lines(tx, &slices).await.map(drop);
        let rows = book.rows_read_by(read).await;
        assert!(rows < 2000, "{rows} rows");
    } else {
        let lines = effective_lines_statement(&book.db, &slices);
        let (plan, pages) = carried_out(book, lines).await;
        nothing_is_scanned(&plan);
        // The index that leads over runs of late lines: without it, the lines of a run are read one by one.
        assert!(plan.contains("late_line_run_idx"), "{plan}");
        assert!(pages < 2000, "{pages} pages of the database: {plan}");
    }
    let places = looked_up(&page_of(book, account, page, filter, false).await);
    if !places.is_empty() {
        let (plan, pages) = carried_out(book, running_balances_statement(&book.db, &places)).await;
        nothing_is_scanned(&plan);
        assert!(pages < 2000, "{pages} pages of the database: {plan}");
    }
    let read = read(book, account, page, filter, false).await;
    let lines = read.lines.into_iter();
    lines
        .map(|(_, version, balance)| (version, balance))
        .collect()
}

/// The plan of a statement, and how many pages of the database it read with it, with repetitions (SQLite does not tell, and MariaDB counts
/// rows). PostgreSQL shows all of a plan only once it has been carried out.
async fn carried_out(book: &Book, statement: Statement) -> (String, u64) {
    match book.engine {
        Engine::Sqlite => return (book.plan(statement).await, 0),
        Engine::MariaDb => {
            let plan = book.plan(statement.clone()).await;
            return (plan, book.rows_read(statement).await);
        }
        Engine::Postgres => {}
    }
    let Statement { sql, values, .. } = statement;
    let sql = format!("EXPLAIN (ANALYZE, BUFFERS) {sql}");
    let engine = book.db.get_database_backend();
    let statement = Statement::from_sql_and_values(engine, sql, values.unwrap());
    let rows = book.db.query_all_raw(statement).await.unwrap();
    let lines: Vec<String> = rows
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect();
    let buffers = lines
        .iter()
        .find(|line| line.contains("Buffers: shared"))
        .unwrap();
    let counts = buffers
        .split(['=', ' '])
        .filter_map(|word| word.parse::<u64>().ok());
    (lines.join("\n"), counts.sum())
}

on_every_engine! {
    /// Twenty thousand late lines between two lines in order, pages around them, in them and over them are
    /// read by index, and so are the balances in them.
    async fn effective_order_is_read_by_index(database: TestDatabase) {
        const LINES: i64 = 20_000;
        let book = Book::new(database).await;
        for code in ["a", "b"] {
            book.account(code).await;
        }
        let (soon, later) = (86_400 * 365, 86_400 * 3650);
        book.post(PostEntry { notes: effective(at(soon)), ..new_entry(vec![line("a", "b", 7)]) }).await.unwrap();
        fill(&book, "a", "b", LINES).await;
        let amounts: Vec<NewLine> = (0..10).map(|_| line("b", "a", 3)).collect();
        book.post(PostEntry { notes: effective(at(later)), ..new_entry(amounts) }).await.unwrap();
        let account = book.find("a").await;
        let none = StatementFilter::default;
        let ten = |first, last, after: Option<String>, before| PageRequest { first, last, after, before };

        // The order: the late lines (versions 2 to 20,001), the first line, the ten last ones.
        let oldest = page_is_read_by_index(&book, &account, &ten(Some(10), None, None, None), &none()).await;
        assert_eq!(oldest, (1..=10).map(|n| (n + 1, -n)).collect::<Vec<_>>());
        let newest = page_is_read_by_index(&book, &account, &ten(None, Some(12), None, None), &none()).await;
        let last_ten = (1..=10).map(|n| (LINES + 1 + n, -LINES - 7 + 3 * n));
        let expected: Vec<_> = [(LINES + 1, -LINES), (1, -LINES - 7)].into_iter().chain(last_ten).collect();
        assert_eq!(newest, expected);
        let middle = StatementFilter { effective_from: Some(at(8_000)), ..none() };
        let lines = page_is_read_by_index(&book, &account, &ten(Some(3), None, None, None), &middle).await;
        assert_eq!(lines, (8_000..8_003).map(|n| (n + 1, -n)).collect::<Vec<_>>());
        // From a cursor in the middle, both ways, and where the balance is looked up for each line.
        let cursor = read(&book, &account, &ten(Some(1), None, None, None), &middle, false).await.lines[0].0.clone();
        for filter in [none(), StatementFilter { side: Some(Side::Debit), ..none() }] {
            let after = page_is_read_by_index(&book, &account, &ten(Some(3), None, Some(cursor.clone()), None), &filter).await;
            assert_eq!(after, (8_001..8_004).map(|n| (n + 1, -n)).collect::<Vec<_>>());
            let before = page_is_read_by_index(&book, &account, &ten(None, Some(3), None, Some(cursor.clone())), &filter).await;
            assert_eq!(before, (7_997..8_000).map(|n| (n + 1, -n)).collect::<Vec<_>>());
        }
        // The ten credits are beyond the run, whichever way they are looked for.
        let credits = StatementFilter { side: Some(Side::Credit), ..none() };
        for request in [ten(Some(20), None, None, None), ten(None, Some(20), None, None)] {
            let lines = read(&book, &account, &request, &credits, false).await.lines;
            assert_eq!(lines.iter().map(|line| line.1).collect::<Vec<_>>(), (LINES + 2..=LINES + 11).collect::<Vec<_>>());
        }
    }
}
