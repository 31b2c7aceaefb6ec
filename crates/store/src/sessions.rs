//! Sessions of people who have signed in.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx, Value};
use keywright_protocol::{OrganizationId, SessionId, Time, UserId};

/// A session with what decides about it, under a condition.
macro_rules! session_where {
    ($condition:literal) => {
        concat!(
            "SELECT s.id, s.user_id, s.organization_id, s.created_at, s.confirmed_at, s.used_at, s.expires_at, s.ended_at, s.address, s.user_agent,
                u.email, u.name, u.disabled_at AS user_disabled_at, u.deleted_at AS user_deleted_at
            FROM sessions s JOIN users u ON u.id = s.user_id WHERE ",
            $condition
        )
    };
}

statements! {
    INSERT = "INSERT INTO sessions (id, digest, user_id, organization_id, created_at, confirmed_at, used_at, expires_at, ended_at, address, user_agent)
        VALUES ($1, $2, $3, $4, $5, $5, $5, $6, NULL, $7, $8)";
    FIND = session_where!("s.id = $1");
    FIND_BY_DIGEST = session_where!("s.digest = $1");
    LIST_OF_USER = session_where!("s.user_id = $1 AND s.ended_at IS NULL ORDER BY s.created_at, s.id");
    TOUCH = "UPDATE sessions SET used_at = $2 WHERE id = $1 AND ended_at IS NULL AND used_at < $2";
    MOVE = "UPDATE sessions SET organization_id = $2 WHERE id = $1 AND ended_at IS NULL";
    RENEW = "UPDATE sessions SET digest = $2, confirmed_at = $3, used_at = $3 WHERE id = $1 AND ended_at IS NULL";
    END = "UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL";
    END_OF_USER = "UPDATE sessions SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL";
    END_OTHERS = "UPDATE sessions SET ended_at = $3 WHERE user_id = $1 AND id <> $2 AND ended_at IS NULL";
    END_SINCE = "UPDATE sessions SET ended_at = $4 WHERE user_id = $1 AND id <> $2 AND created_at >= $3 AND ended_at IS NULL";
    END_OF_MEMBERS_SINCE = "UPDATE sessions SET ended_at = $4 WHERE id <> $2 AND created_at >= $3 AND ended_at IS NULL AND user_id IN
        (SELECT m.user_id FROM memberships m JOIN organizations o ON o.id = m.organization_id WHERE m.ended_at IS NULL AND (o.id = $1 OR o.root_id = $1))
        AND NOT EXISTS (SELECT 1 FROM organizations o JOIN memberships m ON m.organization_id = o.root_id AND m.ended_at IS NULL
            WHERE o.id = $1 AND o.root_id <> $1 AND m.user_id = sessions.user_id)";
}

/// A session, with what is known of its user in the same snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Who signed in.
    pub user_id: UserId,
    /// His address.
    pub email: String,
    /// His name.
    pub name: String,
    /// Since when he is disabled or deleted.
    pub user_dead_at: Option<Time>,
    /// The organization he works in.
    pub organization_id: Option<OrganizationId>,
    /// When he signed in.
    pub created_at: Time,
    /// When he last gave his password.
    pub confirmed_at: Time,
    /// When it was last used, to the minute.
    pub used_at: Time,
    /// When it ends at the latest.
    pub expires_at: Time,
    /// When it was ended.
    pub ended_at: Option<Time>,
    /// Where he signed in from; empty if that is not known.
    pub address: String,
    /// With what.
    pub user_agent: String,
}

impl SessionRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let (deleted_at, disabled_at): (Option<Time>, Option<Time>) = (row.get("user_deleted_at")?, row.get("user_disabled_at")?);
        Ok(Self {
            id: row.get("id")?,
            user_id: row.get("user_id")?,
            email: row.get("email")?,
            name: row.get("name")?,
            user_dead_at: deleted_at.or(disabled_at),
            organization_id: row.get("organization_id")?,
            created_at: row.get("created_at")?,
            confirmed_at: row.get("confirmed_at")?,
            used_at: row.get("used_at")?,
            expires_at: row.get("expires_at")?,
            ended_at: row.get("ended_at")?,
            address: row.get("address")?,
            user_agent: row.get("user_agent")?,
        })
    }
}

/// A session to add. It is fresh: the password was given just now.
#[derive(Clone)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// HMAC-SHA-256 of its secret.
    pub digest: [u8; 32],
    /// Who signs in.
    pub user_id: UserId,
    /// The organization he works in first.
    pub organization_id: Option<OrganizationId>,
    /// Now.
    pub created_at: Time,
    /// When it ends at the latest.
    pub expires_at: Time,
    /// Where he signs in from.
    pub address: String,
    /// With what.
    pub user_agent: String,
}

/// Adds one.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn insert(tx: &mut Tx, session: &NewSession) -> Result<(), StoreError> {
    let values: [Value; 8] = [
        session.id.into(),
        session.digest.as_slice().into(),
        session.user_id.into(),
        session.organization_id.into(),
        session.created_at.into(),
        session.expires_at.into(),
        session.address.as_str().into(),
        session.user_agent.as_str().into(),
    ];
    tx.execute_one(INSERT, &values).await
}

/// One by its id, living or not.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find(tx: &mut Tx, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
    tx.fetch_optional(FIND, &[id.into()]).await?.as_ref().map(SessionRow::read).transpose()
}

/// One by the digest of its secret, living or not.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_by_digest(tx: &mut Tx, digest: &[u8; 32]) -> Result<Option<SessionRow>, StoreError> {
    tx.fetch_optional(FIND_BY_DIGEST, &[digest.as_slice().into()]).await?.as_ref().map(SessionRow::read).transpose()
}

/// A user's sessions that were not ended, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_of_user(tx: &mut Tx, user: UserId) -> Result<Vec<SessionRow>, StoreError> {
    tx.fetch_all(LIST_OF_USER, &[user.into()]).await?.iter().map(SessionRow::read).collect()
}

/// Notes that one is used; an ended one stays as it is, and the time never goes back.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn touch(tx: &mut Tx, id: SessionId, now: Time) -> Result<(), StoreError> {
    tx.execute(TOUCH, &[id.into(), now.into()]).await.map(|_| ())
}

/// Moves one to another organization.
///
/// # Errors
/// `NotFound` if it was ended.
pub async fn switch(tx: &mut Tx, id: SessionId, organization: OrganizationId) -> Result<(), StoreError> {
    tx.execute_one(MOVE, &[id.into(), organization.into()]).await
}

/// Gives one another secret after its user has given his password; the old secret opens nothing any more.
///
/// # Errors
/// `NotFound` if it was ended.
pub async fn renew(tx: &mut Tx, id: SessionId, digest: &[u8; 32], now: Time) -> Result<(), StoreError> {
    tx.execute_one(RENEW, &[id.into(), digest.as_slice().into(), now.into()]).await
}

/// Ends one for ever; `false` if it was already.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end(tx: &mut Tx, id: SessionId, now: Time) -> Result<bool, StoreError> {
    Ok(tx.execute(END, &[id.into(), now.into()]).await? == 1)
}

/// Ends all of a user's; answers how many there were.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_user(tx: &mut Tx, user: UserId, now: Time) -> Result<u64, StoreError> {
    tx.execute(END_OF_USER, &[user.into(), now.into()]).await
}

/// Ends all of a user's but one; answers how many there were.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_others(tx: &mut Tx, user: UserId, except: SessionId, now: Time) -> Result<u64, StoreError> {
    tx.execute(END_OTHERS, &[user.into(), except.into(), now.into()]).await
}

/// Ends a user's that began since a time, but for one; answers how many there were.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_since(tx: &mut Tx, user: UserId, except: SessionId, since: Time, now: Time) -> Result<u64, StoreError> {
    tx.execute(END_SINCE, &[user.into(), except.into(), since.into(), now.into()]).await
}

/// Ends those of the direct members of an organization, and of what hangs under it, that began since a time, but for one; answers
/// how many there were. Members of the root are none of a sub-organization's to sign out.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_members_since(tx: &mut Tx, organization: OrganizationId, except: SessionId, since: Time, now: Time) -> Result<u64, StoreError> {
    tx.execute(END_OF_MEMBERS_SINCE, &[organization.into(), except.into(), since.into(), now.into()]).await
}
