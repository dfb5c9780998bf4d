//! Whether a name is another one with a slip of the pen: a letter too many, missing, wrong or in another place, two of them in a longer
//! name, a plural, other separators, or `x-` before it.
//!
//! `unit-of-work` refuses such names by itself, for servers without this crate, and does not use this file: it must not know HTTP crates. It
//! is not used here either, since it checks two members of `extensions`, and this file the headers of every request, without allocating.

/// Words that are a letter away from a switch, and mean themselves.
const OTHER_WORDS: [&str; 4] = ["catch", "match", "patch", "watch"];

/// Names of this many letters and more may have two slips.
const LONG: usize = 6;

/// The longest name that is looked at.
const MOST: usize = 24;

/// The letters of a name in lower case, without separators and without a leading `x-`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Letters {
    bytes: [u8; MOST],
    length: usize,
    /// A bit for each letter that is in it.
    set: u32,
}

impl Letters {
    /// `None` for a name that is too long to be like one that is known.
    pub(super) const fn of(name: &str) -> Option<Self> {
        let mut name = name.as_bytes();
        if let [b'x' | b'X', b'-' | b'_', rest @ ..] = name {
            name = rest;
        }
        let mut letters = Self {
            bytes: [0; MOST],
            length: 0,
            set: 0,
        };
        let mut at = 0;
        while at < name.len() {
            let byte = name[at].to_ascii_lowercase();
            at += 1;
            if matches!(byte, b'-' | b'_' | b'.' | b' ') {
                continue;
            }
            if letters.length == MOST {
                return None;
            }
            letters.bytes[letters.length] = byte;
            letters.length += 1;
            letters.set |= 1 << (byte % 32);
        }
        Some(letters)
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Whether it is this known name but for slips.
    pub(super) fn is_near(&self, known: &Self) -> bool {
        let most = if known.length < LONG { 1 } else { 2 };
        let more = self.length.abs_diff(known.length);
        // Each slip changes two letters of the set at the most. Almost all other names differ by more.
        if more > 2 || (self.set ^ known.set).count_ones() > 4 {
            return false;
        }
        if *self == *known || self.bytes().starts_with(known.bytes()) {
            return true;
        }
        let mut others = OTHER_WORDS.iter();
        if others.any(|word| word.as_bytes() == self.bytes()) {
            return false;
        }
        if slips(self.bytes(), known.bytes()) <= most {
            return true;
        }
        // The slip may be in the `x-`.
        let with_x = [b"x", known.bytes()].concat();
        slips(self.bytes(), &with_x) <= most
    }
}

fn slips(one: &[u8], other: &[u8]) -> usize {
    strsim::generic_damerau_levenshtein(one, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(name: &str, known: &str) -> bool {
        let known = Letters::of(known).unwrap();
        Letters::of(name).is_some_and(|letters| letters.is_near(&known))
    }

    /// Each name with one slip at each place.
    fn slips_of(name: &str) -> Vec<String> {
        let mut all = vec![format!("{name}s")];
        for (at, _) in name.char_indices() {
            let (before, rest) = name.split_at(at);
            let (one, after) = rest.split_at(1);
            all.push(format!("{before}{after}"));
            all.push(format!("{before}{one}{one}{after}"));
            for other in ["q", "z", "e", "o"] {
                all.push(format!("{before}{other}{after}"));
                all.push(format!("{before}{other}{rest}"));
            }
            if let Some(next) = after.get(..1) {
                all.push(format!("{before}{next}{one}{}", &after[1..]));
            }
        }
        all
    }

    #[test]
    fn slips_are_near() {
        for known in ["x-batch", "x-dry-run", "x-timeout", "dryRun", "extensions"] {
            for slip in slips_of(known) {
                assert!(is_near(&slip, known), "{slip}");
            }
        }
        for known in ["dry-run", "idempotency-key", "unit-of-work"] {
            for slip in slips_of(known).iter().flat_map(|slip| slips_of(slip)) {
                assert!(is_near(&slip, known), "{slip}");
                assert!(is_near(&format!("x-{slip}"), known), "{slip}");
            }
        }
        assert!(is_near("x-batches", "x-batch") && is_near("x-batched", "x-batch"));
    }

    #[test]
    fn other_names_are_not_near() {
        for (name, known) in [
            ("x-match", "x-batch"),
            ("x-bath-size", "x-batch"),
            ("x-dry", "x-dry-run"),
            ("x-run", "x-dry-run"),
            ("x-time", "x-timeout"),
            ("grpc-timeout", "x-timeout"),
            ("", "x-batch"),
            ("x-", "x-batch"),
            ("a-name-that-is-much-too-long-for-any", "x-batch"),
        ] {
            assert!(!is_near(name, known), "{name}");
        }
    }
}
