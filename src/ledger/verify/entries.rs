//! Entries as wholes: their kinds, what they end and undo, and that the outbox has them.

use super::checks::rows;
use super::{Difference, EntryProblem};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;

/// Each problem, and the statement that finds the ids of the entries that have it.
const CHECKS: [(EntryProblem, &str); 21] = [
    (
        EntryProblem::NoLines,
        "SELECT id FROM entry WHERE NOT EXISTS (SELECT 1 FROM entry_line WHERE entry_line.entry_id = entry.id)",
    ),
    (
        EntryProblem::Missing,
        "SELECT DISTINCT entry_id AS id FROM entry_line WHERE NOT EXISTS (SELECT 1 FROM entry WHERE entry.id = entry_line.entry_id)",
    ),
    (
        EntryProblem::Amount,
        "SELECT DISTINCT entry_id AS id FROM entry_line WHERE amount <= 0 OR debit_account_id = credit_account_id",
    ),
    (
        EntryProblem::Ledger,
        "SELECT DISTINCT entry.id FROM entry JOIN entry_line ON entry_line.entry_id = entry.id
         JOIN account ON account.id IN (debit_account_id, credit_account_id) WHERE account.ledger IS DISTINCT FROM entry.ledger",
    ),
    (
        EntryProblem::Effect,
        "SELECT DISTINCT entry.id FROM entry JOIN entry_line ON entry_line.entry_id = entry.id
         WHERE CASE kind WHEN 'REVERSAL' THEN effect <> 'POST' WHEN 'CAPTURE' THEN effect NOT IN ('CAPTURE', 'RELEASE')
               ELSE effect <> kind END",
    ),
    (
        EntryProblem::ResolvesNoHold,
        "SELECT entry.id FROM entry LEFT JOIN entry hold ON hold.id = entry.resolves_id
         WHERE entry.kind IN ('CAPTURE', 'RELEASE') AND (hold.id IS NULL OR hold.kind <> 'HOLD')",
    ),
    (
        EntryProblem::ResolvedTwice,
        "SELECT resolves_id AS id FROM entry WHERE resolves_id IS NOT NULL AND NOT leaves_rest GROUP BY resolves_id HAVING COUNT(*) > 1",
    ),
    // If something is left, less was captured and freed than was set aside; otherwise as much.
    (
        EntryProblem::ResolvedInPart,
        "SELECT DISTINCT id FROM (
            SELECT id, debit_account_id, credit_account_id, SUM(aside) AS aside FROM (
                SELECT entry_id AS id, debit_account_id, credit_account_id, amount AS aside FROM entry_line
                WHERE effect = 'HOLD' AND entry_id IN (SELECT resolves_id FROM entry WHERE resolves_id IS NOT NULL)
                UNION ALL
                SELECT resolves_id, debit_account_id, credit_account_id, -amount FROM entry_line JOIN entry ON entry.id = entry_id
                WHERE resolves_id IS NOT NULL AND effect IN ('CAPTURE', 'RELEASE')
            ) AS parts GROUP BY id, debit_account_id, credit_account_id
         ) AS sums WHERE aside < 0
            OR aside > 0 AND EXISTS (SELECT 1 FROM entry AS newest WHERE newest.resolves_id = sums.id AND NOT newest.leaves_rest)",
    ),
    (
        EntryProblem::ReversedTwice,
        "SELECT reverses_id AS id FROM entry WHERE reverses_id IS NOT NULL AND NOT leaves_rest GROUP BY reverses_id HAVING COUNT(*) > 1",
    ),
    (
        EntryProblem::ReversedInPart,
        "SELECT DISTINCT id FROM (
            SELECT id, debit_account_id, credit_account_id, SUM(moved) AS moved FROM (
                SELECT entry_id AS id, debit_account_id, credit_account_id, amount AS moved FROM entry_line
                WHERE effect IN ('POST', 'CAPTURE') AND entry_id IN (SELECT reverses_id FROM entry WHERE reverses_id IS NOT NULL)
                UNION ALL
                SELECT reverses_id, credit_account_id, debit_account_id, -amount FROM entry_line JOIN entry ON entry.id = entry_id
                WHERE reverses_id IS NOT NULL
            ) AS parts GROUP BY id, debit_account_id, credit_account_id
         ) AS sums WHERE moved < 0
            OR moved > 0 AND EXISTS (SELECT 1 FROM entry AS newest WHERE newest.reverses_id = sums.id AND NOT newest.leaves_rest)",
    ),
    // The parts of an entry are numbered from 1 on, and all but the last have left something.
    (
        EntryProblem::Parts,
        "SELECT id FROM (
            SELECT COALESCE(reverses_id, resolves_id) AS id, COUNT(*) AS parts, COUNT(DISTINCT COALESCE(part, 1)) AS numbers,
                   MAX(COALESCE(part, 1)) AS newest, SUM(CASE WHEN leaves_rest THEN 1 ELSE 0 END) AS leaving,
                   MAX(CASE WHEN leaves_rest THEN 0 ELSE COALESCE(part, 1) END) AS final_part
            FROM entry WHERE reverses_id IS NOT NULL OR resolves_id IS NOT NULL GROUP BY COALESCE(reverses_id, resolves_id)
         ) AS numbered WHERE numbers <> parts OR newest <> parts OR leaving < parts - 1 OR final_part NOT IN (0, newest)",
    ),
    // What is left of a line is what was left before, less what the part takes.
    (
        EntryProblem::Parts,
        "SELECT DISTINCT entry_id AS id FROM (
            SELECT line_part.entry_id, line_part.amount, remaining, entry_line.effect, COALESCE(LAG(remaining) OVER in_order, entry_line.amount) AS left_before
            FROM line_part LEFT JOIN entry_line ON entry_line.entry_id = line_part.entry_id AND entry_line.line_no = line_part.line_no
            WINDOW in_order AS (PARTITION BY line_part.entry_id, line_part.line_no ORDER BY part)
         ) AS chain WHERE effect IS NULL OR effect = 'RELEASE' OR amount <= 0 OR remaining < 0 OR remaining <> left_before - amount",
    ),
    // What a part takes of lines is what its own lines move, and only of the entry that it is about.
    (
        EntryProblem::Parts,
        "SELECT DISTINCT id FROM (
            SELECT id, debit_account_id, credit_account_id, SUM(amount) AS amount FROM (
                SELECT entry_id AS id, debit_account_id, credit_account_id, amount FROM entry_line JOIN entry ON entry.id = entry_id
                WHERE part IS NOT NULL
                UNION ALL
                SELECT by_entry_id, CASE WHEN reverses_id IS NULL THEN debit_account_id ELSE credit_account_id END,
                       CASE WHEN reverses_id IS NULL THEN credit_account_id ELSE debit_account_id END, -line_part.amount
                FROM line_part
                JOIN entry_line ON entry_line.entry_id = line_part.entry_id AND entry_line.line_no = line_part.line_no
                JOIN entry ON entry.id = by_entry_id
            ) AS both_sides GROUP BY id, debit_account_id, credit_account_id
         ) AS sums WHERE amount <> 0",
    ),
    (
        EntryProblem::Parts,
        "SELECT by_entry_id AS id FROM line_part LEFT JOIN entry ON entry.id = by_entry_id
         WHERE entry.id IS NULL OR entry.part IS NULL OR entry.part <> line_part.part
            OR COALESCE(reverses_id, resolves_id) <> line_part.entry_id",
    ),
    // Whether something is left after the last part.
    (
        EntryProblem::Parts,
        "SELECT id FROM (
            SELECT entry.id, SUM(COALESCE((
                SELECT remaining FROM line_part WHERE line_part.entry_id = entry_line.entry_id AND line_part.line_no = entry_line.line_no
                    AND line_part.part <= entry.part ORDER BY line_part.part DESC LIMIT 1
            ), entry_line.amount)) AS remaining, MAX(CASE WHEN leaves_rest THEN 1 ELSE 0 END) AS leaves
            FROM entry JOIN entry_line ON entry_line.entry_id = COALESCE(reverses_id, resolves_id)
                AND (effect = 'HOLD' OR reverses_id IS NOT NULL AND effect IN ('POST', 'CAPTURE'))
            WHERE part IS NOT NULL GROUP BY entry.id
         ) AS rests WHERE (remaining > 0) <> (leaves = 1)",
    ),
    (
        EntryProblem::Outbox,
        "SELECT id FROM entry LEFT JOIN (SELECT entry_id, COUNT(*) AS times FROM outbox WHERE revision IS NULL GROUP BY entry_id) AS told ON told.entry_id = entry.id
         WHERE COALESCE(times, 0) <> 1",
    ),
    (
        EntryProblem::Missing,
        // Not by NOT EXISTS, here and below: there, MariaDB can lose the name of what it refers to.
        "SELECT entry_id AS id FROM outbox LEFT JOIN entry ON entry.id = outbox.entry_id WHERE entry_id IS NOT NULL AND entry.id IS NULL",
    ),
    // By the numbers of the outbox, since a closing waits for the entries before it: the clocks of servers do not matter.
    (
        EntryProblem::PeriodClosed,
        "SELECT DISTINCT entry.id FROM (
            SELECT code_prefix, closed_until, after_seq, LEAD(after_seq) OVER (PARTITION BY code_prefix ORDER BY number) AS until_seq FROM closing
         ) AS closed JOIN entry ON entry.effective_at < closed.closed_until
         JOIN outbox ON outbox.entry_id = entry.id AND outbox.revision IS NULL AND outbox.seq > closed.after_seq
             AND (until_seq IS NULL OR outbox.seq <= until_seq)
         JOIN entry_line ON entry_line.entry_id = entry.id
         JOIN account ON account.id IN (debit_account_id, credit_account_id) AND substr(account.code, 1, length(code_prefix)) = code_prefix",
    ),
    (
        EntryProblem::Changes,
        "SELECT DISTINCT entry_id AS id FROM (
            SELECT entry_id, number, metadata_before, metadata_after, LAG(number) OVER in_order AS last_number,
                   LAG(metadata_after) OVER in_order AS last_metadata, LEAD(number) OVER in_order AS next_number
            FROM entry_change WINDOW in_order AS (PARTITION BY entry_id ORDER BY number)
         ) AS chain LEFT JOIN entry ON entry.id = entry_id
         WHERE number <> COALESCE(last_number, 0) + 1 OR last_metadata <> metadata_before
            OR next_number IS NULL AND (entry.id IS NULL OR entry.metadata <> metadata_after)",
    ),
    (
        EntryProblem::Outbox,
        "SELECT entry_change.entry_id AS id FROM entry_change LEFT JOIN (
            SELECT entry_id, revision, COUNT(*) AS times FROM outbox WHERE revision IS NOT NULL AND entry_id IS NOT NULL GROUP BY entry_id, revision
         ) AS told ON told.entry_id = entry_change.entry_id AND told.revision = number WHERE COALESCE(times, 0) <> 1",
    ),
    (
        EntryProblem::Changes,
        "SELECT outbox.entry_id AS id FROM outbox LEFT JOIN entry_change ON entry_change.entry_id = outbox.entry_id AND number = revision
         WHERE revision IS NOT NULL AND outbox.entry_id IS NOT NULL AND number IS NULL",
    ),
];

/// Every problem of every entry.
pub(super) async fn entries(
    db: &impl ConnectionTrait,
    limit: usize,
) -> Result<Vec<Difference>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        id: Uuid,
        problem: i32,
    }
    let checks = CHECKS.iter().zip(0..).map(|((_, sql), number)| {
        format!("SELECT id, {number} AS problem FROM ({sql}) AS found_{number}")
    });
    let checks: Vec<String> = checks.collect();
    let sql = format!(
        "SELECT id, problem FROM ({}) AS found ORDER BY problem, id",
        checks.join(" UNION ALL ")
    );
    let rows = rows::<Row>(db, &sql, limit).await?;
    let difference = |row: Row| {
        let (problem, _) = CHECKS.get(usize::try_from(row.problem).ok()?)?;
        Some(Difference::Entry {
            entry_id: row.id,
            problem: *problem,
        })
    };
    Ok(rows.into_iter().filter_map(difference).collect())
}
