//! The switches of a request: what a client asks for beside its document.
//!
//! | header | values | of one operation |
//! |---|---|---|
//! | `x-dry-run` | `true`, `false` | `extensions.dryRun`: true or false |
//! | `x-batch` | `all-or-nothing`, `each` | |
//! | `x-consistency` | a token that this server has answered | `extensions.consistency`: the same |
//! | `x-max-staleness` | a time such as `5s` | `extensions.maxStaleness`: the same |
//! | `x-timeout` | a time such as `500ms` | `extensions.timeout`: the same |
//! | `x-unit-of-work` | `report`, `timeline`, `off` | `extensions.unitOfWork`: the same |
//!
//! A browser cannot set headers on a WebSocket. There the payload of `connection_init` can have the headers as members, and each operation
//! its `extensions`. A consistency token belongs to one operation after another, so it is not accepted for a whole socket.
//!
//! A client that sends a switch relies on it. So a value that is not understood, a header that is sent twice and a name that is almost
//! right are refused with 400, and no operation runs in another way than was asked for. A switch that makes no difference, such as a
//! dry run of a query, is accepted.
//!
//! A page of another site cannot send these headers, because they need a CORS preflight.

use std::{any::TypeId, time::Duration};

use async_graphql::{Request, Value};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value as Json};
use tokio::time::Instant;
use unit_of_work::{
    AllOrNothing, ConsistencyToken, DryRun, MaxStaleness, OperationDeadline, Report,
};

use crate::{
    answer::refusal::Refusal,
    request::{idempotency, spelling, switches::Switches},
};

const BATCH: HeaderName = HeaderName::from_static("x-batch");
const CONSISTENCY: HeaderName = HeaderName::from_static(CONSISTENCY_NAME);
const CONSISTENCY_NAME: &str = "x-consistency";
const DRY_RUN: HeaderName = HeaderName::from_static("x-dry-run");
const MAX_STALENESS: HeaderName = HeaderName::from_static("x-max-staleness");
const TIMEOUT: HeaderName = HeaderName::from_static("x-timeout");
const UNIT_OF_WORK: HeaderName = HeaderName::from_static("x-unit-of-work");

/// The longest time-out. An instant can hold no arbitrarily late time.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The switches of one HTTP request, or of one socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestOptions {
    report: Report,
    /// The switches that this server accepts.
    switches: Switches,
    dry_run: bool,
    all_or_nothing: Option<bool>,
    timeout: Option<Duration>,
    max_staleness: Option<Duration>,
    /// What the client has written and seen.
    shown: Option<ConsistencyToken>,
    /// The end of `timeout`, once it has begun.
    until: Option<Instant>,
}

impl RequestOptions {
    /// Reads the switches of an HTTP request.
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
            max_staleness: read(headers, &MAX_STALENESS, |text| {
                timeout(text, "x-max-staleness")
            })?,
            shown: read(headers, &CONSISTENCY, |text| {
                text.parse().map_err(|error| {
                    Refusal::consistency_token(format!("`{CONSISTENCY_NAME}`: {error}"))
                })
            })?,
            until: None,
        })
    }

    /// Reads the switches of a WebSocket's handshake. `x-batch` is refused, since a socket has no batches, and `x-consistency`, since each of
    /// its operations has a token of its own.
    pub(crate) fn of_handshake(headers: &HeaderMap, switches: Switches) -> Result<Self, Refusal> {
        if headers.contains_key(CONSISTENCY) {
            return Err(Refusal::bad_request(format!(
                "`{CONSISTENCY_NAME}` is for a request of its own: give each operation `extensions.consistency`"
            )));
        }
        Self::of(headers, switches)?.without_batch()
    }

    /// Adds the switches in the payload of `connection_init`, where they are members with the names of the headers.
    pub(crate) fn with_init(self, payload: &Map<String, Json>) -> Result<Self, Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in payload {
            // Other members belong to the application.
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
            max_staleness: own.max_staleness.or(self.max_staleness),
            ..self
        })
    }

    /// Refuses `x-batch` on a request that is no batch, since the client expects it to be one.
    pub(crate) fn without_batch(self) -> Result<Self, Refusal> {
        match self.all_or_nothing {
            None => Ok(self),
            Some(_) => Err(Refusal::bad_request(
                "`x-batch` is for a POST of a JSON array of operations, and this is none",
            )),
        }
    }

    /// Starts the time-out now, before there is a request to attach it to.
    pub(crate) fn starting_now(self) -> Self {
        Self {
            until: self.timeout.map(|timeout| Instant::now() + timeout),
            ..self
        }
    }

    /// The deadline of the operation, unless its own `extensions` set another.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.until.or_else(|| self.starting_now().until)
    }

    /// Adds the switches to the request, where the unit of work looks for them. The time-out starts now, unless
    /// [`RequestOptions::starting_now`] has started it.
    pub(crate) fn attach(self, request: &mut Request) -> Result<(), Refusal> {
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
        let own = match request.extensions.get("maxStaleness") {
            None => None,
            Some(Value::String(text)) => Some(timeout(text, "extensions.maxStaleness")?),
            Some(_) => Some(timeout("", "extensions.maxStaleness")?),
        };
        if let Some(limit) = own.or(self.max_staleness) {
            request.data.insert(MaxStaleness(limit));
        }
        if let Some(token) = self.shown {
            request.data.insert(token);
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
            // Null is refused too: a client that sent it meant to set the switch.
            Some(_) => return Err(wrong("extensions.dryRun", "true or false")),
        };
        if own || self.dry_run {
            request.data.insert(DryRun);
        }
        Ok(())
    }

    /// Whether the batch is to be one unit of work.
    pub(crate) fn all_or_nothing(self) -> bool {
        self.all_or_nothing == Some(true)
    }

    /// As [`RequestOptions::attach`], for one operation of a batch that is one unit of work.
    pub(crate) fn attach_to_part(self, request: &mut Request) -> Result<(), Refusal> {
        self.attach(request)?;
        request.data.insert(AllOrNothing);
        Ok(())
    }
}

/// The deadline of a request to which options were attached.
pub(crate) fn deadline(request: &Request) -> Option<Instant> {
    let deadline = request.data.get(&TypeId::of::<OperationDeadline>())?;
    let OperationDeadline(until) = deadline.downcast_ref()?;
    Some(*until)
}

/// Reads a header, and refuses one that is sent twice.
fn read<T>(
    headers: &HeaderMap,
    name: &HeaderName,
    parse: impl FnOnce(&str) -> Result<T, Refusal>,
) -> Result<Option<T>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        // No switch has a value that is not ASCII.
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
        Ok(time) if time <= MAX_TIMEOUT => Ok(time),
        _ => Err(Refusal::bad_request(format!(
            "`{name}` is a time of at most a day, such as \"500ms\" or \"2s\""
        ))),
    }
}
