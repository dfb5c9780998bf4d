//! Writes responses as JSON. A long response yields to other tasks while it is written.
//!
//! Writing some megabytes takes long enough to delay the other operations of the thread. Values are dropped as soon as they are written.

use std::time::{Duration, Instant};

use async_graphql::{Name, Response as GraphqlResponse, Value, indexmap::map};
use tokio::task::yield_now;

use crate::answer::{
    request_error::RequestError,
    wire::{WireErrors, to_json, unwritable},
};

/// About how long it writes before it yields.
const TURN: Duration = Duration::from_micros(250);

/// The clock is read once for this many values.
const VALUES_PER_CLOCK_READ: u32 = 64;

/// A response of about this many bytes is written in one go. That takes no longer than a turn, and costs less than in pieces.
const SMALL: usize = 64 * 1024;

/// A response with fewer errors than this, of up to 4 KiB each, is written in one go.
const FEW_ERRORS: usize = 32;

/// The JSON text of one response, the same as [`to_json`] writes.
pub(crate) async fn json(response: GraphqlResponse) -> String {
    let mut room = SMALL;
    if is_small(&response.data, &mut room) && response.errors.len() < FEW_ERRORS {
        return to_json(&response);
    }
    let written = Box::pin(long(response)).await;
    written.unwrap_or_else(|error| unwritable(&error))
}

/// Whether a value fits into `room`, which it then takes up.
fn is_small(value: &Value, room: &mut usize) -> bool {
    let bytes = match value {
        Value::String(text) => 8 + text.len(),
        Value::Binary(bytes) => 8 + bytes.len(),
        _ => 8,
    };
    let Some(left) = room.checked_sub(bytes) else {
        return false;
    };
    *room = left;
    match value {
        Value::List(items) => items.iter().all(|item| is_small(item, room)),
        Value::Object(fields) => fields.values().all(|value| is_small(value, room)),
        _ => true,
    }
}

async fn long(mut response: GraphqlResponse) -> serde_json::Result<String> {
    let mut text = Text::default();
    let is_refused = RequestError::of(&response).is_some();
    let mut comma = "";
    text.push("{");
    if !response.errors.is_empty() {
        text.push("\"errors\":[");
        for error in &response.errors {
            text.push(std::mem::replace(&mut comma, ","));
            // `WireErrors` writes a list: its brackets are left out.
            let written = serde_json::to_string(&WireErrors(std::slice::from_ref(error)))?;
            text.push(&written[1..written.len() - 1]);
            text.pause().await;
        }
        text.push("]");
    }
    if !is_refused {
        text.push(std::mem::replace(&mut comma, ","));
        text.push("\"data\":");
        text.value(std::mem::take(&mut response.data)).await?;
    }
    if !response.extensions.is_empty() {
        text.push(comma);
        text.push("\"extensions\":");
        text.serialize(&response.extensions)?;
    }
    text.push("}");
    Ok(text.into_string())
}

/// A list or an object that is being written.
enum Open {
    List(std::vec::IntoIter<Value>),
    Object(map::IntoIter<Name, Value>),
}

#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    values: u32,
    began: Option<Instant>,
}

impl Text {
    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn serialize(&mut self, value: &impl serde::Serialize) -> serde_json::Result<()> {
        serde_json::to_writer(&mut self.bytes, value)
    }

    fn into_string(self) -> String {
        String::from_utf8(self.bytes).unwrap_or_else(|_| unreachable!("JSON is UTF-8"))
    }

    /// Yields to other tasks if this turn has lasted long enough.
    async fn pause(&mut self) {
        self.values += 1;
        if !self.values.is_multiple_of(VALUES_PER_CLOCK_READ) {
            return;
        }
        match self.began {
            Some(began) if began.elapsed() < TURN => {}
            Some(_) => {
                yield_now().await;
                self.began = Some(Instant::now());
            }
            None => self.began = Some(Instant::now()),
        }
    }

    /// Without recursion, since an `async fn` that calls itself would have to allocate for each level.
    async fn value(&mut self, value: Value) -> serde_json::Result<()> {
        let mut open: Vec<Open> = Vec::new();
        let mut next = Some(value);
        loop {
            // The first element of a list or an object has no comma before it.
            let mut is_first = true;
            match next.take() {
                Some(Value::List(items)) => {
                    self.push("[");
                    open.push(Open::List(items.into_iter()));
                }
                Some(Value::Object(fields)) => {
                    self.push("{");
                    open.push(Open::Object(fields.into_iter()));
                }
                Some(value) => {
                    self.serialize(&value)?;
                    is_first = false;
                }
                None => {}
            }
            while next.is_none() {
                let Some(inner) = open.last_mut() else {
                    return Ok(());
                };
                let (key, value) = match inner {
                    Open::List(items) => (None, items.next()),
                    Open::Object(fields) => fields
                        .next()
                        .map_or((None, None), |(key, value)| (Some(key), Some(value))),
                };
                if value.is_some() {
                    if !is_first {
                        self.push(",");
                    }
                    if let Some(key) = key {
                        self.serialize(&key)?;
                        self.push(":");
                    }
                    next = value;
                } else {
                    self.push(match inner {
                        Open::List(_) => "]",
                        Open::Object(_) => "}",
                    });
                    open.pop();
                    is_first = false;
                }
            }
            self.pause().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{ServerError, Variables};
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::*;

    fn any_json() -> impl Strategy<Value = Json> {
        let scalar = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            any::<String>().prop_map(Json::from),
        ];
        scalar.prop_recursive(5, 100, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                prop::collection::hash_map("[_a-zA-Z]{1,4}", inner, 0..6)
                    .prop_map(|members| Json::Object(members.into_iter().collect())),
            ]
        })
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(future)
    }

    proptest! {
        #[test]
        fn what_is_written_in_turns_is_what_is_written_at_once(data in any_json(), errors in 0..3_usize) {
            let value = Variables::from_json(json!({ "data": data }));
            let mut response = GraphqlResponse::new(value["data"].clone());
            response.errors = (0..errors).map(|n| ServerError::new(format!("\"{n}"), None)).collect();
            if errors == 1 {
                response.extensions.insert("a".to_owned(), Value::from(1));
            }
            let at_once = to_json(&response);
            prop_assert_eq!(run(long(response)).unwrap(), at_once);
        }
    }

    /// Another task of the same thread has turns while a long answer is written.
    #[tokio::test]
    async fn a_long_answer_is_written_in_turns() {
        let item = || Value::from_json(json!({ "text": "x".repeat(20), "number": 1 })).unwrap();
        let response = GraphqlResponse::new(Value::List((0..50_000).map(|_| item()).collect()));
        let turns = std::rc::Rc::new(std::cell::Cell::new(0));
        let other = async {
            loop {
                turns.set(turns.get() + 1);
                yield_now().await;
            }
        };
        tokio::select! {
            biased;
            _ = other => {}
            text = json(response) => assert!(text.len() > 1_000_000),
        }
        assert!(turns.get() > 10, "{}", turns.get());
    }
}
