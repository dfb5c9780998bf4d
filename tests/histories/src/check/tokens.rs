//! Consistency tokens: no client's goes back, none is missing, and none of before a failover is taken for one of after it.
//!
//! Clients compare tokens as texts, and so does this. Only to know who may have seen what a failover lost it reads what is in them, which
//! clients must not: the timeline and the position in the write-ahead log.

use std::collections::HashMap;

use super::{Anomalies, Kind};
use crate::{
    client::tokens::FIRST,
    history::{Action, Answer, History, Moment, Operation},
};

pub(super) fn check(history: &History, anomalies: &mut Anomalies) {
    if !history.has_tokens {
        return;
    }
    // The newest token that each client was told, and when.
    let mut newest: HashMap<usize, (Moment, &str)> = HashMap::new();
    for (number, operation) in history.operations.iter().enumerate() {
        for attempt in &operation.attempts {
            if let (Some(shown), Some(told)) = (&attempt.shown, &attempt.told)
                && goes_back(shown, told)
            {
                let text = format!("operation {number}: {shown} was shown, and {told} answered");
                anomalies.add(Kind::TokenBack, text);
            }
        }
        if operation.answer != Answer::Acknowledged {
            continue;
        }
        let (shown, told) = operation.tokens();
        let Some(told) = told else {
            // A query that shows none is told none.
            if shown.is_some() || operation.action != Action::Query {
                let text = format!("operation {number}: acknowledged without a token");
                anomalies.add(Kind::TokenMissing, text);
            }
            continue;
        };
        // A mutation may have committed on the old primary, and have been found on the new one.
        if let Some(shown) = shown
            && operation.action == Action::Query
            && shown != FIRST
            && shown < told
            && timeline(shown) != timeline(told)
        {
            let text = format!(
                "operation {number}: {shown} is of before a failover, and was answered with {told}"
            );
            anomalies.add(Kind::TokenIgnored, text);
        }
        if !history.shows_tokens {
            continue;
        }
        // Its next operation begins when it has the answer.
        let (begun, ended) = (operation.begun(), operation.succeeded());
        let known = newest.get(&operation.client);
        if let Some((at, known)) = known
            && *at < begun
            && goes_back(known, told)
        {
            let client = operation.client;
            let text = format!(
                "operation {number}: client {client} was told {known} before, and now {told}"
            );
            anomalies.add(Kind::TokenBack, text);
        } else if let Some(ended) = ended {
            newest.insert(operation.client, (ended, told));
        }
    }
}

/// Whether a query may have seen what a failover has lost. An asynchronous standby shows what the synchronous one has not got yet, and a primary
/// that comes back after a crash does too: nobody was acknowledged it, and its token is lost with it.
pub(super) fn is_beyond_a_switch(history: &History, operation: &Operation) -> bool {
    if operation.action != Action::Query {
        return false;
    }
    let Some(told) = operation.tokens().1 else {
        return false;
    };
    // The last position of all is one that no standby has: it was read on the primary.
    let (Some(timeline), Some(position)) = (timeline(told), position(told)) else {
        return false;
    };
    let mut switches = history.switches.iter();
    position != u64::MAX
        && switches.any(|switch| switch.timeline == timeline && switch.position < position)
}

/// Whether a client that had a token is told an older one. One that no server ever has all of stands for what is not known: the next answer's takes its place,
/// if it is of the same history.
fn goes_back(before: &str, told: &str) -> bool {
    let is_endless = position(before) == Some(u64::MAX) && timeline(before) == timeline(told);
    told < before && !is_endless
}

/// `00000002.000000000401abcd.68fa3c2d11e0a7b5`: the timeline comes first,
fn timeline(token: &str) -> Option<u32> {
    u32::from_str_radix(token.split('.').next()?, 16).ok()
}

/// and then the position.
fn position(token: &str) -> Option<u64> {
    u64::from_str_radix(token.split('.').nth(1)?, 16).ok()
}
