//! What the arguments of a field say of lists further below it.

use super::items::Items;

/// What fields around a selection set say of the lists below it: the way to each, and how many items it has.
pub(super) type Said<'s> = Vec<(&'s [String], Items)>;

/// How many items the field of this name has, if anything around it says so.
pub(super) fn of<'a>(said: &'a Said<'_>, field: &str) -> Option<&'a Items> {
    let ends_here = |way: &[String]| matches!(way, [name] if name == field);
    let said = said.iter().find(|(way, _)| ends_here(way));
    said.map(|(_, items)| items)
}

/// What is said of lists below a field: by those around it, and by its own arguments.
pub(super) fn below<'s>(said: &Said<'s>, field: &str, own: Said<'s>) -> Said<'s> {
    let onwards = said.iter().filter_map(|(way, items)| match way {
        [name, rest @ ..] if name == field && !rest.is_empty() => Some((rest, items.clone())),
        _ => None,
    });
    own.into_iter().chain(onwards).collect()
}
