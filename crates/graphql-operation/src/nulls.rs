//! Where an error of a field ends (specification, "Handling Execution Errors").
//!
//! The error of a field whose type can be null makes that field null, and no more. The engine takes what is around the field too,
//! unless its resolver answers `Option<Result<T>>`: it does not know the types of its resolvers when an error passes. It also leaves
//! the path out of an error that arises behind an interface.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_graphql::{
    PathSegment, QueryPathNode, QueryPathSegment, Response, ServerError, ServerResult, Value,
    extensions::{ExtensionContext, NextResolve, ResolveInfo},
    parser::types::OperationType,
};

/// The errors of fields that became null, until the response has them.
#[derive(Default)]
pub(crate) struct Nulls(Mutex<Vec<ServerError>>);

impl Nulls {
    fn errors(&self) -> MutexGuard<'_, Vec<ServerError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves a field of an operation of this kind.
    pub(crate) async fn resolve(
        &self,
        kind: OperationType,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let path = info.path_node;
        let is_nullable = !info.return_type.ends_with('!');
        let mut error = match next.run(ctx, info).await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if error.path.is_empty() {
            error.path = path_of(path);
        }
        // What a mutation's root field did is undone by others, who look for its error.
        let is_watched = kind == OperationType::Mutation && path.parent.is_none();
        if !is_nullable || is_watched {
            return Err(error);
        }
        self.errors().push(error);
        Ok(None)
    }

    /// Puts the errors into the response.
    pub(crate) fn tell(&self, response: &mut Response) {
        response.errors.append(&mut self.errors());
    }
}

fn path_of(node: &QueryPathNode<'_>) -> Vec<PathSegment> {
    let mut path = Vec::new();
    let mut next = Some(node);
    while let Some(node) = next {
        path.push(match node.segment {
            QueryPathSegment::Index(index) => PathSegment::Index(index),
            QueryPathSegment::Name(name) => PathSegment::Field(name.to_owned()),
        });
        next = node.parent;
    }
    path.reverse();
    path
}
