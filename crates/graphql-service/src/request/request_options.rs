//! The switches of a request: what a client asks of its operations beside their documents.
//!
//! | header | values | of one operation |
//! |---|---|---|
//! | `x-dry-run` | `true`, `false` | `extensions.dryRun`: true or false |
//! | `x-batch` | `all-or-nothing`, `each` | |
//! | `x-timeout` | a time such as `500ms` | `extensions.timeout`: the same |
//! | `x-unit-of-work` | `report`, `timeline`, `off` | `extensions.unitOfWork`: the same |
//!
//! A browser cannot give headers to a WebSocket. There an operation has its `extensions`, and `connection_init` can have the
//! headers as members of its payload.
//!
//! Whoever sends a switch counts on it. So a value that is not understood, a header that is there twice and a name that is
//! almost right are refused with 400: nothing runs in another way than was asked for. A switch that is honoured although it
//! changes nothing (a dry run of a query) is accepted.
//!
//! A cross-site page cannot send the headers: they need a preflight.

use std::{any::TypeId, time::Duration};

use async_graphql::{Request, Value};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value as Json};
use tokio::time::Instant;
use unit_of_work::{AllOrNothing, DryRun, OperationDeadline, Report};

use crate::{
    answer::refusal::Refusal,
    request::{idempotency, spelling, switches::Switches},
};

const BATCH: HeaderName = HeaderName::from_static("x-batch");
const DRY_RUN: HeaderName = HeaderName::from_static("x-dry-run");
const TIMEOUT: HeaderName = HeaderName::from_static("x-timeout");
const UNIT_OF_WORK: HeaderName = HeaderName::from_static("x-unit-of-work");

/// Keeps an instant and a time within what an instant can hold.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The switches of one HTTP request, or of one socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestOptions {
    report: Report,
    /// Those that this server takes.
    switches: Switches,
    dry_run: bool,
    all_or_nothing: Option<bool>,
    timeout: Option<Duration>,
    /// Where the time counts already, its end.
    until: Option<Instant>,
}

impl RequestOptions {
    /// Reads them from the headers.
    pub(crate) fn of(headers: &HeaderMap, switches: Switches) -> Result<Self, Refusal> {
        if !spelling::check_headers(headers, switches)? {
            return Ok(Self {
                switches,
                ..Self::default()
            });
        }
        let report = read(headers, &UNIT_OF_WORK, |text| {
            report(text).ok_or_else(|| wrong("x-unit-of-work", REPORTS))
        })?;
        let dry_run = read(headers, &DRY_RUN, |text| {
            if text.eq_ignore_ascii_case("true") {
                Ok(true)
            } else if text.eq_ignore_ascii_case("false") {
                Ok(false)
            } else {
                Err(wrong("x-dry-run", "`true` or `false`"))
            }
        })?;
        let all_or_nothing = read(headers, &BATCH, |text| {
            if text.eq_ignore_ascii_case("all-or-nothing") {
                Ok(true)
            } else if text.eq_ignore_ascii_case("each") {
                Ok(false)
            } else {
                Err(wrong("x-batch", "`all-or-nothing` or `each`"))
            }
        })?;
        Ok(Self {
            report: report.unwrap_or_default(),
            switches,
            dry_run: dry_run.unwrap_or_default(),
            all_or_nothing,
            timeout: read(headers, &TIMEOUT, |text| timeout(text, "x-timeout"))?,
            until: None,
        })
    }

    /// Reads those of a WebSocket's handshake, where there is no batch.
    pub(crate) fn of_handshake(headers: &HeaderMap, switches: Switches) -> Result<Self, Refusal> {
        Self::of(headers, switches)?.without_batch()
    }

    /// Adds those in the payload of `connection_init`, which has headers as members.
    pub(crate) fn with_init(self, payload: &Map<String, Json>) -> Result<Self, Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in payload {
            // Other members are the application's own, and need not be headers.
            let Some(right) = spelling::header(name)? else {
                continue;
            };
            let value = value.as_str().unwrap_or_default();
            let value = HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""));
            headers.append(right, value);
        }
        if let Some(Json::Object(nested)) = payload.get("headers") {
            nested
                .keys()
                .try_for_each(|name| spelling::check_place(name))?;
        }
        idempotency::refuse(&headers)?;
        let own = Self::of_handshake(&headers, self.switches)?;
        Ok(Self {
            report: own.report.max(self.report),
            dry_run: own.dry_run || self.dry_run,
            timeout: own.timeout.or(self.timeout),
            ..self
        })
    }

    /// Refuses `x-batch` where there is no batch: the client believes that it sent one.
    pub(crate) fn without_batch(self) -> Result<Self, Refusal> {
        match self.all_or_nothing {
            None => Ok(self),
            Some(_) => Err(Refusal::bad_request(
                "`x-batch` is for a POST of a JSON array of operations, and this is none",
            )),
        }
    }

    /// The same, whose time counts from now on, before there is a request to mark.
    pub(crate) fn counting_from_now(self) -> Self {
        Self {
            until: self.timeout.map(|timeout| Instant::now() + timeout),
            ..self
        }
    }

    /// Until when it may take, as far as is known without the request.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.until.or_else(|| self.counting_from_now().until)
    }

    /// Puts them into a request, for the unit of work to find. The time counts from now, or from [`RequestOptions::counting_from_now`].
    pub(crate) fn mark(self, request: &mut Request) -> Result<(), Refusal> {
        spelling::check_extensions(request.extensions.keys(), self.switches)?;
        let own = match request.extensions.get("timeout") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(timeout(text, "extensions.timeout")?),
            Some(_) => Some(timeout("", "extensions.timeout")?),
        };
        let own = own.map(|own| Instant::now() + own);
        if let Some(until) = own.or_else(|| self.deadline()) {
            request.data.insert(OperationDeadline(until));
        }
        let own = match request.extensions.get("unitOfWork") {
            None | Some(Value::Null) => Some(Report::Off),
            Some(Value::String(text)) => report(text),
            Some(_) => None,
        };
        let own = own.ok_or_else(|| wrong("extensions.unitOfWork", REPORTS))?;
        let report = own.max(self.report).min(self.switches.most_told());
        if report != Report::Off {
            request.data.insert(report);
        }
        let own = match request.extensions.get("dryRun") {
            None => false,
            Some(Value::Boolean(own)) => *own,
            // Not even null: a client that lost the value on its way counts on it all the same.
            Some(_) => return Err(wrong("extensions.dryRun", "true or false")),
        };
        if own || self.dry_run {
            request.data.insert(DryRun);
        }
        Ok(())
    }

    /// Whether a batch is to be one unit of work.
    pub(crate) fn all_or_nothing(self) -> bool {
        self.all_or_nothing == Some(true)
    }

    /// As [`RequestOptions::mark`], for a part of a batch that is one unit of work.
    pub(crate) fn mark_part(self, request: &mut Request) -> Result<(), Refusal> {
        self.mark(request)?;
        request.data.insert(AllOrNothing);
        Ok(())
    }
}

/// Until when a request that was marked may take, where it says so.
pub(crate) fn deadline(request: &Request) -> Option<Instant> {
    let deadline = request.data.get(&TypeId::of::<OperationDeadline>())?;
    let OperationDeadline(until) = deadline.downcast_ref()?;
    Some(*until)
}

/// Reads a header that is there once, or not at all.
fn read<T>(
    headers: &HeaderMap,
    name: &HeaderName,
    parse: impl FnOnce(&str) -> Result<T, Refusal>,
) -> Result<Option<T>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        // What is not ASCII is none of the values that a switch takes.
        (Some(value), None) => parse(value.to_str().unwrap_or_default()).map(Some),
        (Some(_), Some(_)) => Err(Refusal::bad_request(format!("`{name}` is there twice"))),
    }
}

fn wrong(name: &str, expected: &str) -> Refusal {
    Refusal::bad_request(format!("`{name}` takes {expected}"))
}

const REPORTS: &str = "`report`, `timeline` or `off`";

fn report(text: &str) -> Option<Report> {
    [
        ("report", Report::InExtensions),
        ("timeline", Report::Timeline),
        ("off", Report::Off),
    ]
    .into_iter()
    .find_map(|(name, report)| text.eq_ignore_ascii_case(name).then_some(report))
}

fn timeout(text: &str, name: &str) -> Result<Duration, Refusal> {
    match humantime::parse_duration(text) {
        Ok(time) if time <= LONGEST => Ok(time),
        _ => Err(Refusal::bad_request(format!(
            "`{name}` is a time of at most a day, such as \"500ms\" or \"2s\""
        ))),
    }
}
