//! Keeps the path of an error whole.
//!
//! "The path … must describe the path of the response field which experienced the error"
//! (<https://spec.graphql.org/October2021/#sec-Errors.Error-result-format>). async-graphql sets it again at each list that
//! an error passes on its way up, and so cuts it short there. The path is noted where the error arises, and put back
//! when the response is whole.

use std::{any::Any, sync::Arc};

use async_graphql::{PathSegment, ServerError};

/// The first path of an error. It travels in the place of the error's source, which nothing on the way changes.
struct Located {
    path: Vec<PathSegment>,
    source: Option<Arc<dyn Any + Send + Sync>>,
}

/// Notes where an error is, unless that is noted already.
pub(crate) fn remember(mut error: ServerError) -> ServerError {
    if error.source::<Located>().is_none() {
        error.source = Some(Arc::new(Located {
            path: error.path.clone(),
            source: error.source.take(),
        }));
    }
    error
}

/// Puts the path, and the source, back.
pub(crate) fn restore(error: &mut ServerError) {
    if let Some(located) = error.source::<Located>() {
        let (path, source) = (located.path.clone(), located.source.clone());
        error.path = path;
        error.source = source;
    }
}
