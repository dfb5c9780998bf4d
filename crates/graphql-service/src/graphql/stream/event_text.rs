//! The responses of a subscription as texts, for every transport.
//!
//! A response is written once, even for many subscribers who asked for the same. The text has the form of a server-sent event; other
//! transports take the JSON out of it.

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

/// The extensions of a request on which its responses do not depend: the name of the document, and the client library.
const WITHOUT_EFFECT: [&str; 2] = ["persistedQuery", "clientLibrary"];

/// One response: a whole server-sent event with the JSON text inside.
#[derive(Clone, Debug)]
pub(crate) struct EventText(Bytes);

impl EventText {
    /// Writes a response in one go.
    pub(crate) fn of(response: &Response) -> Self {
        Self::around(&to_json(response))
    }

    /// Writes a response, and yields to other tasks where it is long.
    pub(crate) async fn write(response: Response) -> Self {
        Self::around(&json(response).await)
    }

    fn around(json: &str) -> Self {
        // This JSON has no line breaks (they are escaped in strings), so it is one line of the event.
        Self([BEFORE, json, AFTER].concat().into())
    }

    /// The text as a server-sent event.
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
    /// The response to an event.
    Event(EventText),
    /// The request error of a subscription that never began.
    Refused(Response),
}

/// A subscription that is about to be executed.
pub(crate) struct Subscribe {
    request: Request,
    audience: Audience,
    /// Held until the last response.
    share: Share,
}

impl Subscribe {
    /// A subscription of this caller.
    ///
    /// Subscribers with equal audiences may share responses. So everything in the request's data has to follow from the operation, from
    /// the caller's audience, or from the switches that the unit of work compares by itself.
    pub(crate) fn new(request: Request, caller: &impl Caller, share: Share) -> Self {
        let extensions = request.extensions.iter();
        let extensions = extensions.filter(|(name, _)| !WITHOUT_EFFECT.contains(&name.as_str()));
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
