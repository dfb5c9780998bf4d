//! Sizes that a field's arguments give for lists further below it.

use super::items::Items;

/// The sizes that fields around a selection set give for lists below it: the path to each list, and its number of items.
pub(super) type GivenSizes<'s> = Vec<(&'s [String], Items)>;

/// The number of items of the field with this name, if a field around it gives it.
pub(super) fn of<'a>(given: &'a GivenSizes<'_>, field: &str) -> Option<&'a Items> {
    let ends_here = |path: &[String]| matches!(path, [name] if name == field);
    let given = given.iter().find(|(path, _)| ends_here(path));
    given.map(|(_, items)| items)
}

/// The sizes given for lists below a field: by fields around it, and by its own arguments.
pub(super) fn below<'s>(
    given: &GivenSizes<'s>,
    field: &str,
    own: GivenSizes<'s>,
) -> GivenSizes<'s> {
    let onwards = given.iter().filter_map(|(path, items)| match path {
        [name, rest @ ..] if name == field && !rest.is_empty() => Some((rest, items.clone())),
        _ => None,
    });
    own.into_iter().chain(onwards).collect()
}
