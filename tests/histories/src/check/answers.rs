//! Every attempt is answered within the deadline and its bound, and what the run itself found.

use super::{Anomalies, Kind};
use crate::history::{Attempt, FindingKind, History};

pub(super) fn check(history: &History, anomalies: &mut Anomalies) {
    for (number, operation) in history.operations.iter().enumerate() {
        for attempt in &operation.attempts {
            let took = attempt.ended.saturating_sub(attempt.begun);
            if attempt.is_abandoned
                || took < history.answered_within
                || is_excused(history, attempt)
            {
                continue;
            }
            let what = if attempt.is_answered {
                "answered"
            } else {
                "not answered"
            };
            let (server, begun) = (attempt.server, attempt.begun);
            let text = format!(
                "operation {number}: begun at {begun:?} at server {server}, {what} after {took:?}"
            );
            anomalies.add(Kind::Unanswered, text);
        }
    }
    for finding in &history.findings {
        let kind = match finding.kind {
            FindingKind::BrokenAnswer => Kind::BrokenAnswer,
            FindingKind::SessionLeft => Kind::SessionLeft,
            FindingKind::NotVerified => Kind::NotVerified,
            FindingKind::NotRecovered => Kind::NotRecovered,
            FindingKind::NodesDisagree => Kind::NodesDisagree,
        };
        anomalies.add(kind, &finding.text);
    }
}

/// Whether the server could not answer, or its answer could not arrive: it was killed or frozen, or the client's wire was dark.
/// That its database was away is no excuse.
fn is_excused(history: &History, attempt: &Attempt) -> bool {
    history.disturbances.iter().any(|disturbance| {
        disturbance.excuses == Some(attempt.server)
            && disturbance.begun <= attempt.ended
            && disturbance.ended >= attempt.begun
    })
}
