//! What somebody sends to PostgreSQL for one operation: seen on the wire, flight by flight.

use std::time::Duration;

use anyhow::Result;
use daybook_test_harness::WireProxy;

/// The flights of one operation, oldest first. Of one that `writes`, those before its answer: what comes later, such as a word to
/// other servers, is of no operation. Else until the wire has been silent for a moment: a snapshot ends after the answer.
pub async fn flights(
    proxy: &WireProxy,
    writes: bool,
    operation: impl AsyncFnOnce() -> Result<()>,
) -> Result<Vec<String>> {
    proxy.clear_log();
    operation().await?;
    let answered = proxy.log();
    let mut seen = usize::MAX;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let log = proxy.log();
        if log.len() == seen {
            return Ok(if writes { answered } else { log });
        }
        seen = log.len();
    }
}

/// The statements among the flights: what is executed, in order, without what only keeps a connection.
pub fn statements(flights: &[String]) -> Vec<String> {
    flights
        .iter()
        .filter(|flight| {
            !["PING", "CONNECT", "TERMINATE", "CANCEL"].contains(&flight.as_str())
                && !flight.starts_with("PREPARE ")
                && !flight.starts_with("CLOSE ")
        })
        .map(|flight| flight.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}
