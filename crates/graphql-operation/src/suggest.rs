//! "Did you mean": suggests known names that are close to an unknown one.

/// The most names that are suggested.
const MOST: usize = 5;

/// How many names are compared, and how long the unknown one may be. Beyond that it is hardly a typing error, and comparing takes time.
const MOST_COMPARED: usize = 1_000;
const LONGEST: usize = 64;

/// ` Did you mean "x" or "y"?`, or nothing.
pub(crate) fn did_you_mean<'n>(wrong: &str, names: impl Iterator<Item = &'n str>) -> String {
    let close = close_to(wrong, names);
    let quoted: Vec<_> = close.iter().map(|name| format!("\"{name}\"")).collect();
    question(&quoted)
}

/// ` Did you mean a, b or c?`, of names that are already formatted.
pub(crate) fn question(shown: &[String]) -> String {
    match shown {
        [] => String::new(),
        [one] => format!(" Did you mean {one}?"),
        [first @ .., last] => format!(" Did you mean {} or {last}?", first.join(", ")),
    }
}

fn close_to<'n>(wrong: &str, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    if wrong.len() > LONGEST {
        return Vec::new();
    }
    let allowed = wrong.len() * 2 / 5 + 1;
    let mut close: Vec<_> = names
        .take(MOST_COMPARED)
        .filter(|name| name.len().abs_diff(wrong.len()) <= allowed)
        .filter_map(|name| {
            let distance = distance(wrong, name);
            (distance <= allowed).then_some((distance, name))
        })
        .collect();
    close.sort_unstable();
    close.truncate(MOST);
    close.into_iter().map(|(_, name)| name).collect()
}

/// How many letters must be inserted, removed or changed. Changes of case count once altogether.
fn distance(one: &str, other: &str) -> usize {
    if one.eq_ignore_ascii_case(other) {
        return usize::from(one != other);
    }
    let other: Vec<u8> = other
        .bytes()
        .map(|byte| byte.to_ascii_lowercase())
        .collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, byte) in one.bytes().enumerate() {
        let byte = byte.to_ascii_lowercase();
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (at, &against) in other.iter().enumerate() {
            let changed = diagonal + usize::from(byte != against);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(row[at + 1] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_are_suggested() {
        let names = || ["accounts", "account", "entry", "Name"].into_iter();
        assert_eq!(
            did_you_mean("acount", names()),
            " Did you mean \"account\" or \"accounts\"?"
        );
        assert_eq!(did_you_mean("name", names()), " Did you mean \"Name\"?");
        assert_eq!(did_you_mean("verifyLedger", names()), "");
        assert_eq!(did_you_mean(&"a".repeat(10_000), names()), "");
    }
}
