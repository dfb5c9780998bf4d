//! Keeps the path of an error whole.
//!
//! "The path … must describe the path of the response field which experienced the error"
//! (<https://spec.graphql.org/October2021/#sec-Errors.Error-result-format>). async-graphql replaces it at each list that an error passes on
//! its way up, so it gets too short. The path is noted where the error arises, and restored when the response is complete.

use std::{any::Any, sync::Arc};

use async_graphql::{PathSegment, QueryPathNode, QueryPathSegment, ServerError};

/// The original path of an error. It travels in place of the error's source, which nothing on the way changes.
struct Located {
    path: Vec<PathSegment>,
    source: Option<Arc<dyn Any + Send + Sync>>,
}

/// Notes the path of an error, unless it is already noted.
pub(crate) fn remember(mut error: ServerError) -> ServerError {
    if error.source::<Located>().is_none() {
        error.source = Some(Arc::new(Located {
            path: error.path.clone(),
            source: error.source.take(),
        }));
    }
    error
}

/// Restores the path and the source.
pub(crate) fn restore(error: &mut ServerError) {
    if let Some(located) = error.source::<Located>() {
        let (path, source) = (located.path.clone(), located.source.clone());
        error.path = path;
        error.source = source;
    }
}

/// An error of the field at `path`. A dynamic schema does not say where an error of a resolver was.
pub(crate) fn at(mut error: ServerError, path: &QueryPathNode<'_>) -> ServerError {
    if error.path.is_empty() {
        let mut next = Some(path);
        while let Some(node) = next {
            error.path.push(match node.segment {
                QueryPathSegment::Index(index) => PathSegment::Index(index),
                QueryPathSegment::Name(name) => PathSegment::Field(name.to_owned()),
            });
            next = node.parent;
        }
        error.path.reverse();
    }
    error
}
