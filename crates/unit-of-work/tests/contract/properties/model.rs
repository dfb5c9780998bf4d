//! The contract as a function: from an operation, and what its resolvers noted, to what must come of it.

use serde_json::{Map, Value};

use super::{
    operation::{Client, Field, Kind, Operation},
    trace::{Doom, End, Notes},
};

/// How an operation can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// `extensions.unitOfWork.outcome`
    pub outcome: &'static str,
    /// `extensions.unitOfWork.reason`
    pub reason: Option<&'static str>,
    /// The fields are answered, as far as they had no errors.
    pub has_data: bool,
    /// The rows are in the database.
    pub keeps_rows: bool,
    /// The effects have run.
    pub has_effects: bool,
}

const ROLLED_BACK: Ending = Ending {
    outcome: "ROLLED_BACK",
    reason: None,
    has_data: false,
    keeps_rows: false,
    has_effects: false,
};

impl Ending {
    /// The rows that are in the database afterwards, sorted.
    pub fn rows(self, notes: &Notes) -> Vec<String> {
        let mut rows = if self.keeps_rows {
            notes.inserted.clone()
        } else {
            Vec::new()
        };
        rows.sort();
        rows
    }

    /// The effects that have run, in order.
    pub fn effects(self, notes: &Notes) -> &[String] {
        if self.has_effects {
            &notes.effects
        } else {
            &[]
        }
    }
}

/// The endings that the contract allows: one, unless a statement was dropped and nobody knows how far it had come.
pub fn endings(operation: &Operation, notes: &Notes) -> Vec<Ending> {
    let begun: &[bool] = match (notes.answered + notes.savepoints, notes.started) {
        (1.., _) => &[true],
        (0, 0) => &[false],
        (0, _) => &[true, false],
    };
    let doomed: &[bool] = match notes.doom {
        Doom::No => &[false],
        Doom::Possible => &[true, false],
        Doom::Certain => &[true],
    };
    let all = begun.iter().flat_map(|begun| {
        let ending = |doomed: &bool| ending(operation, notes, *begun, *doomed);
        doomed.iter().map(ending)
    });
    all.collect()
}

fn ending(operation: &Operation, notes: &Notes, begun: bool, doomed: bool) -> Ending {
    let panicked = notes.ends.values().any(|end| *end == End::Panicked);
    let failed = notes.ends.values().any(|end| *end == End::Failed);
    // A client that goes before the last resolver has ended cuts the operation short; later, it changes nothing.
    let gone = operation.client != Client::Stays && notes.ends.len() < operation.all_fields().len();
    let rolled_back = |reason| Ending {
        reason: Some(reason),
        ..ROLLED_BACK
    };
    match operation.kind {
        _ if panicked && begun => rolled_back("PANIC"),
        _ if panicked => Ending {
            outcome: "UNTOUCHED",
            ..ROLLED_BACK
        },
        Kind::Query => Ending {
            outcome: if begun { "READ" } else { "UNTOUCHED" },
            has_data: true,
            ..ROLLED_BACK
        },
        Kind::Mutation if begun && failed => rolled_back("ERROR"),
        Kind::Mutation if begun && gone => rolled_back("CLIENT_GONE"),
        Kind::Mutation if begun && doomed => rolled_back("DOOMED"),
        Kind::Mutation if failed || gone => Ending {
            outcome: "UNTOUCHED",
            ..ROLLED_BACK
        },
        Kind::Mutation => Ending {
            outcome: if begun { "COMMITTED" } else { "UNTOUCHED" },
            reason: None,
            has_data: true,
            keeps_rows: true,
            has_effects: true,
        },
    }
}

/// The data that the specification asks for (<https://spec.graphql.org/October2021/#sec-Handling-Field-Errors>).
///
/// # Errors
/// When a field did not end, and no error excuses it.
pub fn data(operation: &Operation, notes: &Notes) -> Result<Value, String> {
    let data = object(&operation.fields, notes)?;
    Ok(data.map_or(Value::Null, Value::Object))
}

/// The fields of one object, or `None` where an error takes the object with it.
fn object(fields: &[Field], notes: &Notes) -> Result<Option<Map<String, Value>>, String> {
    let mut object = Map::new();
    let mut missing = Ok(());
    let mut is_null = false;
    for field in fields {
        let key = format!("f{}", field.id);
        let value = match notes.ends.get(&field.id) {
            Some(End::Done) => self::object(&field.fields, notes),
            Some(End::Failed | End::Panicked) => Ok(None),
            None => Err(format!("{key} was dropped, and no error says why")),
        };
        match value {
            Ok(Some(mut value)) => {
                value.insert("__typename".to_owned(), Value::from("Node"));
                object.insert(key, Value::Object(value));
            }
            Ok(None) if field.nullable => drop(object.insert(key, Value::Null)),
            Ok(None) => is_null = true,
            Err(error) => missing = Err(error),
        }
    }
    // The error that makes the object null may have come before its other fields had ended.
    if is_null {
        return Ok(None);
    }
    missing.map(|()| Some(object))
}
