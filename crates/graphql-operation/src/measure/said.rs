//! Sizes that a field's arguments give for lists further below it.

use super::items::Items;

/// The sizes that fields around a selection set give for lists below it: the path to each list, and its number of items.
pub(super) type Said<'s> = Vec<(&'s [String], Items)>;

/// The number of items of the field with this name, if a field around it gives it.
pub(super) fn of<'a>(said: &'a Said<'_>, field: &str) -> Option<&'a Items> {
    let ends_here = |way: &[String]| matches!(way, [name] if name == field);
    let said = said.iter().find(|(way, _)| ends_here(way));
    said.map(|(_, items)| items)
}

/// The sizes given for lists below a field: by fields around it, and by its own arguments.
pub(super) fn below<'s>(said: &Said<'s>, field: &str, own: Said<'s>) -> Said<'s> {
    let onwards = said.iter().filter_map(|(way, items)| match way {
        [name, rest @ ..] if name == field && !rest.is_empty() => Some((rest, items.clone())),
        _ => None,
    });
    own.into_iter().chain(onwards).collect()
}
