//! Limits of requests, operations and answers.

use super::{args::LimitArgs, value, wrong::Reader};
use crate::http::{HeavyOptions, Limits, PersistedOptions, TrustedDocuments};

/// Reads the limits of requests, operations and answers.
pub(super) fn limits(args: &LimitArgs, values: &mut Reader<'_>) -> Option<Limits> {
    let mut limits = Limits::default();
    limits.introspection = !args.no_introspection;
    let mut is_right = true;
    for (limit, id, text) in [
        (
            &mut limits.operations,
            "max_operations",
            &args.max_operations,
        ),
        (&mut limits.body_bytes, "max_body", &args.max_body),
        (&mut limits.batch, "max_batch", &args.max_batch),
        (&mut limits.tokens, "max_tokens", &args.max_tokens),
        (&mut limits.depth, "max_depth", &args.max_depth),
        (
            &mut limits.complexity,
            "max_complexity",
            &args.max_complexity,
        ),
        (&mut limits.aliases, "max_aliases", &args.max_aliases),
        (
            &mut limits.root_fields,
            "max_root_fields",
            &args.max_root_fields,
        ),
        (
            &mut limits.directives,
            "max_directives",
            &args.max_directives,
        ),
        (&mut limits.answer_bytes, "max_answer", &args.max_answer),
    ] {
        match values.read(id, text, value::limit) {
            Some(value) => *limit = value,
            None => is_right = false,
        }
    }
    is_right.then_some(limits)
}

/// Reads which operations are heavy. `connections` is the size of the database's pools, if that setting is right.
pub(super) fn heavy(
    args: &LimitArgs,
    connections: Option<u32>,
    values: &mut Reader<'_>,
) -> Option<HeavyOptions> {
    let mut heavy = HeavyOptions::default();
    // The other half is for cheap operations.
    let half = connections.and_then(|connections| usize::try_from(connections / 2).ok());
    let most = half.unwrap_or(usize::MAX).max(1);
    let mut is_right = true;
    match &args.max_heavy {
        None => heavy.operations = heavy.operations.min(most),
        Some(text) => match values.read("max_heavy", text, value::limit) {
            Some(operations) if operations > most => {
                let expected = format!("{most} at most, which is half of --max-connections");
                values.refuse("max_heavy", &expected);
                is_right = false;
            }
            Some(operations) => heavy.operations = operations,
            None => is_right = false,
        },
    }
    for (limit, id, text) in [
        (
            &mut heavy.waiting,
            "max_heavy_waiting",
            &args.max_heavy_waiting,
        ),
        (
            &mut heavy.complexity,
            "heavy_complexity",
            &args.heavy_complexity,
        ),
        (&mut heavy.bytes, "heavy_bytes", &args.heavy_bytes),
    ] {
        match values.read(id, text, value::limit) {
            Some(value) => *limit = value,
            None => is_right = false,
        }
    }
    heavy.patience = values.read("heavy_wait", &args.heavy_wait, value::some_time)?;
    is_right.then_some(heavy)
}

/// Reads the settings of persisted documents.
pub(super) fn persisted(args: &LimitArgs, values: &mut Reader<'_>) -> Option<PersistedOptions> {
    let bytes = values.read("persisted_bytes", &args.persisted_bytes, value::bytes);
    let trusted = match &args.trusted_documents {
        Some(path) => values.read("trusted_documents", path, value::manifest),
        None if args.only_trusted_documents => {
            let expected = "a manifest with it: --trusted-documents";
            values.refuse("only_trusted_documents", expected);
            None
        }
        None => Some(TrustedDocuments::default()),
    };
    let mut options = PersistedOptions::default();
    options.automatic_bytes = bytes?;
    options.trusted = trusted?;
    options.only_trusted = args.only_trusted_documents;
    Some(options)
}
