//! Generations: what tokens point at in the status list.

use crate::{StoreError, keys::kind_of, memberships::split_roles, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{KeyId, KeyKind, OrganizationId, Time, UserId};

/// Open generations with what their credentials hold.
macro_rules! list_open {
    ($where:literal) => {
        concat!(
            "SELECT g.status_index, t.root_id, COALESCE(k.kind, 'ses') AS kind,
                    (SELECT string_agg(x.role, ' ') FROM memberships y JOIN membership_roles x ON x.membership_id = y.id
                        WHERE y.organization_id = t.id AND y.user_id = COALESCE(m.user_id, g.user_id) AND y.ended_at IS NULL) AS own_roles,
                    (SELECT string_agg(x.role, ' ') FROM memberships y JOIN membership_roles x ON x.membership_id = y.id
                        WHERE y.organization_id = t.root_id AND y.user_id = COALESCE(m.user_id, g.user_id) AND y.ended_at IS NULL) AS root_roles,
                    (SELECT string_agg(x.role, ' ') FROM key_roles x WHERE x.key_id = k.id AND x.organization_id = t.id) AS key_roles
                FROM generations g
                LEFT JOIN keys k ON k.id = g.key_id
                JOIN organizations t ON t.id = g.organization_id
                LEFT JOIN memberships m ON m.id = k.membership_id
                WHERE g.ended_at IS NULL",
            $where
        )
    };
}

statements! {
    TAKE_INDEX = "UPDATE status_indices SET next = next + 1 WHERE id = 1 RETURNING next - 1 AS status_index";
    INSERT = "INSERT INTO generations (status_index, key_id, version, organization_id, opened_at, ended_at, user_id) VALUES ($1, $2, $3, $4, $5, NULL, $6)";
    NEXT_INDEX = "SELECT next FROM status_indices WHERE id = 1";
    LIST_INDICES = "SELECT status_index, ended_at FROM generations WHERE $1 <= status_index AND status_index < $2";
    FIND_OPEN = "SELECT status_index FROM generations WHERE key_id = $1 AND version = $2 AND organization_id = $3 AND ended_at IS NULL";
    LIST_OPEN = list_open!("");
    LIST_OPEN_IN = list_open!(" AND t.root_id = $1");
    END = "UPDATE generations SET ended_at = $2 WHERE status_index = $1 AND ended_at IS NULL";
    END_OF_KEY = "UPDATE generations SET ended_at = $2 WHERE key_id = $1 AND ended_at IS NULL RETURNING status_index";
    END_OF_KEY_IN = "UPDATE generations SET ended_at = $3 WHERE key_id = $1 AND organization_id = $2 AND ended_at IS NULL RETURNING status_index";
    END_OF_VERSION_UNDER = "UPDATE generations SET ended_at = $4
        WHERE key_id = $1 AND version = $2 AND ended_at IS NULL AND organization_id IN (SELECT id FROM organizations WHERE id = $3 OR root_id = $3)
        RETURNING status_index";
    END_OF_VERSIONS = "UPDATE generations SET ended_at = $3 WHERE key_id = $1 AND version < $2 AND ended_at IS NULL RETURNING status_index";
    END_OF_HOLDER = "UPDATE generations SET ended_at = $3
        WHERE organization_id = $1 AND ended_at IS NULL AND (user_id = $2 OR key_id IN
            (SELECT k.id FROM keys k JOIN memberships m ON m.id = k.membership_id WHERE m.user_id = $2))
        RETURNING status_index";
    END_OF_USER = "UPDATE generations SET ended_at = $2
        WHERE ended_at IS NULL AND (user_id = $1 OR key_id IN (SELECT k.id FROM keys k JOIN memberships m ON m.id = k.membership_id WHERE m.user_id = $1))
        RETURNING status_index";
    END_OF_SESSIONS = "UPDATE generations SET ended_at = $2
        WHERE user_id = $1 AND ended_at IS NULL AND NOT EXISTS
            (SELECT 1 FROM sessions s WHERE s.id = key_id AND s.confirmed_at = version AND s.ended_at IS NULL AND $2 < s.expires_at)
        RETURNING status_index";
    END_OF_ALL_SESSIONS = "UPDATE generations SET ended_at = $1
        WHERE user_id IS NOT NULL AND ended_at IS NULL AND NOT EXISTS
            (SELECT 1 FROM sessions s WHERE s.id = key_id AND s.confirmed_at = version AND s.ended_at IS NULL AND $1 < s.expires_at)
        RETURNING status_index";
    END_OF_ORGANIZATION = "UPDATE generations SET ended_at = $2
        WHERE ended_at IS NULL AND (
            organization_id IN (SELECT id FROM organizations WHERE id = $1 OR root_id = $1)
            OR key_id IN (SELECT k.id FROM keys k JOIN organizations o ON o.id = k.organization_id WHERE o.id = $1 OR o.root_id = $1))
        RETURNING status_index";
    END_OF_PERSONAL_KEYS = "UPDATE generations SET ended_at = $2
        WHERE ended_at IS NULL AND organization_id IN (SELECT id FROM organizations WHERE id = $1 OR root_id = $1)
            AND key_id IN (SELECT id FROM keys WHERE kind = 'pak')
        RETURNING status_index";
    END_OF_REVOKED = "UPDATE generations SET ended_at = $2
        WHERE ended_at IS NULL AND key_id IN
            (SELECT k.id FROM keys k JOIN organizations o ON o.id = k.organization_id WHERE k.revoked_at IS NOT NULL AND (o.id = $1 OR o.root_id = $1))
        RETURNING status_index";
    LIST_INHERITING = "SELECT o.id FROM organizations o
        WHERE o.root_id = $1 AND o.id <> $1 AND o.deleted_at IS NULL AND NOT EXISTS
            (SELECT 1 FROM memberships m JOIN membership_roles r ON r.membership_id = m.id
             WHERE m.organization_id = o.id AND m.user_id = $2 AND m.ended_at IS NULL)";
}

/// What tokens are made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The key; or a session, by the same bytes.
    pub id: KeyId,
    /// The secret version; of a session, when its password was given, in milliseconds since 1970.
    pub version: i64,
    /// Whose session it is; `None` for a key.
    pub session_of: Option<UserId>,
}

impl Origin {
    /// A key's secret version.
    #[must_use]
    pub const fn key(id: KeyId, version: i64) -> Self {
        Self { id, version, session_of: None }
    }
}

/// The open generation of what tokens are made from in an organization.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_open(tx: &mut Tx, of: Origin, organization: OrganizationId) -> Result<Option<i64>, StoreError> {
    let row = tx.fetch_optional(FIND_OPEN, &[of.id.into(), of.version.into(), organization.into()]).await?;
    row.map(|row| row.get("status_index")).transpose()
}

/// Opens the generation of what tokens are made from in an organization, or finds it open.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn open(tx: &mut Tx, of: Origin, organization: OrganizationId, now: Time) -> Result<i64, StoreError> {
    if let Some(index) = find_open(tx, of, organization).await? {
        return Ok(index);
    }
    let index: i64 = tx.fetch_one(TAKE_INDEX, &[]).await?.get("status_index")?;
    tx.execute_one(INSERT, &[index.into(), of.id.into(), of.version.into(), organization.into(), now.into(), of.session_of.into()]).await?;
    Ok(index)
}

/// The index that the next generation gets.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn next_index(tx: &mut Tx) -> Result<i64, StoreError> {
    tx.fetch_one(NEXT_INDEX, &[]).await?.get("next")
}

/// The indices from one up to another, without it, that belong to a generation; and whether that has ended.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_indices(tx: &mut Tx, from: i64, to: i64) -> Result<Vec<(i64, bool)>, StoreError> {
    let rows = tx.fetch_all(LIST_INDICES, &[from.into(), to.into()]).await?;
    rows.iter().map(|row| Ok((row.get("status_index")?, row.get::<Option<Time>>("ended_at")?.is_some()))).collect()
}

/// An open generation with what its credential holds in its organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRow {
    /// Its index.
    pub status_index: i64,
    /// The root of the organization that it is for.
    pub root_id: OrganizationId,
    /// The kind of its key.
    pub kind: KeyKind,
    /// The holder's own roles there.
    pub own_roles: Vec<String>,
    /// The holder's roles in the root.
    pub root_roles: Vec<String>,
    /// An API Key's roles there.
    pub key_roles: Vec<String>,
}

/// Every generation that is open, of whatever key and organization.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_open(tx: &mut Tx) -> Result<Vec<OpenRow>, StoreError> {
    tx.fetch_all(LIST_OPEN, &[]).await?.iter().map(open_row).collect()
}

/// Those for a root and its sub-organizations.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_open_in(tx: &mut Tx, root: OrganizationId) -> Result<Vec<OpenRow>, StoreError> {
    tx.fetch_all(LIST_OPEN_IN, &[root.into()]).await?.iter().map(open_row).collect()
}

fn open_row(row: &Row) -> Result<OpenRow, StoreError> {
    Ok(OpenRow {
        status_index: row.get("status_index")?,
        root_id: row.get("root_id")?,
        kind: kind_of(&row.get::<String>("kind")?)?,
        own_roles: split_roles(row.get("own_roles")?),
        root_roles: split_roles(row.get("root_roles")?),
        key_roles: split_roles(row.get("key_roles")?),
    })
}

/// Ends one.
///
/// # Errors
/// `NotFound` if it is not open.
pub async fn end(tx: &mut Tx, status_index: i64, now: Time) -> Result<(), StoreError> {
    tx.execute_one(END, &[status_index.into(), now.into()]).await
}

/// Ends all of a key's. Answers their indices.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_key(tx: &mut Tx, key: KeyId, now: Time) -> Result<Vec<i64>, StoreError> {
    indices(tx, END_OF_KEY, &[key.into(), now.into()]).await
}

/// Ends a key's in one organization. Answers their indices.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_key_in(tx: &mut Tx, key: KeyId, organization: OrganizationId, now: Time) -> Result<Vec<i64>, StoreError> {
    indices(tx, END_OF_KEY_IN, &[key.into(), organization.into(), now.into()]).await
}

/// Ends those of what tokens are made from, in an organization and below it. Answers their indices.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_version_under(tx: &mut Tx, of: Origin, organization: OrganizationId, now: Time) -> Result<Vec<i64>, StoreError> {
    indices(tx, END_OF_VERSION_UNDER, &[of.id.into(), of.version.into(), organization.into(), now.into()]).await
}

/// Ends those of a key's secret versions before one. Answers their indices.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_versions_before(tx: &mut Tx, key: KeyId, version: i64, now: Time) -> Result<Vec<i64>, StoreError> {
    indices(tx, END_OF_VERSIONS, &[key.into(), version.into(), now.into()]).await
}

/// Ends those that a user's keys have in one organization. Answers their indices.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_holder(tx: &mut Tx, organization: OrganizationId, user: UserId, now: Time) -> Result<Vec<i64>, StoreError> {
    indices(tx, END_OF_HOLDER, &[organization.into(), user.into(), now.into()]).await
}

/// Ends all of a user's. Answers their indices.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_user(tx: &mut Tx, user: UserId, now: Time) -> Result<Vec<i64>, StoreError> {
    indices(tx, END_OF_USER, &[user.into(), now.into()]).await
}

/// Ends those of a user's sessions that have ended, or whose password was given anew. Answers their indices.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_sessions(tx: &mut Tx, user: UserId, now: Time) -> Result<Vec<i64>, StoreError> {
    indices(tx, END_OF_SESSIONS, &[user.into(), now.into()]).await
}

/// The same, of everybody.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_all_sessions(tx: &mut Tx, now: Time) -> Result<Vec<i64>, StoreError> {
    indices(tx, END_OF_ALL_SESSIONS, &[now.into()]).await
}

/// Ends all that are in an organization or below it, and all of the keys that live there. Answers their indices.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_organization(tx: &mut Tx, organization: OrganizationId, now: Time) -> Result<Vec<i64>, StoreError> {
    indices(tx, END_OF_ORGANIZATION, &[organization.into(), now.into()]).await
}

/// Ends those of Personal Access Keys in an organization or below it. Answers their indices.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_personal_keys(tx: &mut Tx, organization: OrganizationId, now: Time) -> Result<Vec<i64>, StoreError> {
    indices(tx, END_OF_PERSONAL_KEYS, &[organization.into(), now.into()]).await
}

/// Ends those of the revoked keys that live in an organization or below it. Answers their indices.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_revoked(tx: &mut Tx, organization: OrganizationId, now: Time) -> Result<Vec<i64>, StoreError> {
    indices(tx, END_OF_REVOKED, &[organization.into(), now.into()]).await
}

/// The sub-organizations of a root in which a user has no roles of his own, so that the root's hold.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_inheriting(tx: &mut Tx, root: OrganizationId, user: UserId) -> Result<Vec<OrganizationId>, StoreError> {
    tx.fetch_all(LIST_INHERITING, &[root.into(), user.into()]).await?.iter().map(|row| row.get("id")).collect()
}

async fn indices(tx: &mut Tx, statement: &'static str, values: &[keywright_db::Value]) -> Result<Vec<i64>, StoreError> {
    tx.fetch_all(statement, values).await?.iter().map(|row| row.get("status_index")).collect()
}
