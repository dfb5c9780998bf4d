//! The cost of an operation, and whether it is heavy.

use async_graphql::parser::types::OperationType;
use graphql_operation::PreparedOperation;

use super::options::HeavyOptions;

/// A mutation is heavy if it could write more than this many times the bytes of a cheap request.
const WRITTEN_FACTOR: usize = 4;

/// How often each field of an introspection query counts. The engine answers it without a pause, and only tools send it, now and then.
const INTROSPECTION_FACTOR: usize = 10;

/// The class of an operation. The metrics have the same names.
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

/// The cost of an operation, estimated before it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Fields that the response can have, and what fields weigh of themselves.
    fields: usize,
    /// The most bytes that a mutation can write: each of its root fields may use all bytes of the request.
    written: usize,
}

impl Cost {
    /// The cost of an operation that came in a request of this many bytes.
    pub(crate) fn of(prepared: &PreparedOperation, bytes: usize) -> Self {
        let measure = prepared.measure();
        let each = if measure.introspects {
            INTROSPECTION_FACTOR
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

    /// The cost of two operations that are one unit of work.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            fields: self.fields.saturating_add(other.fields),
            written: self.written.saturating_add(other.written),
        }
    }

    pub(crate) fn class(self, options: &HeavyOptions) -> Class {
        let is_cheap = self.fields <= options.complexity
            && self.written <= options.bytes.saturating_mul(WRITTEN_FACTOR);
        if is_cheap { Class::Cheap } else { Class::Heavy }
    }
}
