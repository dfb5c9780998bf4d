//! What a small document can cost.

use std::fmt::Write;

use async_graphql::futures_util::FutureExt;
use serde_json::json;

use super::{data, engine, prepared};

#[tokio::test]
async fn fragments_are_walked_again_at_every_spread() {
    const FRAGMENTS: u32 = 6;
    let mut document = "{ ...F0 }".to_owned();
    for at in 0..FRAGMENTS {
        let next = at + 1;
        let _ = write!(
            document,
            " fragment F{at} on Query {{ ...F{next} ...F{next} }}"
        );
    }
    let _ = write!(document, " fragment F{FRAGMENTS} on Query {{ number }}");
    let (engine, prepared) = (engine(), prepared());
    data(&engine.run(&document).await, &json!({ "number": 7 }));
    assert_eq!(engine.calls.take().len(), 2_usize.pow(FRAGMENTS));
    data(&prepared.run(&document).await, &json!({ "number": 7 }));
    assert_eq!(prepared.calls.take(), ["number"]);
}

/// Nothing else of the thread runs while a list is resolved.
#[tokio::test]
async fn a_long_list_is_resolved_in_one_poll() {
    let response = engine().schema.execute("{ many { id } }").now_or_never();
    assert!(response.is_some_and(|response| response.is_ok()));
}
