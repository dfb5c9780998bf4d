//! Whether a server's data includes what a token stands for.

use std::num::NonZero;

use super::token::ConsistencyToken;

/// How far a server is, as it was asked *before* the snapshot that is to be judged.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// `system_identifier`.
    pub(crate) system: u64,
    /// The timeline that the server is on. `None` if it does not say: a standby tells it only to roles that may see all statistics.
    pub(crate) timeline: Option<NonZero<u32>>,
    /// What the server has of its timeline: where a primary writes, or up to where a standby has replayed.
    pub(crate) position: u64,
    /// Where earlier timelines of this server ended, as far as that is known.
    pub(crate) ends: Vec<End>,
}

/// The end of a timeline, where the next one of the same history began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) timeline: NonZero<u32>,
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
        if self.system != token.system {
            return Judgement::Foreign;
        }
        let Some(timeline) = self.timeline else {
            return Judgement::Unknown;
        };
        // A server that follows an old primary may get as far as the position, and has other data there.
        if timeline < token.timeline {
            return Judgement::Behind;
        }
        if timeline > token.timeline {
            let ended = self.ends.iter().find(|end| end.timeline == token.timeline);
            match ended {
                Some(end) if token.position.get() <= end.position => {}
                _ => return Judgement::Lost,
            }
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

    fn place(timeline: u32, position: u64, ends: &[(u32, u64)]) -> Place {
        let ends = ends.iter().map(|(timeline, position)| End {
            timeline: NonZero::new(*timeline).expect("is not 0"),
            position: *position,
        });
        Place {
            system: 7,
            timeline: NonZero::new(timeline),
            position,
            ends: ends.collect(),
        }
    }

    #[test]
    fn a_server_is_judged_by_system_timeline_and_position() {
        // The ends are those of timelines 1 and 2, which a server on timeline 3 has behind it.
        let ends = &[(1, 100), (2, 200)][..];
        let cases = [
            (
                "has just what is asked for",
                place(2, 150, &[]),
                (2, 150, 7),
                Included,
            ),
            ("has more", place(2, 151, &[]), (2, 150, 7), Included),
            ("has less", place(2, 149, &[]), (2, 150, 7), Behind),
            ("another system", place(2, 150, &[]), (2, 150, 8), Foreign),
            (
                "another system, and silent",
                place(0, 150, &[]),
                (2, 150, 8),
                Foreign,
            ),
            (
                "does not say its timeline",
                place(0, 999, ends),
                (1, 50, 7),
                Unknown,
            ),
            (
                "follows an old primary",
                place(1, 999, &[]),
                (2, 150, 7),
                Behind,
            ),
            (
                "a later timeline of unknown history",
                place(2, 999, &[]),
                (1, 50, 7),
                Lost,
            ),
            (
                "only another end is known",
                place(3, 999, &ends[1..]),
                (1, 50, 7),
                Lost,
            ),
            (
                "written before the switch",
                place(3, 999, ends),
                (1, 99, 7),
                Included,
            ),
            (
                "written up to the switch",
                place(3, 999, ends),
                (1, 100, 7),
                Included,
            ),
            (
                "written after the switch",
                place(3, 999, ends),
                (1, 101, 7),
                Lost,
            ),
            (
                "after the switch, before a later one",
                place(3, 999, ends),
                (1, 150, 7),
                Lost,
            ),
            (
                "before the second switch",
                place(3, 999, ends),
                (2, 150, 7),
                Included,
            ),
            (
                "before the switch, not replayed",
                place(3, 98, ends),
                (1, 99, 7),
                Behind,
            ),
        ];
        for (name, place, (timeline, position, system), expected) in cases {
            let token = token(timeline, position, system);
            assert_eq!(place.judge(&token), expected, "{name}");
        }
    }
}
