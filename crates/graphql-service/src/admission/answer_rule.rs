//! The rules of every answer: an error nulls what the specification says, and the answer's bytes are bounded.
//!
//! The rules come from prepared operations. Here they are handed to the unit of work, which masks errors and rolls back a mutation that has
//! one.

use std::any::TypeId;

use async_graphql::{Request, Response, ServerResult, Value, extensions::ExtensionContext};
use graphql_operation::{AnswerPart, Answering, PreparedOperation, Resolved};
use unit_of_work::{FieldRule, ResolvedField};

/// The rule for the answer to a request, which may have `most` bytes. It is for
/// [`UnitOfWorkExtension::field_rule`](unit_of_work::UnitOfWorkExtension::field_rule).
///
/// A request that was not prepared has no rule. [`RequestErrors`](super::request_errors::RequestErrors) does not execute such a request.
pub(super) fn answer_rule(
    ctx: &ExtensionContext<'_>,
    request: &Request,
    most: usize,
) -> Option<Box<dyn FieldRule>> {
    let prepared = PreparedOperation::carried(ctx, request)?;
    // In a retried operation, the data of the first request is in the session's data.
    let part = [&request.data, ctx.session_data]
        .into_iter()
        .find_map(|data| data.get(&TypeId::of::<AnswerPart>())?.downcast_ref());
    let answering = Answering::new(prepared, most).part(part.cloned());
    Some(Box::new(Rule(answering)))
}

struct Rule(Answering);

impl FieldRule for Rule {
    fn begin(&self) {
        self.0.begin();
    }

    fn before(&self) -> ServerResult<()> {
        self.0.before()
    }

    fn resolved(
        &self,
        field: ResolvedField<'_>,
        result: ServerResult<Option<Value>>,
    ) -> ServerResult<Option<Value>> {
        let ResolvedField {
            path,
            return_type,
            field,
            ..
        } = field;
        let resolved = Resolved {
            path,
            return_type,
            field,
        };
        self.0.resolved(resolved, result)
    }

    fn finish(&self, response: &mut Response) {
        self.0.finish(response);
    }
}
