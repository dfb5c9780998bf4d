//! The two statements of this order, the same on every engine.
//!
//! What depends on other rows is looked up by subqueries that answer one value. Joins would be shorter, but for many slices at once, PostgreSQL
//! could read a table from end to end to make one.

use super::{EffectiveSlice, LinePlace, Place, mariadb};
use crate::ledger::dialect;
use crate::ledger::history::{LEVELS, first_step, latest_effective_at, microseconds, of_line};
use chrono::{DateTime, Utc};
use daybook_entity::{LineEffect, Side};
use sea_orm::{ActiveEnum, ConnectionTrait, DbBackend, Statement, Value};
use std::borrow::Borrow;
use uuid::Uuid;

/// The lines of slices; each row also has the parts of the balance at the edge that its slice is read from. MariaDB has two statements
/// instead: `mariadb::edges` and `mariadb::lines`.
pub fn lines<S: Borrow<EffectiveSlice>>(db: &impl ConnectionTrait, slices: &[S]) -> Statement {
    let engine = db.get_database_backend();
    let (numbers, kinds) = Kind::of_all(slices, engine);
    let mut cuts = Cuts::default();
    for (number, (slice, kind)) in slices.iter().zip(numbers).enumerate() {
        cuts.add_edges(number, kind, slice.borrow());
    }
    let edges: Vec<String> = kinds
        .iter()
        .enumerate()
        .map(|(number, kind)| {
            let edge = i32::from(kind.newest_first);
            format!("(kind = {number} AND edge = {edge})")
        })
        .collect();
    let (places, parameters) = cuts.places(engine);
    let sql = format!(
        "WITH RECURSIVE {places},
         balance AS (SELECT slice, {balance} FROM place WHERE {edges}),
         slice({SLICE}) AS (
            SELECT lowest.slice, lowest.kind, lowest.account_id, lowest.in_order, lowest.instant, lowest.version,
                   highest.in_order, highest.instant, highest.version, lowest.wanted
            FROM place AS lowest JOIN place AS highest ON highest.slice = lowest.slice WHERE lowest.edge = 0 AND highest.edge = 1
         ), {lines}",
        balance = balance(engine),
        edges = edges.join(" OR "),
        lines = of_slices(
            &kinds,
            "at_version, late_by_then, late_before, late_since,",
            "JOIN balance ON balance.slice = chosen.slice"
        ),
    );
    dialect::statement(engine, sql, parameters)
}

/// The columns of `slice`.
pub(super) const SLICE: &str =
    "number, kind, account_id, low, low_at, low_version, high, high_at, high_version, wanted";

/// SQL for the lines of the slices in `slice`, which are of these kinds, with more `columns` from what is joined to `chosen`.
pub(super) fn of_slices(kinds: &[Kind], columns: &str, join: &str) -> String {
    let searches: Vec<String> = kinds
        .iter()
        .enumerate()
        .map(|(number, kind)| format!("{}, {}", kind.in_order(number), kind.late(number)))
        .collect();
    let chosen: Vec<String> = (0..kinds.len()).map(chosen).collect();
    let rows = ["debit", "credit"].map(|side| {
        format!(
            "SELECT chosen.slice, chosen.is_late, {columns} '{side}' AS side,
                    (SELECT effective_at FROM entry WHERE entry.id = entry_line.entry_id) AS effective_at, entry_line.*
             FROM chosen {join} CROSS JOIN entry_line
             WHERE {side}_account_id = chosen.account_id AND {side}_version = chosen.version"
        )
    });
    format!(
        "{searches}, chosen(slice, account_id, version, is_late) AS ({chosen})
         {rows}",
        searches = searches.join(", "),
        chosen = chosen.join(" UNION ALL "),
        rows = rows.join(" UNION ALL "),
    )
}

/// The parts of the balance after each line.
pub fn balances(db: &impl ConnectionTrait, lines: &[LinePlace]) -> Statement {
    let mut cuts = Cuts::default();
    for (number, line) in lines.iter().enumerate() {
        let place = Place::After(line.effective_at, line.version);
        cuts.add([number, 0, 0], line.account_id, place, line.is_late, 0);
    }
    let engine = db.get_database_backend();
    let (places, parameters) = cuts.places(engine);
    let balance = balance(engine);
    let sql = format!("WITH RECURSIVE {places} SELECT slice, {balance} FROM place");
    dialect::statement(engine, sql, parameters)
}

/// The first and the last instant that the ledger knows, in microseconds since 1970.
const FIRST: i64 = -62_135_596_800_000_000;
const LAST: i64 = 253_402_300_799_999_999;

fn instant(microseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(microseconds).unwrap_or_default()
}

impl Place {
    /// The last instant and, of the lines from that, the last version up to there, as the ledger has them.
    pub(super) fn up_to(self) -> (DateTime<Utc>, i64) {
        match self {
            Self::Beginning => (instant(FIRST), 0),
            Self::After(instant, version) => (instant, version),
            Self::End => (instant(LAST), i64::MAX),
        }
    }
}

/// Places in accounts, to be looked up.
#[derive(Default)]
pub(super) struct Cuts {
    /// Those with a known version, at most: of the last line in order up to them.
    known: Vec<String>,
    /// Those of which that version has to be searched for.
    searched: Vec<String>,
    parameters: Vec<Value>,
}

impl Cuts {
    /// The edges of a slice.
    pub(super) fn add_edges(&mut self, number: usize, kind: usize, slice: &EffectiveSlice) {
        for (edge, place) in [slice.between.0, slice.between.1].into_iter().enumerate() {
            let numbers = [number, edge, kind];
            self.add(numbers, slice.account_id, place, true, slice.wanted());
        }
    }

    /// A place. `is_searched` unless it is that of a line in order, which is known by its version.
    fn add(
        &mut self,
        numbers: [usize; 3],
        account_id: Uuid,
        place: Place,
        is_searched: bool,
        wanted: i64,
    ) {
        let (instant, version) = place.up_to();
        let is_searched = is_searched && matches!(place, Place::After(..));
        let values: [Value; 5] = [
            account_id.into(),
            instant.into(),
            version.into(),
            microseconds(instant).into(),
            wanted.into(),
        ];
        let parameters = values.map(|value| {
            self.parameters.push(value);
            format!("${}", self.parameters.len())
        });
        let [slice, edge, kind] = numbers;
        let parameters = parameters.join(", ");
        let rows = if is_searched {
            &mut self.searched
        } else {
            &mut self.known
        };
        rows.push(format!("({slice}, {edge}, {kind}, {parameters})"));
    }

    /// SQL for `place`, the places with the last version in order up to each, and its parameters. That version is searched for like a point in
    /// time in `history`: it is the last one that no line up to it counts from later.
    pub(super) fn places(self, engine: DbBackend) -> (String, Vec<Value>) {
        const CUT: &str = "slice, edge, kind, account_id, instant, up_to, microseconds, wanted";
        let latest = latest_effective_at("search", "search.version + search.step");
        let (mut ways, mut places) = (String::new(), Vec::new());
        if !self.known.is_empty() {
            ways += &format!("known({CUT}) AS (VALUES {}), ", self.known.join(", "));
            places.push(format!(
                "SELECT {CUT}, CASE WHEN up_to < account.version THEN up_to ELSE account.version END
                 FROM known JOIN account ON account.id = known.account_id"
            ));
        }
        if !self.searched.is_empty() {
            ways += &format!(
                "searched({CUT}) AS (VALUES {rows}),
                 search({CUT}, newest, version, step) AS (
                    SELECT {CUT}, account.version, CAST(0 AS bigint), {first_step}
                    FROM searched JOIN account ON account.id = searched.account_id
                    UNION ALL
                    SELECT {CUT}, newest,
                           CASE WHEN search.version + step > newest THEN search.version
                                WHEN {latest} <= instant THEN search.version + step
                                ELSE search.version END,
                           step >> 1
                    FROM search WHERE step > 0
                 ), ",
                rows = self.searched.join(", "),
                first_step = first_step(engine),
            );
            places.push(format!(
                "SELECT {CUT}, CASE WHEN up_to < version THEN up_to ELSE version END FROM search WHERE step = 0"
            ));
        }
        let sizes: Vec<String> = (0..LEVELS).map(|level| format!("({level})")).collect();
        let sql = format!(
            "{ways} place(slice, edge, kind, account_id, instant, version, microseconds, wanted, in_order) AS ({}),
             size(level) AS (VALUES {})",
            places.join(" UNION ALL "),
            sizes.join(", ")
        );
        (sql, self.parameters)
    }
}

/// The parts of the balance at a `place`. The buckets of all sizes that make up the time before its instant are those of `history`.
pub(super) fn balance(engine: DbBackend) -> String {
    let (by_then, since) = match engine {
        DbBackend::MySql => mariadb::LAST,
        _ => (
            "late_line.version <= place.in_order ORDER BY late_line.version DESC LIMIT 1",
            "late_place.version <= place.version ORDER BY late_place.version DESC LIMIT 1",
        ),
    };
    let before = match engine {
        DbBackend::MySql => mariadb::SUM_BEFORE,
        _ => "(SELECT SUM((
        SELECT SUM(posted) FROM late_total WHERE late_total.account_id = place.account_id AND late_total.level = size.level
            AND bucket >= (place.microseconds >> (6 * size.level + 6)) << 6 AND bucket < place.microseconds >> (6 * size.level)
    )) FROM size)",
    };
    format!("
    COALESCE((SELECT debit_balance FROM entry_line WHERE debit_account_id = place.account_id AND debit_version = place.in_order),
             (SELECT credit_balance FROM entry_line WHERE credit_account_id = place.account_id AND credit_version = place.in_order),
             0) AS at_version,
    COALESCE((SELECT posted FROM late_line WHERE late_line.account_id = place.account_id AND {by_then}), 0) AS late_by_then,
    CAST(COALESCE({before}, 0) AS bigint) AS late_before,
    COALESCE((SELECT posted FROM late_place WHERE late_place.account_id = place.account_id AND effective_at = place.instant
              AND {since}), 0) AS late_since")
}

/// How slices are read, apart from where: those alike are read by the same subqueries.
#[derive(PartialEq)]
pub(super) struct Kind {
    engine: DbBackend,
    pub(super) newest_first: bool,
    pub(super) effects: Option<Vec<LineEffect>>,
    pub(super) side: Option<Side>,
}

impl EffectiveSlice {
    /// How many lines are read at most.
    pub(super) fn wanted(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX)
    }
}

impl Kind {
    /// The kinds of slices, and the number of each slice's.
    pub(super) fn of_all<S: Borrow<EffectiveSlice>>(
        slices: &[S],
        engine: DbBackend,
    ) -> (Vec<usize>, Vec<Self>) {
        let mut kinds: Vec<Self> = Vec::new();
        let numbers = slices.iter().map(|slice| {
            let kind = Self::of(slice.borrow(), engine);
            let known = kinds.iter().position(|known| *known == kind);
            known.unwrap_or_else(|| {
                kinds.push(kind);
                kinds.len() - 1
            })
        });
        (numbers.collect(), kinds)
    }

    fn of(slice: &EffectiveSlice, engine: DbBackend) -> Self {
        Self {
            engine,
            newest_first: slice.newest_first,
            effects: slice.effects.clone(),
            side: slice.side,
        }
    }

    /// SQL for the lines in order: from each to the next one, over runs of late lines between them. A row is a line that may be wanted;
    /// if it is late, the next row is the first beyond its run. `missing` counts the wanted lines down.
    fn in_order(&self, number: usize) -> String {
        let name = format!("in_order_{number}");
        let (comparison, order) = if self.newest_first {
            (">=", "ASC")
        } else {
            ("<=", "DESC")
        };
        // Within a run, `version - lines` is the same, and from run to run it grows. It is not compared for equality, since PostgreSQL
        // would then take either index: the other one begins with lines of other runs.
        let beyond = if self.engine == DbBackend::MySql {
            mariadb::beyond(&name, self.newest_first)
        } else {
            format!(
            "COALESCE((
                SELECT run.version FROM late_line AS run
                WHERE run.account_id = {name}.account_id AND run.version - run.lines {comparison} {name}.version - (
                    SELECT here.lines FROM late_line AS here WHERE here.account_id = {name}.account_id AND here.version = {name}.version
                )
                ORDER BY run.version - run.lines {order}, run.version {order} LIMIT 1
             ), {name}.version)"
        )
        };
        let edge = if self.newest_first {
            "slice.high + 1"
        } else {
            "slice.low"
        };
        let (first, next) = (self.nearest("slice", edge), self.nearest(&name, &beyond));
        let missing = format!("missing - 1 + {}", is_late(&name));
        format!(
            "{name}(slice, account_id, low, high, version, missing) AS (
                SELECT number, account_id, low, high, {first}, wanted FROM slice WHERE kind = {number}
                UNION ALL
                SELECT slice, account_id, low, high, {next}, {missing} FROM {name}
                WHERE {name}.version BETWEEN low + 1 AND high AND {missing} > 0
             )"
        )
    }

    /// SQL for the version of the next line beyond the version `from`, late or not.
    fn nearest(&self, of: &str, from: &str) -> String {
        let (step, comparison, order) = if self.newest_first {
            ("-", "<", "DESC")
        } else {
            ("+", ">", "ASC")
        };
        if self.effects.is_none() && self.side.is_none() {
            return format!("{from} {step} 1");
        }
        if self.engine == DbBackend::MySql {
            return mariadb::nearest(self, of, from);
        }
        let effects = self.effects("effect", "AND");
        let sides = self.sides().map(|side| {
            format!(
                "SELECT * FROM (
                    SELECT {side}_version AS version FROM entry_line
                    WHERE {side}_account_id = {of}.account_id AND {side}_version {comparison} {from}
                        AND {side}_version BETWEEN {of}.low + 1 AND {of}.high {effects}
                    ORDER BY {side}_version {order} LIMIT 1
                 ) AS {side}_side"
            )
        });
        let sides: Vec<String> = sides.collect();
        format!(
            "(SELECT version FROM ({}) AS sides ORDER BY version {order} LIMIT 1)",
            sides.join(" UNION ALL ")
        )
    }

    /// SQL for the late lines, from each to the next one.
    fn late(&self, number: usize) -> String {
        let name = format!("late_{number}");
        let [debit, credit] = of_line(&name, &format!("{name}.version"), |_| {
            "effective_at".to_owned()
        });
        let here = format!("COALESCE({debit}, {credit})");
        let (first, next) = if self.newest_first {
            (
                self.nearest_late("slice", "<=", ["slice.high_at", "slice.high_version"]),
                self.nearest_late(&name, "<", [&here, &format!("{name}.version")]),
            )
        } else {
            (
                self.nearest_late("slice", ">", ["slice.low_at", "slice.low_version"]),
                self.nearest_late(&name, ">", [&here, &format!("{name}.version")]),
            )
        };
        let columns = "account_id, low_at, low_version, high_at, high_version";
        format!(
            "{name}(slice, {columns}, version, missing) AS (
                SELECT number, {columns}, {first}, wanted FROM slice WHERE kind = {number}
                UNION ALL
                SELECT slice, {columns}, {next}, missing - 1 FROM {name} WHERE {name}.version IS NOT NULL AND missing > 1
             )"
        )
    }

    /// SQL for the version of the next late line beyond the place `from`.
    fn nearest_late(&self, of: &str, comparison: &str, from: [&str; 2]) -> String {
        if self.engine == DbBackend::MySql {
            return mariadb::nearest_late(self, of, comparison, from);
        }
        let [instant, version] = from;
        let order = if self.newest_first { "DESC" } else { "ASC" };
        let effects = self.sides().map(|side| {
            format!(
                "(SELECT effect FROM entry_line WHERE {side}_account_id = late.account_id AND {side}_version = late.version)"
            )
        });
        let effects: Vec<String> = effects.chain(["NULL".to_owned()]).collect();
        let effect = format!("COALESCE({})", effects.join(", "));
        let wanted = match (&self.effects, self.side) {
            (None, None) => String::new(),
            (None, Some(_)) => format!("AND {effect} IS NOT NULL"),
            (Some(_), _) => self.effects(&effect, "AND"),
        };
        let (other, edge) = if self.newest_first {
            (">", "low")
        } else {
            ("<=", "high")
        };
        format!(
            "(SELECT late.version FROM late_place AS late
              WHERE late.account_id = {of}.account_id AND (late.effective_at, late.version) {comparison} ({instant}, {version})
                AND (late.effective_at, late.version) {other} ({of}.{edge}_at, {of}.{edge}_version) {wanted}
              ORDER BY late.effective_at {order}, late.version {order} LIMIT 1)"
        )
    }

    fn sides(&self) -> impl Iterator<Item = &'static str> {
        let sides = [(Side::Debit, "debit"), (Side::Credit, "credit")];
        let wanted = self.side;
        let sides = sides.into_iter();
        let sides = sides.filter(move |(side, _)| wanted.is_none_or(|wanted| wanted == *side));
        sides.map(|(_, name)| name)
    }

    /// The condition on `effect`, after `and`.
    fn effects(&self, effect: &str, and: &str) -> String {
        // These are words of this program, never of a client. An empty list lets no line through.
        let Some(effects) = &self.effects else {
            return String::new();
        };
        if effects.is_empty() {
            return format!("{and} 1 = 0");
        }
        let words = effects.iter().map(|it| format!("'{}'", it.to_value()));
        let words: Vec<String> = words.collect();
        format!("{and} {effect} IN ({})", words.join(", "))
    }
}

/// SQL for 1 if the line of this version is late, else 0.
fn is_late(of: &str) -> String {
    format!(
        "(SELECT COUNT(*) FROM late_line WHERE late_line.account_id = {of}.account_id AND late_line.version = {of}.version)"
    )
}

/// SQL for the lines that were found for one kind.
fn chosen(number: usize) -> String {
    let (in_order, late) = (format!("in_order_{number}"), format!("late_{number}"));
    format!(
        "SELECT slice, account_id, version, 0 FROM {in_order} WHERE {in_order}.version BETWEEN low + 1 AND high AND {} = 0
         UNION ALL
         SELECT slice, account_id, version, 1 FROM {late} WHERE {late}.version IS NOT NULL",
        is_late(&in_order)
    )
}
