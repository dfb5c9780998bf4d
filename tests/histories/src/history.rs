//! A history: what clients asked for, what they were answered, and what the database has in the end.
//!
//! The checks read nothing else, so a history that was made up is checked as one that was lived.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

/// A moment, counted from the start of the run. All clients are in one process, so all moments are of one clock.
pub type Moment = Duration;

/// All that is known of one run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct History {
    /// Every operation of every client. Its place in this list is its name in messages.
    pub operations: Vec<Operation>,
    /// Every subscriber.
    pub subscribers: Vec<Subscriber>,
    /// What the nemesis did.
    pub disturbances: Vec<Disturbance>,
    /// What a connection of its own found in the database when everything was over.
    pub ledger: Ledger,
    /// Deadline, bound and slack: how long an answer may take.
    pub answered_within: Duration,
    /// Whether answers have consistency tokens: whether queries may be read on standbys.
    pub has_tokens: bool,
    /// Whether clients show them.
    pub shows_tokens: bool,
    /// Each time that a standby of PostgreSQL took over.
    pub switches: Vec<Switch>,
    /// Where servers have read the queries that a standby could have answered, as they count: not what a killed one had counted.
    pub read_at: BTreeMap<String, u64>,
    /// What the run itself found wrong: an answer that breaks the contract, a session left open, `daybook verify`.
    pub findings: Vec<Finding>,
}

/// Something that is wrong by itself, whatever else happened.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub kind: FindingKind,
    pub text: String,
}

/// A standby took over: what the old primary had written behind this position is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Switch {
    /// The timeline of the old primary.
    pub timeline: u32,
    /// Where it ends in the write-ahead log, in bytes from its beginning.
    pub position: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum FindingKind {
    /// An answer is not what the contract says an answer is.
    BrokenAnswer,
    /// A session is in a transaction although nobody uses it.
    SessionLeft,
    /// `daybook verify` found differences, or failed.
    NotVerified,
    /// A server did not come back.
    NotRecovered,
    /// Nodes of a cluster have different ledgers.
    NodesDisagree,
}

/// One GraphQL operation: one transaction.
#[derive(Clone, Debug, Serialize)]
pub struct Operation {
    pub client: usize,
    pub action: Action,
    /// Each time that it was sent: again with its idempotency key, where the outcome was not known.
    pub attempts: Vec<Attempt>,
    pub answer: Answer,
    /// The entries that it asks for.
    pub entries: Vec<Asked>,
    /// What it saw of accounts.
    pub reads: Vec<Read>,
    /// What it saw of entries that it asked for by id.
    pub found: Vec<Found>,
    /// Whether it read every account that there is.
    pub reads_everything: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Action {
    Query,
    Mutation,
    DryRun,
}

/// One time that an operation was sent.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// The server that it was sent to.
    pub server: usize,
    pub begun: Moment,
    /// When the answer was there, or the client gave up.
    pub ended: Moment,
    /// Whether the answer was one of the server's.
    pub is_answered: bool,
    /// Whether the client went away early, of its own accord.
    pub is_abandoned: bool,
    /// The consistency token that it showed.
    pub shown: Option<String>,
    /// The one that it was answered with.
    pub told: Option<String>,
}

/// What became of an operation, as its client knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Answer {
    /// It succeeded: a mutation has happened, and a query has read.
    Acknowledged,
    /// It failed for certain, with this code.
    Refused(String),
    /// Nobody can say: no answer, or `OUTCOME_UNKNOWN`.
    Unknown(String),
}

/// An entry that an operation asks for.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Asked {
    /// Its description, which no other entry has.
    pub tag: String,
    /// What it is to move; `None` where the ledger decides that (it ends or undoes an earlier entry).
    pub lines: Option<Vec<AskedLine>>,
    /// The ids that its client was told, one for each answer: the same one each time.
    pub ids: Vec<String>,
    /// The versions that accounts were to have before it.
    pub expected: Vec<(String, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AskedLine {
    pub debit: String,
    pub credit: String,
    pub amount: i64,
}

/// What an operation saw of one account.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Read {
    pub account: String,
    /// The number of lines that it has: a read of the version is a read of the list of lines, by its length.
    pub version: u64,
    /// The posted balance.
    pub posted: i64,
    /// Some of its lines.
    pub lines: Vec<SeenLine>,
    /// The place in [`Operation::entries`] of the entry after which it was read, where a mutation read it.
    pub after: Option<usize>,
}

/// A line of an account's statement, as an operation saw it.
#[derive(Clone, Debug, Serialize)]
pub struct SeenLine {
    pub version: u64,
    pub tag: String,
    pub change: i64,
    pub balance: i64,
}

/// What an operation saw of an entry.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    pub tag: String,
    /// How many lines it had; `None` where there was no such entry.
    pub lines: Option<usize>,
}

/// Somebody who listens to the feed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Subscriber {
    pub name: String,
    /// The accounts that were asked for; `None` for all.
    pub accounts: Option<Vec<String>>,
    /// One for each time that it had to begin without a cursor. Going on with the last cursor is the same listening.
    pub listenings: Vec<Listening>,
}

/// What a subscriber heard, from where it began, across all reconnects.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Listening {
    pub from: From,
    pub events: Vec<Event>,
    /// Whether it listened until everything that was committed must have come.
    pub is_to_the_end: bool,
    /// How often it had to go on with its last cursor.
    pub reconnects: u64,
    /// The codes of the errors that came instead of an event, or ended the stream.
    pub errors: Vec<String>,
}

/// Where a subscriber began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum From {
    #[default]
    Beginning,
    /// From now on. Whatever is asked for after this moment is news.
    Now(Moment),
}

#[derive(Clone, Debug, Serialize)]
pub struct Event {
    pub at: Moment,
    pub cursor: String,
    pub id: String,
    pub tag: String,
    pub lines: usize,
}

/// A fault that the nemesis made.
#[derive(Clone, Debug, Serialize)]
pub struct Disturbance {
    pub fault: String,
    pub begun: Moment,
    pub ended: Moment,
    /// The server that cannot be expected to answer while it lasts; `None` where that is no excuse.
    pub excuses: Option<usize>,
}

/// What the database has, as a connection of its own sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ledger {
    /// The accounts by their code, with the side on which their balance is positive.
    pub accounts: BTreeMap<String, Side>,
    pub entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Side {
    Debit,
    Credit,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Entry {
    pub id: String,
    pub tag: String,
    /// Its numbers in the outbox: one.
    pub numbers: Vec<i64>,
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    pub debit: String,
    /// The debited account's version after the line: the line's place in the list of that account.
    pub debit_version: u64,
    pub credit: String,
    pub credit_version: u64,
    pub amount: i64,
    /// Whether it moves money, or only sets it aside or frees it.
    pub moves: bool,
}

impl Operation {
    /// When it was first sent.
    pub fn begun(&self) -> Moment {
        let begun = self.attempts.iter().map(|attempt| attempt.begun).min();
        begun.unwrap_or_default()
    }

    /// The token of the answer that it succeeded with, and the one that was shown for it.
    pub fn tokens(&self) -> (Option<&str>, Option<&str>) {
        let mut answers = self.attempts.iter().filter(|attempt| attempt.is_answered);
        let last = answers.next_back();
        let of =
            |token: fn(&Attempt) -> &Option<String>| last.and_then(|last| token(last).as_deref());
        (of(|attempt| &attempt.shown), of(|attempt| &attempt.told))
    }

    /// When its client knew that it had succeeded.
    pub fn succeeded(&self) -> Option<Moment> {
        let answers = self.attempts.iter().filter(|attempt| attempt.is_answered);
        let ended = answers.map(|attempt| attempt.ended).min()?;
        (self.answer == Answer::Acknowledged).then_some(ended)
    }
}

impl Subscriber {
    /// Whether an entry touches one of the accounts that were asked for.
    pub fn wants(&self, entry: &Entry) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| {
            let mut lines = entry.lines.iter();
            lines.any(|line| accounts.contains(&line.debit) || accounts.contains(&line.credit))
        })
    }
}
