//! What a client wishes of its operations by headers of its own: `x-unit-of-work: report` to see what they did to the
//! database (or `timeline`, to see it step by step), `x-dry-run: true` to see what they would do, `x-timeout: 500ms` to
//! have an answer by then, `x-batch: all-or-nothing` to make a batch one unit of work.
//!
//! A cross-site page cannot send them: they need a preflight. Where there are no headers (a browser's WebSocket), an
//! operation has `extensions.unitOfWork`, `extensions.dryRun` and `extensions.timeout`.

use std::time::Duration;

use async_graphql::{Request, Value};
use axum::http::{HeaderMap, HeaderName};
use tokio::time::Instant;
use unit_of_work::{AllOrNothing, DryRun, OperationDeadline, Report};

use super::refusal::Refusal;

const BATCH: HeaderName = HeaderName::from_static("x-batch");
const DRY_RUN: HeaderName = HeaderName::from_static("x-dry-run");
const TIMEOUT: HeaderName = HeaderName::from_static("x-timeout");
const UNIT_OF_WORK: HeaderName = HeaderName::from_static("x-unit-of-work");

/// Keeps an instant and a time within what an instant can hold.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The wishes of one HTTP request, or of one socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    report: Report,
    /// The most that this server tells of a unit.
    most: Report,
    dry_run: bool,
    all_or_nothing: bool,
    timeout: Option<Duration>,
}

impl Wishes {
    /// Reads them from the headers; other values of the first two wish nothing, while a time that cannot be read is
    /// refused: the client counts on it. No unit is told of beyond `most`.
    pub(super) fn of(headers: &HeaderMap, most: Report) -> Result<Self, Refusal> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let is = |name, value| text(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
        let timeout = headers
            .get(TIMEOUT)
            .map(|value| timeout(value.to_str().unwrap_or_default(), "x-timeout"))
            .transpose()?;
        Ok(Self {
            report: text(UNIT_OF_WORK).map(report).unwrap_or_default(),
            most,
            dry_run: is(DRY_RUN, "true"),
            all_or_nothing: is(BATCH, "all-or-nothing"),
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
        let own = match request.extensions.get("unitOfWork") {
            Some(Value::String(text)) => report(text),
            _ => Report::Off,
        };
        let report = own.max(self.report).min(self.most);
        if report != Report::Off {
            request = request.data(report);
        }
        if self.dry_run {
            request = request.data(DryRun);
        }
        Ok(request)
    }

    /// Whether a batch is to be one unit of work.
    pub(super) fn all_or_nothing(self) -> bool {
        self.all_or_nothing
    }

    /// As [`Wishes::mark`], for a part of a batch that is one unit of work.
    pub(super) fn mark_part(self, request: Request) -> Result<Request, Refusal> {
        Ok(self.mark(request)?.data(AllOrNothing))
    }
}

fn report(text: &str) -> Report {
    match text.to_ascii_lowercase().as_str() {
        "report" => Report::InExtensions,
        "timeline" => Report::Timeline,
        _ => Report::Off,
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
