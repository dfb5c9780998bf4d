//! Counts the tokens of a document before anything parses it.

/// How deep brackets may be nested. The engine's parser refuses more than 64 anyway, but only after it has recursed as deep as the document
/// goes.
pub const NESTING: usize = 100;

/// The counts of a document. A text that is not GraphQL is counted too, approximately.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    /// Names, numbers, strings and punctuators: GraphQL, "Lexical Tokens".
    pub(crate) count: usize,
    /// How deep brackets are nested.
    pub(crate) nesting: usize,
}

impl Tokens {
    pub(crate) fn of(document: &str) -> Self {
        let bytes = document.as_bytes();
        let mut tokens = Self::default();
        let mut depth: usize = 0;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let rest = &bytes[at..];
            at += match byte {
                // Commas count as white space. The last three are the bytes of a byte-order mark.
                b' ' | b'\t' | b'\r' | b'\n' | b',' | 0xef | 0xbb | 0xbf => 1,
                b'#' => run(rest, |byte| byte != b'\n' && byte != b'\r'),
                byte => {
                    tokens.count += 1;
                    match byte {
                        b'{' | b'[' | b'(' => {
                            depth += 1;
                            tokens.nesting = tokens.nesting.max(depth);
                            1
                        }
                        b'}' | b']' | b')' => {
                            depth = depth.saturating_sub(1);
                            1
                        }
                        b'"' => string(rest),
                        b'.' => run(rest, |byte| byte == b'.').min(3),
                        b'-' | b'0'..=b'9' => run(rest, |byte| is_word(byte) || byte == b'.'),
                        byte if is_word(byte) => run(rest, is_word),
                        _ => 1,
                    }
                }
            };
        }
        tokens
    }
}

/// Whether a byte can be part of a name or a number.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' || byte == b'+'
}

/// How many bytes at the beginning are of one kind.
fn run(bytes: &[u8], is_of_it: impl Fn(u8) -> bool) -> usize {
    bytes
        .iter()
        .position(|&byte| !is_of_it(byte))
        .unwrap_or(bytes.len())
}

/// The length of the string or block string at the beginning.
fn string(bytes: &[u8]) -> usize {
    let is_block = bytes.starts_with(b"\"\"\"");
    let mut at = if is_block { 3 } else { 1 };
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        match byte {
            b'"' if !is_block => return at + 1,
            b'"' if rest.starts_with(b"\"\"\"") => return at + 3,
            b'\\' if is_block && rest.starts_with(b"\\\"\"\"") => at += 4,
            b'\\' if !is_block => at += 2,
            b'\n' if !is_block => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_those_of_the_specification() {
        let cases = [
            ("", 0, 0),
            (" ,\n\t# only { a comment", 0, 0),
            ("{a}", 3, 1),
            ("\u{feff}{ a }", 3, 1),
            ("query Q($n: [Int!]! = [1, -2.5e+3]) { a }", 20, 2),
            ("{ a(b: \"x } { y\\\" z\") }", 8, 2),
            (
                "{ a(b: \"\"\"x \" } \\\"\"\" {\n\n[[[ \"\"\", c: 1) ...F ... on T { d } }",
                19,
                2,
            ),
            ("{ a(b: \"not closed\n) }", 8, 2),
            ("}}}{", 4, 1),
            ("\"", 1, 0),
            ("\"\\", 1, 0),
        ];
        for (document, count, nesting) in cases {
            assert_eq!(
                Tokens::of(document),
                Tokens { count, nesting },
                "{document}"
            );
        }
    }
}
