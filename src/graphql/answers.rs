//! What every answer of the schema keeps to: errors end where the specification says, and its bytes are bounded.
//!
//! The rules are those of prepared operations. Here they are put into the unit of work, which masks the errors and rolls
//! back a mutation that has one.

use std::any::TypeId;

use async_graphql::{Request, Response, ServerResult, Value, extensions::ExtensionContext};
use graphql_operation::{AnswerPart, Answering, PreparedOperation, Resolved};
use unit_of_work::{FieldRule, ResolvedField};

/// The rule of a request, whose answer may have so many bytes, for
/// [`UnitOfWorkExtension::field_rule`](unit_of_work::UnitOfWorkExtension::field_rule).
///
/// A request has none where it was not prepared. Such a request is not executed
/// ([`RequestErrors`](crate::http::RequestErrors)).
#[must_use]
pub fn answer_rule(
    ctx: &ExtensionContext<'_>,
    request: &Request,
    most: usize,
) -> Option<Box<dyn FieldRule>> {
    let prepared = PreparedOperation::carried(ctx, request)?;
    // Where an operation is run again, what came with it is the session's.
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
