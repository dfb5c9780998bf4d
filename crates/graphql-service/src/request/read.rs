//! Reads GraphQL requests from the URLs and bodies of HTTP requests.
//!
//! *GraphQL over HTTP*, "Request": the members are `query` or `documentId`, `operationName`, `variables` and `extensions`. Unknown
//! members are ignored, and `null` means the same as an absent member. Error messages use the specification's words.

use std::error::Error as _;

use async_graphql::{Request, Value, Variables};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::Query,
    http::Uri,
};
use http_body_util::LengthLimitError;
use serde_json::{Map, Value as Json};

use crate::{
    answer::refusal::Refusal,
    connection::BodyError,
    request::{persisted::DOCUMENT_ID, spelling},
};

/// The most bytes of an operation's name, which is repeated in answers, logs and traces.
const MAX_NAME_BYTES: usize = 1024;

/// The requests in one body.
#[derive(Debug)]
pub(crate) enum Requests {
    /// One request.
    Single(Box<Request>),
    /// A JSON array of requests, to be answered by an array in the same order.
    Batch(Vec<Request>),
}

/// The query parameters of a GET: the same members. Those that are objects are JSON texts.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    query: Option<String>,
    document_id: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

/// Reads the request of a GET from its URL.
pub(crate) fn from_uri(uri: &Uri) -> Result<Request, Refusal> {
    let Query(parameters) = Query::<Parameters>::try_from_uri(uri)
        .map_err(|_| Refusal::bad_request("the query string gives a parameter twice"))?;
    let mut members = Map::new();
    for (name, text) in [
        ("query", parameters.query),
        (DOCUMENT_ID, parameters.document_id),
        ("operationName", parameters.operation_name),
    ] {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            members.insert(name.to_owned(), Json::String(text));
        }
    }
    for (name, text) in [
        ("variables", parameters.variables),
        ("extensions", parameters.extensions),
    ] {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            let value = serde_json::from_str(&text)
                .map_err(|_| Refusal::bad_request(format!("`{name}` is not valid JSON")))?;
            members.insert(name.to_owned(), value);
        }
    }
    from_members(members)
}

/// Receives the body of a POST, and at most `limit` bytes of it.
pub(crate) async fn receive(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    // The bytes are counted as they arrive, so the limit holds for chunked bodies too.
    to_bytes(body, limit)
        .await
        .map_err(|error| body_refusal(&error, limit))
}

/// Parses a body. This takes time in proportion to its length.
pub(crate) fn from_body(body: &[u8], max_batch: usize) -> Result<Requests, Refusal> {
    let json = serde_json::from_slice(body)
        .map_err(|_| Refusal::bad_request("the body is not valid JSON"))?;
    match json {
        Json::Array(elements) => batch(elements, max_batch),
        json => Ok(Requests::Single(Box::new(from_json(json)?))),
    }
}

fn body_refusal(error: &axum::Error, limit: usize) -> Refusal {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return Refusal::too_large(limit);
        }
        match error.downcast_ref() {
            Some(BodyError::Late) => return Refusal::late_body(),
            Some(BodyError::Full) => return Refusal::no_room(),
            None => cause = error.source(),
        }
    }
    Refusal::bad_request("the body ended early")
}

fn batch(elements: Vec<Json>, max_batch: usize) -> Result<Requests, Refusal> {
    if elements.is_empty() || elements.len() > max_batch {
        return Err(Refusal::bad_request(format!(
            "a batch has 1 to {max_batch} operations, this one has {}",
            elements.len()
        )));
    }
    // One malformed element refuses the whole batch, before any of it runs.
    elements
        .into_iter()
        .map(from_json)
        .collect::<Result<_, _>>()
        .map(Requests::Batch)
}

/// Reads one request from its JSON.
pub(crate) fn from_json(json: Json) -> Result<Request, Refusal> {
    match json {
        Json::Object(members) => from_members(members),
        _ => Err(Refusal::bad_request("a GraphQL request is a JSON object")),
    }
}

fn from_members(mut members: Map<String, Json>) -> Result<Request, Refusal> {
    spelling::check_members(members.keys())?;
    let query = string(&mut members, "query")?;
    let document_id = string(&mut members, DOCUMENT_ID)?;
    let has_query = query.is_some();
    let mut request = Request::new(query.unwrap_or_default());
    request.operation_name = string(&mut members, "operationName")?;
    if request
        .operation_name
        .as_ref()
        .is_some_and(|name| name.len() > MAX_NAME_BYTES)
    {
        return Err(Refusal::bad_request(format!(
            "`operationName` has at most {MAX_NAME_BYTES} bytes"
        )));
    }
    if let Some(variables) = object(&mut members, "variables")? {
        request.variables = Variables::from_value(variables);
    }
    if let Some(Value::Object(extensions)) = object(&mut members, "extensions")? {
        request.extensions.extend(
            extensions
                .into_iter()
                .map(|(name, value)| (name.to_string(), value)),
        );
    }
    if let Some(id) = document_id {
        let id = Value::String(id);
        request.extensions.insert(DOCUMENT_ID.to_owned(), id);
    } else if !has_query && !request.extensions.contains_key("persistedQuery") {
        return Err(Refusal::bad_request("`query` is missing"));
    }
    Ok(request)
}

fn string(members: &mut Map<String, Json>, name: &str) -> Result<Option<String>, Refusal> {
    match members.remove(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::bad_request(format!("`{name}` must be a string"))),
    }
}

fn object(members: &mut Map<String, Json>, name: &str) -> Result<Option<Value>, Refusal> {
    match members.remove(name) {
        None | Some(Json::Null) => Ok(None),
        Some(json @ Json::Object(_)) => Value::from_json(json)
            .map(Some)
            .map_err(|_| Refusal::bad_request(format!("`{name}` cannot be read"))),
        Some(_) => Err(Refusal::bad_request(format!("`{name}` must be an object"))),
    }
}
