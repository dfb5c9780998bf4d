//! Which operations are heavy.

use async_graphql::parser::types::OperationType;
use graphql_operation::PreparedOperation;

use super::options::HeavyOptions;

/// A mutation that could write more than this many times the bytes of a cheap request is heavy.
const REPEATED: usize = 4;

/// How often each field counts where the schema is asked for. It is answered without a pause, and asked for by tools, now and then.
const OF_THE_SCHEMA: usize = 10;

/// How much an operation asks of the server. The names are those of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Cheap,
    Heavy,
}

impl Class {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cheap => "cheap",
            Self::Heavy => "heavy",
        }
    }
}

/// What is known of an operation's cost before it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Fields that the response can have, and what fields weigh of themselves.
    fields: usize,
    /// Bytes that a mutation can make of its request: each of its fields may use all of the variables.
    written: usize,
}

impl Cost {
    /// That of an operation which came in a request of so many bytes.
    pub(crate) fn of(prepared: &PreparedOperation, bytes: usize) -> Self {
        let measure = prepared.measure();
        let each = if measure.introspects {
            OF_THE_SCHEMA
        } else {
            1
        };
        Self {
            fields: measure
                .complexity
                .saturating_mul(each)
                .saturating_add(measure.weight),
            written: match prepared.kind() {
                OperationType::Mutation => measure.root_fields.saturating_mul(bytes),
                OperationType::Query | OperationType::Subscription => 0,
            },
        }
    }

    /// That of two operations which are one unit of work.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            fields: self.fields.saturating_add(other.fields),
            written: self.written.saturating_add(other.written),
        }
    }

    pub(crate) fn class(self, options: &HeavyOptions) -> Class {
        let is_cheap = self.fields <= options.complexity
            && self.written <= options.bytes.saturating_mul(REPEATED);
        if is_cheap { Class::Cheap } else { Class::Heavy }
    }
}
