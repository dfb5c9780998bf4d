//! Whether a server's data includes what a token stands for.

use std::num::NonZero;

use super::token::ConsistencyToken;

/// How far a server is, as it was asked *before* the snapshot that is to be judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// `system_identifier`.
    pub(crate) system: u64,
    /// The timeline that the server is on. `None` if it does not say: a standby tells it only to roles that may see all statistics.
    pub(crate) timeline: Option<NonZero<u32>>,
    /// What the server has of its timeline: where a primary writes, or up to where a standby has replayed.
    pub(crate) position: u64,
}

/// What is to be done with a read that shows a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// A snapshot that is taken now includes it.
    Included,
    /// The server does not have it yet.
    Behind,
    /// The server does not say enough. Another one has to be asked.
    Unknown,
    /// A failover came between: what the token stands for may be gone.
    Lost,
    /// The token is of another system.
    Foreign,
}

impl Place {
    /// Judges the server. Precedence: another system, then what is not known, then timelines, then positions.
    pub(crate) fn judge(&self, token: &ConsistencyToken) -> Judgement {
        if *token == ConsistencyToken::FIRST {
            return Judgement::Included;
        }
        if self.system != token.system {
            return Judgement::Foreign;
        }
        if self.timeline.is_none() {
            return Judgement::Unknown;
        }
        // A server that follows an old primary may get as far as the position, and has other data there.
        if self.timeline < token.timeline {
            return Judgement::Behind;
        }
        // Nobody tells where the token's timeline ended.
        if self.timeline > token.timeline {
            return Judgement::Lost;
        }
        if self.position >= token.position.get() {
            Judgement::Included
        } else {
            Judgement::Behind
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::token::token, Judgement::*, *};

    fn place(timeline: u32, position: u64) -> Place {
        Place {
            system: 7,
            timeline: NonZero::new(timeline),
            position,
        }
    }

    #[test]
    fn a_server_is_judged_by_system_timeline_and_position() {
        for (name, place, system, expected) in [
            ("has just what is asked for", place(2, 150), 7, Included),
            ("has more", place(2, 151), 7, Included),
            ("has less", place(2, 149), 7, Behind),
            ("another system", place(2, 150), 8, Foreign),
            ("another system, and silent", place(0, 150), 8, Foreign),
            ("does not say its timeline", place(0, 999), 7, Unknown),
            ("follows an old primary", place(1, 999), 7, Behind),
            ("a later timeline", place(3, 999), 7, Lost),
            (
                "a later timeline, at an earlier position",
                place(3, 50),
                7,
                Lost,
            ),
        ] {
            let token = token(2, 150, system);
            assert_eq!(place.judge(&token), expected, "{name}");
            assert_eq!(place.judge(&ConsistencyToken::FIRST), Included, "{name}");
        }
    }
}
