//! Each rule of the specification, by documents that keep it and documents that break it.

mod definitions;
mod fields;
mod fragments;
mod overlap;
mod syntax;
mod values;
mod variables;

use super::schema::wrong;

#[track_caller]
fn valid(documents: &[&str]) {
    for document in documents {
        let wrong = wrong(document);
        assert!(wrong.is_empty(), "{document}\n{wrong:?}");
    }
}

/// Each document with a part of the message that it is refused with.
#[track_caller]
fn invalid(documents: &[(&str, &str)]) {
    for (document, message) in documents {
        let wrong = wrong(document);
        assert!(
            wrong.iter().any(|wrong| wrong.contains(message)),
            "{document}\n{wrong:?}"
        );
    }
}
