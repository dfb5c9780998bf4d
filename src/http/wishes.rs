//! What a client wishes of its operations by headers of its own: `x-unit-of-work: report` to see what they did to the
//! database, `x-dry-run: true` to see what they would do, `x-timeout: 500ms` to have an answer by then.
//!
//! A cross-site page cannot send them: they need a preflight. Where there are no headers (a browser's WebSocket), an
//! operation has `extensions.dryRun` and `extensions.timeout`.

use std::time::Duration;

use async_graphql::{Request, Value};
use axum::http::HeaderMap;
use tokio::time::Instant;
use unit_of_work::{DryRun, OperationDeadline, Report};

use super::refusal::Refusal;

/// Keeps an instant and a time within what an instant can hold.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The wishes of one HTTP request, or of one socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    report: bool,
    dry_run: bool,
    timeout: Option<Duration>,
}

impl Wishes {
    /// Reads them from the headers; other values of the first two wish nothing, while a time that cannot be read is
    /// refused: the client counts on it.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let is = |name: &str, value: &str| {
            let found = headers.get(name);
            found.is_some_and(|found| found.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
        };
        let timeout = headers
            .get("x-timeout")
            .map(|value| timeout(value.to_str().unwrap_or_default(), "x-timeout"))
            .transpose()?;
        Ok(Self {
            report: is("x-unit-of-work", "report"),
            dry_run: is("x-dry-run", "true"),
            timeout,
        })
    }

    /// Puts them into a request, for the unit of work to find. The time counts from now.
    pub(super) fn mark(self, mut request: Request) -> Result<Request, Refusal> {
        let own = match request.extensions.get("timeout") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(timeout(text, "extensions.timeout")?),
            Some(_) => Some(timeout("", "extensions.timeout")?),
        };
        if let Some(timeout) = own.or(self.timeout) {
            request = request.data(OperationDeadline(Instant::now() + timeout));
        }
        if self.report {
            request = request.data(Report::InExtensions);
        }
        if self.dry_run {
            request = request.data(DryRun);
        }
        Ok(request)
    }
}

fn timeout(text: &str, name: &str) -> Result<Duration, Refusal> {
    match humantime::parse_duration(text) {
        Ok(time) if time <= LONGEST => Ok(time),
        _ => Err(Refusal::bad_request(format!(
            "`{name}` is a time of at most a day, such as \"500ms\" or \"2s\""
        ))),
    }
}
