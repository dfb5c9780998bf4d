//! Operations at random that meet at the writer: each is all there or not at all, hears what happened, and hears it when it has.
//!
//! Every operation increments one counter, so the values that the committed ones have seen must be all numbers from 1, each once, and
//! whatever an answer says it has seen must have been committed when it is heard.

mod operation;
mod theatre;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use proptest::{
    collection::vec,
    test_runner::{Config, TestRunner},
};
use tokio::{runtime::Handle, task::block_in_place};

use operation::{operation, silence_panics_on_purpose};
use theatre::Theatre;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_for_groups() {
    silence_panics_on_purpose();
    let config = Config {
        cases: 400,
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let rounds = vec(operation(), 2..10);
    let theatre = Cell::new(Some(Theatre::new().await));
    let seen = RefCell::new(BTreeMap::new());
    let result = block_in_place(|| {
        TestRunner::new(config).run(&rounds, |operations| {
            Handle::current().block_on(async {
                let mut stage = match theatre.take() {
                    Some(stage) => stage,
                    // The last one has failed.
                    None => Theatre::new().await,
                };
                stage.check(operations).await?;
                seen.replace(stage.seen.clone());
                theatre.set(Some(stage));
                Ok(())
            })
        })
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let seen = seen.into_inner();
    // A property that is never put to the test holds too.
    for what in [
        "a shared COMMIT",
        "committed",
        "committed by itself",
        "",
        "INTERNAL",
        "UNIT_DOOMED",
        "COMMIT_FAILED",
        "gone, committed",
        "gone, not committed",
    ] {
        assert!(
            seen.contains_key(what),
            "no operation has ended so: {what:?}: {seen:?}"
        );
    }
}
