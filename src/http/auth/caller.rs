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

/// Puts into a request's data what the caller's scopes allow beyond [`READ`] and [`WRITE`].
pub type Grant = fn(&mut Request, &[String]);

/// Who sends a request, and what they may do.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(super) viewer: Option<String>,
    pub(super) granted: Option<(Grant, Arc<[String]>)>,
    pub(super) may_read: bool,
    pub(super) may_write: bool,
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
    /// The caller of a server without authentication.
    pub(super) fn anyone() -> Self {
        Self {
            viewer: None,
            granted: None,
            may_read: true,
            may_write: true,
            viewers_are_alike: false,
            expires: None,
        }
    }
}

impl graphql_service::Caller for Caller {
    fn may(&self, kind: OperationType) -> Result<(), Refusal> {
        let (may, scope) = match kind {
            OperationType::Query | OperationType::Subscription => (self.may_read, READ),
            OperationType::Mutation => (self.may_write, WRITE),
        };
        if may {
            return Ok(());
        }
        let mut details = ErrorExtensionValues::default();
        details.set("scope", scope);
        let message = format!("the token does not have the scope `{scope}`");
        Err(Refusal::forbidden(message).details(details))
    }

    /// Names the viewer to the unit of work, since idempotency keys belong to a viewer, and tells the schema what the caller may do.
    fn attach(&self, request: &mut Request) {
        if let Some(viewer) = &self.viewer {
            request.data.insert(Viewer(viewer.clone()));
        }
        if let Some((grant, scopes)) = &self.granted {
            grant(request, scopes);
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
        format!(
            "{viewer:?} {} {} {granted:?}",
            self.may_read, self.may_write
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphql_service::Caller as _;

    #[test]
    fn who_may_do_something_else_is_another_audience() {
        let caller = |viewer: &str, scopes: &[&str], viewers_are_alike| Caller {
            viewer: Some(viewer.to_owned()),
            granted: Some((
                |_, _| {},
                scopes.iter().copied().map(str::to_owned).collect(),
            )),
            may_read: scopes.contains(&READ),
            may_write: scopes.contains(&WRITE),
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
