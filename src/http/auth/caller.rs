//! What a caller may do, and until when.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_graphql::{ErrorExtensionValues, Request, parser::types::OperationType};
use graphql_service::Refusal;
use tokio::time::Instant;
use unit_of_work::Viewer;

/// The scope of queries and subscriptions.
pub const READ: &str = "ledger:read";
/// The scope of mutations.
pub const WRITE: &str = "ledger:write";

/// Puts into a request's data what the caller's scopes allow beyond [`READ`] and [`WRITE`], and the codes of the ledgers to which the
/// operation is confined, if it is: it must see no other.
pub type Grant = fn(&mut Request, &[String], Option<&[String]>);

/// What a caller may read, or write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    Nothing,
    /// The ledgers with these codes.
    Ledgers(Arc<[String]>),
    All,
}

impl Reach {
    /// What these scopes allow: `scope` is for all ledgers, and `scope:acme` for the ledger `acme`.
    pub(super) fn of(scopes: &[String], scope: &str) -> Self {
        if scopes.iter().any(|has| has == scope) {
            return Self::All;
        }
        let ledgers = scopes
            .iter()
            .filter_map(|has| has.strip_prefix(scope)?.strip_prefix(':'));
        let ledgers: Arc<[String]> = ledgers.map(str::to_owned).collect();
        if ledgers.is_empty() {
            Self::Nothing
        } else {
            Self::Ledgers(ledgers)
        }
    }

    fn ledgers(&self) -> Option<&[String]> {
        match self {
            Self::All => None,
            Self::Nothing => Some(&[]),
            Self::Ledgers(codes) => Some(codes),
        }
    }
}

/// Who sends a request, and what they may do.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(super) viewer: Option<String>,
    pub(super) granted: Option<(Grant, Arc<[String]>)>,
    pub(super) reads: Reach,
    pub(super) writes: Reach,
    pub(super) viewers_are_alike: bool,
    /// When the token expires.
    pub(super) expires: Option<Expiry>,
}

/// The end of a token's life, by two clocks. The machine's clock can be set back or forward while a stream of the caller is open, so the
/// token ends when the first of the two says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expiry {
    elapsed: Instant,
    at: SystemTime,
}

impl Expiry {
    /// `None` if that is beyond the clocks' range.
    pub(super) fn after(left: Duration) -> Option<Self> {
        Some(Self {
            elapsed: Instant::now().checked_add(left)?,
            at: SystemTime::now().checked_add(left)?,
        })
    }

    fn instant(self) -> Instant {
        let now = Instant::now();
        match self.at.duration_since(SystemTime::now()) {
            Ok(left) => now
                .checked_add(left)
                .map_or(self.elapsed, |at| at.min(self.elapsed)),
            Err(_) => now,
        }
    }
}

impl Caller {
    /// What the caller may do with operations of this kind, and the scope for it.
    const fn reach(&self, kind: OperationType) -> (&Reach, &'static str) {
        match kind {
            OperationType::Query | OperationType::Subscription => (&self.reads, READ),
            OperationType::Mutation => (&self.writes, WRITE),
        }
    }

    fn forbidden(scope: &'static str) -> Refusal {
        let mut details = ErrorExtensionValues::default();
        details.set("scope", scope);
        let message = format!("the token does not have the scope `{scope}`");
        Refusal::forbidden(message).details(details)
    }

    /// The caller of a server without authentication.
    pub(super) fn anyone() -> Self {
        Self {
            viewer: None,
            granted: None,
            reads: Reach::All,
            writes: Reach::All,
            viewers_are_alike: false,
            expires: None,
        }
    }
}

impl graphql_service::Caller for Caller {
    fn may(&self, kind: OperationType) -> Result<(), Refusal> {
        match self.reach(kind) {
            (Reach::Nothing, scope) => Err(Self::forbidden(scope)),
            (Reach::Ledgers(_) | Reach::All, _) => Ok(()),
        }
    }

    /// The metrics are about all ledgers.
    fn may_read_metrics(&self) -> Result<(), Refusal> {
        match self.reads {
            Reach::All => Ok(()),
            Reach::Ledgers(_) | Reach::Nothing => Err(Self::forbidden(READ)),
        }
    }

    /// Names the viewer to the unit of work, since idempotency keys belong to a viewer, and tells the schema what the caller may do.
    fn attach(&self, request: &mut Request, kind: OperationType) {
        if let Some(viewer) = &self.viewer {
            request.data.insert(Viewer(viewer.clone()));
        }
        if let Some((grant, scopes)) = &self.granted {
            grant(request, scopes, self.reach(kind).0.ledgers());
        }
    }

    /// The viewer that the token names.
    fn name(&self) -> Option<&str> {
        self.viewer.as_deref()
    }

    fn expires(&self) -> Option<Instant> {
        self.expires.map(Expiry::instant)
    }

    fn audience(&self) -> String {
        let viewer = self.viewer.as_ref().filter(|_| !self.viewers_are_alike);
        let granted = self.granted.iter().flat_map(|(_, scopes)| scopes.iter());
        let granted: BTreeSet<_> = granted.collect();
        format!("{viewer:?} {:?} {:?} {granted:?}", self.reads, self.writes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphql_service::Caller as _;

    fn reach(scopes: &[&str], scope: &str) -> Reach {
        let scopes: Vec<_> = scopes.iter().copied().map(str::to_owned).collect();
        Reach::of(&scopes, scope)
    }

    #[test]
    fn a_scope_is_for_all_ledgers_or_for_those_that_it_names() {
        let ledgers =
            |codes: &[&str]| Reach::Ledgers(codes.iter().map(|it| (*it).to_owned()).collect());
        for (scopes, expected) in [
            (&[][..], Reach::Nothing),
            (&[READ], Reach::All),
            (&["ledger:read:acme"], ledgers(&["acme"])),
            (
                &["ledger:read:acme", "ledger:read:b"],
                ledgers(&["acme", "b"]),
            ),
            (&["ledger:read:acme", READ], Reach::All),
            (
                &["ledger:write:acme", "ledger:reader", "ledger:read2"],
                Reach::Nothing,
            ),
            // No ledger has such a code.
            (&["ledger:read:"], ledgers(&[""])),
            (&["ledger:read:a:b"], ledgers(&["a:b"])),
        ] {
            assert_eq!(reach(scopes, READ), expected, "{scopes:?}");
        }
        let confined = Caller {
            reads: reach(&["ledger:read:acme"], READ),
            writes: Reach::Nothing,
            ..Caller::anyone()
        };
        assert!(confined.may(OperationType::Query).is_ok());
        assert!(confined.may_read_metrics().is_err());
        assert!(confined.may(OperationType::Mutation).is_err());
        assert!(Caller::anyone().may_read_metrics().is_ok());
    }

    #[test]
    fn who_may_do_something_else_is_another_audience() {
        let caller = |viewer: &str, scopes: &[&str], viewers_are_alike| Caller {
            viewer: Some(viewer.to_owned()),
            granted: Some((
                |_, _, _| {},
                scopes.iter().copied().map(str::to_owned).collect(),
            )),
            reads: reach(scopes, READ),
            writes: reach(scopes, WRITE),
            viewers_are_alike,
            expires: None,
        };
        let alike = |viewer, scopes: &[&str]| caller(viewer, scopes, true).audience();
        assert_eq!(alike("ann", &["a", "b"]), alike("bob", &["b", "a", "b"]));
        for others in [
            &["a"][..],
            &["a", "b", "c"],
            &["a b"],
            &["a, b"],
            &["a\", \"b"],
            &[READ, "a", "b"],
            &["ledger:read:acme", "a", "b"],
        ] {
            assert_ne!(
                alike("ann", &["a", "b"]),
                alike("ann", others),
                "{others:?}"
            );
        }
        let own = |viewer| caller(viewer, &["a"], false).audience();
        assert_eq!(own("ann"), own("ann"));
        assert_ne!(own("ann"), own("bob"));
        assert_ne!(own("ann"), alike("ann", &["a"]));
        assert_ne!(own("ann"), Caller::anyone().audience());
    }
}
