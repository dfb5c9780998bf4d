//! What a client makes of an answer.

use serde_json::Value;

use crate::history::{Answer, Found, Read, SeenLine};

/// The code of an answer that does not know itself what became of the operation.
pub const OUTCOME_UNKNOWN: &str = "OUTCOME_UNKNOWN";

/// What one attempt heard.
#[derive(Debug)]
pub struct Heard {
    pub answer: Answer,
    /// The ids of the operation's entries, in their order.
    pub ids: Vec<String>,
    pub reads: Vec<Read>,
    pub found: Vec<Found>,
    /// What is wrong with the answer itself.
    pub broken: Option<String>,
}

impl Heard {
    /// No answer came.
    pub const fn nothing(why: String) -> Self {
        Self::of(Answer::Unknown(why))
    }

    pub const fn of(answer: Answer) -> Self {
        Self {
            answer,
            ids: Vec::new(),
            reads: Vec::new(),
            found: Vec::new(),
            broken: None,
        }
    }

    /// An answer that cannot be read, which is as good as none.
    pub fn broken(what: &str, answer: &Value) -> Self {
        Self {
            broken: Some(format!("{what}: {}", shortened(&answer.to_string()))),
            ..Self::nothing("broken answer".to_owned())
        }
    }
}

impl Answer {
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(600).collect()
}

/// The account that a JSON object shows.
pub fn account(value: &Value, after: Option<usize>) -> Option<Read> {
    let balances = &value["balances"];
    let edges = value["statement"]["edges"].as_array();
    let lines = edges.map(|edges| {
        let lines = edges.iter().map(|edge| line(&edge["node"]));
        lines.collect::<Option<Vec<_>>>()
    });
    Some(Read {
        account: value["code"].as_str()?.to_owned(),
        version: number(&balances["version"])?.try_into().ok()?,
        posted: number(&balances["posted"]["amount"])?,
        lines: lines.unwrap_or_else(|| Some(Vec::new()))?,
        after,
    })
}

fn line(value: &Value) -> Option<SeenLine> {
    Some(SeenLine {
        version: number(&value["version"])?.try_into().ok()?,
        tag: value["entry"]["description"].as_str()?.to_owned(),
        change: number(&value["change"]["amount"])?,
        balance: number(&value["balanceAfter"]["amount"])?,
    })
}

/// `Int64` is written as a string.
fn number(value: &Value) -> Option<i64> {
    value.as_str()?.parse().ok()
}

/// An id as the database has it: the UUID behind `entry_…`, in hexadecimal digits.
pub fn id(value: &Value) -> Option<String> {
    let id: type_safe_id::TypeSafeId<type_safe_id::DynamicType> = value.as_str()?.parse().ok()?;
    Some(id.uuid().simple().to_string())
}
