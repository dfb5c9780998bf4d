//! The parts of PostgreSQL's protocol 3 that the proxy reads.

use std::collections::HashMap;

/// The length word counts itself and the body, and comes after `tag` bytes (none in a startup message, else one).
fn message_length(bytes: &[u8], tag: usize) -> Option<usize> {
    let word = bytes.get(tag..tag + 4)?;
    let length = u32::from_be_bytes(word.try_into().unwrap()) as usize;
    assert!(
        length >= 4,
        "not PostgreSQL's protocol: a length of {length}"
    );
    Some(tag + length)
}

/// Takes the first message off `buffer`, when it is complete.
pub(super) fn take_message(buffer: &mut Vec<u8>, tag: usize) -> Option<Vec<u8>> {
    let length = message_length(buffer, tag)?;
    (buffer.len() >= length).then(|| buffer.drain(..length).collect())
}

/// What the first message of a connection asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// TLS or GSSAPI, before the startup proper.
    Encryption,
    Cancel,
    Startup,
}

impl Opening {
    pub(super) fn of(message: &[u8]) -> Self {
        match message.get(4..8) {
            Some([0x04, 0xd2, 0x16, 0x2f | 0x30]) => Self::Encryption,
            Some([0x04, 0xd2, 0x16, 0x2e]) => Self::Cancel,
            _ => Self::Startup,
        }
    }
}

/// A startup message without some of its parameters.
pub(super) fn without_parameters(startup: &[u8], dropped: &[String]) -> Vec<u8> {
    let mut message = startup[..8].to_vec();
    let mut body = Body(&startup[8..]);
    loop {
        let name = body.string();
        if name.is_empty() {
            break;
        }
        let value = body.string();
        if !dropped.contains(&name) {
            for text in [name, value] {
                message.extend_from_slice(text.as_bytes());
                message.push(0);
            }
        }
    }
    message.push(0);
    let length = u32::try_from(message.len()).unwrap();
    message[..4].copy_from_slice(&length.to_be_bytes());
    message
}

/// What a frontend message means for the flight that it belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing happens before a later message.
    Gather,
    /// The server acts on what it has, the flight goes on.
    Pass,
    /// The flight is complete; the server will answer with one ReadyForQuery if `answered`.
    Complete { text: String, answered: bool },
}

/// Follows one client's messages, so that an executed portal can be told as SQL.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    statements: HashMap<String, String>,
    portals: HashMap<String, String>,
    parsed: Vec<String>,
    executed: Vec<String>,
    closed: Vec<String>,
}

impl Conversation {
    /// Follows one message, tag included.
    pub(super) fn follow(&mut self, message: &[u8]) -> Step {
        let mut body = Body(&message[5..]);
        match message[0] {
            b'P' => {
                let name = body.string();
                let sql = body.string();
                self.parsed.push(sql.clone());
                self.statements.insert(name, sql);
                Step::Gather
            }
            b'B' => {
                let portal = body.string();
                let sql = self.statement(&body.string());
                self.portals.insert(portal, sql);
                Step::Gather
            }
            b'E' => {
                let portal = body.string();
                let sql = self.portals.get(&portal).cloned();
                self.executed
                    .push(sql.unwrap_or_else(|| format!("portal {portal}")));
                Step::Gather
            }
            b'C' => {
                if body.byte() == b'S' {
                    let sql = self.statement(&body.string());
                    self.closed.push(sql);
                }
                Step::Gather
            }
            b'D' => Step::Gather,
            b'S' => Step::Complete {
                text: self.sync(),
                answered: true,
            },
            b'Q' => Step::Complete {
                text: body.string(),
                answered: true,
            },
            b'F' => Step::Complete {
                text: "FUNCTION".to_owned(),
                answered: true,
            },
            b'X' => Step::Complete {
                text: "TERMINATE".to_owned(),
                answered: false,
            },
            // Flush, passwords, copy data.
            _ => Step::Pass,
        }
    }

    fn statement(&self, name: &str) -> String {
        let sql = self.statements.get(name).cloned();
        sql.unwrap_or_else(|| format!("statement {name}"))
    }

    fn sync(&mut self) -> String {
        let parsed = std::mem::take(&mut self.parsed);
        let executed = std::mem::take(&mut self.executed);
        let closed = std::mem::take(&mut self.closed);
        if !executed.is_empty() {
            executed.join("; ")
        } else if !parsed.is_empty() {
            format!("PREPARE {}", parsed.join("; "))
        } else if !closed.is_empty() {
            format!("CLOSE {}", closed.join("; "))
        } else {
            "PING".to_owned()
        }
    }
}

struct Body<'a>(&'a [u8]);

impl Body<'_> {
    fn string(&mut self) -> String {
        let end = self.0.iter().position(|byte| *byte == 0);
        let (text, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest.get(1..).unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }
}

/// Finds the ends of the server's answers in its bytes, however they are split.
#[derive(Debug, Default)]
pub(super) struct ReadyScanner {
    /// The tag and the length word of the message at hand, as far as seen.
    header: Vec<u8>,
    /// What is left of that message's body.
    remaining: usize,
}

impl ReadyScanner {
    /// The offsets in `bytes` at which a ReadyForQuery ends.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Vec<usize> {
        let mut ends = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            if self.header.len() < 5 {
                self.header.push(bytes[at]);
                at += 1;
                if let Some(length) = message_length(&self.header, 1) {
                    self.remaining = length - 5;
                }
            } else {
                let step = self.remaining.min(bytes.len() - at);
                at += step;
                self.remaining -= step;
            }
            if self.header.len() == 5 && self.remaining == 0 {
                if self.header[0] == b'Z' {
                    ends.push(at);
                }
                self.header.clear();
            }
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[tag], &length.to_be_bytes()[..], body].concat()
    }

    #[test]
    fn ready_is_found_however_the_bytes_are_split() {
        let bytes = [
            message(b'C', b"SELECT 1\0"),
            message(b'Z', b"I"),
            message(b'1', b""),
            message(b'D', b"ZZZZZ"),
            message(b'Z', b"T"),
        ]
        .concat();
        let mut whole = ReadyScanner::default();
        let ends = whole.scan(&bytes);
        assert_eq!(ends, [20, bytes.len()]);
        for size in 1..bytes.len() {
            let mut scanner = ReadyScanner::default();
            let mut split = Vec::new();
            for (index, chunk) in bytes.chunks(size).enumerate() {
                split.extend(scanner.scan(chunk).iter().map(|end| index * size + end));
            }
            assert_eq!(split, ends, "in chunks of {size}");
        }
    }

    #[test]
    fn a_parameter_is_left_out_and_the_rest_is_whole() {
        let startup = |parameters: &[u8]| {
            let body = [&[0, 3, 0, 0], parameters, &[0]].concat();
            let length = u32::try_from(body.len() + 4).unwrap();
            [&length.to_be_bytes()[..], &body].concat()
        };
        let whole = startup(b"user\0me\0options\0-c a=b\0database\0d\0");
        assert_eq!(without_parameters(&whole, &[]), whole);
        assert_eq!(
            without_parameters(&whole, &["options".to_owned()]),
            startup(b"user\0me\0database\0d\0")
        );
    }

    #[test]
    fn a_message_is_taken_only_when_complete() {
        let bytes = message(b'Q', b"SELECT 1\0");
        for end in 0..bytes.len() {
            assert_eq!(take_message(&mut bytes[..end].to_vec(), 1), None);
        }
        let mut buffer = [&bytes[..], b"Z"].concat();
        assert_eq!(take_message(&mut buffer, 1), Some(bytes));
        assert_eq!(buffer, b"Z");
    }

    #[test]
    fn a_flight_is_told_by_what_was_executed() {
        let mut conversation = Conversation::default();
        let mut follow = |tag, body: &[u8]| conversation.follow(&message(tag, body));
        let complete = |text: &str| Step::Complete {
            text: text.to_owned(),
            answered: true,
        };
        assert_eq!(follow(b'S', b""), complete("PING"));
        follow(b'P', b"s1\0SELECT 1\0\0\0");
        follow(b'D', b"Ss1\0");
        assert_eq!(follow(b'S', b""), complete("PREPARE SELECT 1"));
        follow(b'P', b"s2\0SELECT 2\0\0\0");
        follow(b'B', b"p1\0s1\0\0\0\0\0\0\0");
        assert_eq!(follow(b'E', b"p1\0\0\0\0\0"), Step::Gather);
        assert_eq!(follow(b'H', b""), Step::Pass);
        follow(b'B', b"\0s2\0\0\0\0\0\0\0");
        follow(b'E', b"\0\0\0\0\0");
        assert_eq!(follow(b'S', b""), complete("SELECT 1; SELECT 2"));
        follow(b'C', b"Ss1\0");
        assert_eq!(follow(b'S', b""), complete("CLOSE SELECT 1"));
        assert_eq!(follow(b'Q', b"BEGIN\0"), complete("BEGIN"));
    }
}
