//! The responses of a subscription as texts, on every transport.
//!
//! A text is written once. Where many subscribers asked for the same, they get the same bytes: server-sent events as they are, a
//! WebSocket with the id of its operation around them.

use async_graphql::{Executor, Request, Response};
use axum::body::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use unit_of_work::{Audience, Streamed};

use crate::{
    admission::{access::Caller, slots::Share},
    answer::{request_error::RequestError, wire::to_json, writing::json},
};

const BEFORE: &str = "event: next\ndata: ";
const AFTER: &str = "\n\n";

/// The extensions of a request on which no response depends: how its document is named, and which client it is that asks.
const NAMING: [&str; 2] = ["persistedQuery", "clientLibrary"];

/// One response: a whole server-sent event, with its JSON text inside.
#[derive(Clone, Debug)]
pub(crate) struct EventText(Bytes);

impl EventText {
    /// Written at once.
    pub(crate) fn of(response: &Response) -> Self {
        Self::around(&to_json(response))
    }

    /// The same, in turns with others where it is long.
    pub(crate) async fn write(response: Response) -> Self {
        Self::around(&json(response).await)
    }

    fn around(json: &str) -> Self {
        // JSON has no line breaks outside of strings, and escapes them inside: it is one line of the event.
        Self([BEFORE, json, AFTER].concat().into())
    }

    /// As a server-sent event.
    pub(crate) fn into_event(self) -> Bytes {
        self.0
    }

    /// The JSON text alone.
    pub(crate) fn json(&self) -> &str {
        let json = self.0.get(BEFORE.len()..self.0.len() - AFTER.len());
        std::str::from_utf8(json.unwrap_or_default()).unwrap_or_default()
    }
}

/// A response of a subscription.
pub(crate) enum Next {
    /// To an event.
    Event(EventText),
    /// The subscription never began.
    Refused(Response),
}

/// A subscription that is to be executed.
pub(crate) struct Subscribe {
    request: Request,
    audience: Audience,
    /// Held for as long as there may be responses.
    share: Share,
}

impl Subscribe {
    /// The subscription of this caller. What is put into the request's data has to follow from the operation, from the caller, or
    /// from the switches that the unit of work itself looks at.
    pub(crate) fn new(request: Request, caller: &impl Caller, share: Share) -> Self {
        let extensions = request.extensions.iter();
        let extensions = extensions.filter(|(name, _)| !NAMING.contains(&name.as_str()));
        let mut extensions: Vec<_> = extensions.collect();
        extensions.sort_by_key(|(name, _)| *name);
        let callers = format!("{} {extensions:?}", caller.audience());
        Self {
            audience: Audience::new(callers, |response| EventText::of(response).into_event()),
            request,
            share,
        }
    }

    pub(crate) fn responses<E: Executor>(self, executor: &E) -> BoxStream<'static, Next> {
        let responses = self.audience.stream(executor, self.request);
        let share = self.share;
        let responses = responses.inspect(move |_| {
            let _held = &share;
        });
        responses
            .then(async |response| match response {
                Streamed::Text(text) => Next::Event(EventText(text)),
                Streamed::Response(response) if RequestError::of(&response).is_some() => {
                    Next::Refused(response)
                }
                Streamed::Response(response) => Next::Event(EventText::write(response).await),
            })
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::Value;

    use super::*;

    #[test]
    fn one_text_is_an_event_and_a_payload() {
        let text = EventText::of(&Response::new(Value::from("a\nb\r\u{2028}ü")));
        let json = "{\"data\":\"a\\nb\\r\u{2028}ü\"}";
        assert_eq!(text.json(), json);
        let event = format!("event: next\ndata: {json}\n\n");
        assert_eq!(text.into_event(), event);
    }
}
