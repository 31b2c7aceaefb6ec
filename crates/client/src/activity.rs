//! What happened in an organization.

use crate::{Authorized, ClientError, Place};
use keywright_protocol::{Time, activity::ActivityPage};

/// Which events are asked for; what is `None` or empty is not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActivityFilter {
    /// `changes` or `access`; both without it.
    pub log: String,
    /// From this time on.
    pub from: Option<Time>,
    /// Before this time.
    pub until: Option<Time>,
    /// What was done, in the words of the log, such as `API Key Create`.
    pub action: String,
    /// A part of the name or the address of whoever did it, or his id.
    pub actor: String,
    /// `done`, `issued`, `refused` or `lost`.
    pub outcome: String,
    /// How many events a page has at most, 1 to 200; 50 without it.
    pub limit: Option<u32>,
}

impl Authorized {
    /// A page of what happened, latest first: the first one, or the one behind a cursor.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn activity(&self, place: impl Into<Place>, filter: &ActivityFilter, cursor: Option<&str>) -> Result<ActivityPage, ClientError> {
        let text = |time: Option<Time>| time.map(|time| time.to_string()).unwrap_or_default();
        let (from, until, limit) = (text(filter.from), text(filter.until), filter.limit.map(|limit| limit.to_string()).unwrap_or_default());
        let query = [
            ("log", filter.log.as_str()),
            ("from", &from),
            ("until", &until),
            ("action", &filter.action),
            ("actor", &filter.actor),
            ("outcome", &filter.outcome),
            ("limit", &limit),
            ("cursor", cursor.unwrap_or_default()),
        ];
        self.get(&format!("/identity/v1/organizations/{}/activity", place.into()), &query).await
    }
}
