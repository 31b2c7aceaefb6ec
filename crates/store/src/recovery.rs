//! What a restored database is told of what was taken away after its backup: states of subjects as they were later, read from the
//! live database; and the statements that narrow a restored one to them. No statement here gives anything back.

use crate::{StoreError, keys::kind_of, memberships::split_roles, statements};
use keywright_db::{Row, Tx, Value};
use keywright_protocol::{KeyId, KeyKind, MembershipId, OrganizationId, Position, Time, UserId};
use uuid::Uuid;

statements! {
    LIST_CHANGES = "SELECT history, n, kind, subject, bits FROM changes WHERE history > $1 OR (history = $1 AND n > $2) ORDER BY history, n, ordinal LIMIT $3";
    FIND_KEY = "SELECT id, kind, organization_id, not_before, expires_at, suspended_at, revoked_at, allowed_addresses, operator_scopes FROM keys WHERE id = $1";
    FIND_USER = "SELECT id, disabled_at, deleted_at, password_hash FROM users WHERE id = $1";
    LIST_MEMBERSHIPS = "SELECT m.id, m.organization_id, o.root_id,
            (SELECT string_agg(role, ' ') FROM membership_roles WHERE membership_id = m.id) AS roles
        FROM memberships m JOIN organizations o ON o.id = m.organization_id
        WHERE m.user_id = $1 AND m.ended_at IS NULL ORDER BY m.created_at, m.id";
    FIND_ORGANIZATION = "SELECT id, root_id, suspended_at, deleted_at, longest_key_life, allowed_addresses, personal_keys_off_at, members_by_keys_off_at
        FROM organizations WHERE id = $1";
    LIST_TREE = "SELECT id FROM organizations WHERE id = $1 OR root_id = $1 ORDER BY id";
    LIST_LIVING_KEYS = "SELECT id FROM keys WHERE organization_id = $1 AND revoked_at IS NULL ORDER BY id";
    LIST_SIGNING_KEYS = "SELECT kid FROM signing_keys WHERE revoked_at IS NULL ORDER BY kid";
    NARROW_KEY = "UPDATE keys SET not_before = $2, expires_at = $3, suspended_at = $4, allowed_addresses = $5, operator_scopes = $6 WHERE id = $1";
    NARROW_VERSION = "UPDATE secret_versions SET tag = $3, ends_at = $4, ended_at = $5 WHERE key_id = $1 AND version = $2";
    NARROW_USER = "UPDATE users SET disabled_at = $2, deleted_at = $3, password_hash = $4,
            one_time_since = CASE WHEN CAST($4 AS TEXT) IS NULL THEN NULL ELSE one_time_since END
        WHERE id = $1";
    NARROW_ORGANIZATION = "UPDATE organizations SET suspended_at = $2, deleted_at = $3, longest_key_life = $4, allowed_addresses = $5,
            personal_keys_off_at = $6, members_by_keys_off_at = $7
        WHERE id = $1";
    END_GENERATION = "UPDATE generations SET ended_at = $2 WHERE status_index = $1 AND ended_at IS NULL";
    END_SESSIONS = "UPDATE sessions SET ended_at = $1 WHERE ended_at IS NULL";
    END_GENERATIONS_OF_SESSIONS = "UPDATE generations SET ended_at = $1 WHERE user_id IS NOT NULL AND ended_at IS NULL";
    END_RESETS = "UPDATE password_resets SET ended_at = $1 WHERE used_at IS NULL AND ended_at IS NULL";
    REVOKE_INVITATIONS = "UPDATE invitations SET revoked_at = $1 WHERE accepted_at IS NULL AND revoked_at IS NULL";
    DROP_MAIL_WITH_LINKS = "DELETE FROM outbox WHERE sent_at IS NULL AND kind IN ('invitation', 'password-reset')";
    SUSPEND_WEBHOOKS = "UPDATE webhooks SET suspended_at = $1, suspended_for = $2 WHERE suspended_at IS NULL AND deleted_at IS NULL";
    END_INTROSPECTION = "UPDATE keys SET introspects_at = NULL WHERE introspects_at IS NOT NULL";
    END_INTROSPECTION_OF = "UPDATE keys SET introspects_at = NULL WHERE id = $1";
    END_DELIVERIES = "UPDATE webhook_deliveries SET failed_at = $1, failure = $2 WHERE delivered_at IS NULL AND failed_at IS NULL";
    SKIP_INDICES = "UPDATE status_indices SET next = CASE WHEN next < $2 THEN $2 ELSE next END + $1 WHERE id = 1";
    BEGIN_HISTORY = "UPDATE revision SET history = $1 WHERE id = 1 AND history < $1";
}

/// One line of the log of changes, with the status indices that it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// When, in the order of changes.
    pub position: Position,
    /// What it is about, as it is stored.
    pub kind: String,
    /// Which one.
    pub subject: Uuid,
    /// The status indices that it ended.
    pub bits: Vec<i64>,
}

/// A key of any kind, as far as it decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Which.
    pub id: KeyId,
    /// Its kind.
    pub kind: KeyKind,
    /// Where it lives; an operator key lives nowhere.
    pub organization_id: Option<OrganizationId>,
    /// Not valid before.
    pub not_before: Time,
    /// Not valid from then on.
    pub expires_at: Time,
    /// Since when it is suspended.
    pub suspended_at: Option<Time>,
    /// Since when it is revoked.
    pub revoked_at: Option<Time>,
    /// Addresses that it is taken from, with spaces between; empty for all.
    pub allowed_addresses: String,
    /// What an operator key may do, words with spaces between.
    pub operator_scopes: Option<String>,
}

/// A user, as far as he authenticates.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Who.
    pub id: UserId,
    /// Since when he is disabled.
    pub disabled_at: Option<Time>,
    /// Since when he is deleted.
    pub deleted_at: Option<Time>,
    /// His password's hash, in PHC form.
    pub password_hash: Option<String>,
}

/// A live direct membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipRow {
    /// Its id.
    pub id: MembershipId,
    /// Where.
    pub organization_id: OrganizationId,
    /// That organization's root.
    pub root_id: OrganizationId,
    /// Own roles there, sorted.
    pub roles: Vec<String>,
}

/// An organization, as far as it decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationRow {
    /// Which.
    pub id: OrganizationId,
    /// Its root.
    pub root_id: OrganizationId,
    /// Since when it is suspended.
    pub suspended_at: Option<Time>,
    /// Since when it is deleted.
    pub deleted_at: Option<Time>,
    /// How long a new key lives at most, in seconds.
    pub longest_key_life: Option<i64>,
    /// Addresses that keys are taken from, with spaces between; empty for all.
    pub allowed_addresses: String,
    /// Since when Personal Access Keys open nothing.
    pub personal_keys_off_at: Option<Time>,
    /// Since when tokens of keys bring nobody in.
    pub members_by_keys_off_at: Option<Time>,
}

/// The log of changes behind a position, in order, at most so many lines.
///
/// # Errors
/// `Corrupt` for a status index that is no number.
pub async fn list_changes(tx: &mut Tx, after: Position, limit: i64) -> Result<Vec<ChangeRow>, StoreError> {
    let rows = tx.fetch_all(LIST_CHANGES, &[after.history.into(), after.n.into(), limit.into()]).await?;
    rows.iter()
        .map(|row| {
            let bits: String = row.get("bits")?;
            let bits = bits.split_whitespace().map(str::parse).collect::<Result<_, _>>().map_err(|_| StoreError::Corrupt)?;
            Ok(ChangeRow { position: Position { history: row.get("history")?, n: row.get("n")? }, kind: row.get("kind")?, subject: row.get("subject")?, bits })
        })
        .collect()
}

/// A key.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_key(tx: &mut Tx, id: KeyId) -> Result<Option<KeyRow>, StoreError> {
    let row = tx.fetch_optional(FIND_KEY, &[id.into()]).await?;
    row.map(|row| {
        Ok(KeyRow {
            id: row.get("id")?,
            kind: kind_of(&row.get::<String>("kind")?)?,
            organization_id: row.get("organization_id")?,
            not_before: row.get("not_before")?,
            expires_at: row.get("expires_at")?,
            suspended_at: row.get("suspended_at")?,
            revoked_at: row.get("revoked_at")?,
            allowed_addresses: row.get("allowed_addresses")?,
            operator_scopes: row.get("operator_scopes")?,
        })
    })
    .transpose()
}

/// A user.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_user(tx: &mut Tx, id: UserId) -> Result<Option<UserRow>, StoreError> {
    let row = tx.fetch_optional(FIND_USER, &[id.into()]).await?;
    row.map(|row| {
        Ok(UserRow { id: row.get("id")?, disabled_at: row.get("disabled_at")?, deleted_at: row.get("deleted_at")?, password_hash: row.get("password_hash")? })
    })
    .transpose()
}

/// A user's live memberships, everywhere.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_memberships(tx: &mut Tx, user: UserId) -> Result<Vec<MembershipRow>, StoreError> {
    let read = |row: &Row| {
        let (id, organization_id, root_id) = (row.get("id")?, row.get("organization_id")?, row.get("root_id")?);
        Ok(MembershipRow { id, organization_id, root_id, roles: split_roles(row.get("roles")?) })
    };
    tx.fetch_all(LIST_MEMBERSHIPS, &[user.into()]).await?.iter().map(read).collect()
}

/// An organization, deleted ones too.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_organization(tx: &mut Tx, id: OrganizationId) -> Result<Option<OrganizationRow>, StoreError> {
    let row = tx.fetch_optional(FIND_ORGANIZATION, &[id.into()]).await?;
    row.map(|row| {
        Ok(OrganizationRow {
            id: row.get("id")?,
            root_id: row.get("root_id")?,
            suspended_at: row.get("suspended_at")?,
            deleted_at: row.get("deleted_at")?,
            longest_key_life: row.get("longest_key_life")?,
            allowed_addresses: row.get("allowed_addresses")?,
            personal_keys_off_at: row.get("personal_keys_off_at")?,
            members_by_keys_off_at: row.get("members_by_keys_off_at")?,
        })
    })
    .transpose()
}

/// An organization and what hangs under it, deleted ones too.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_tree(tx: &mut Tx, id: OrganizationId) -> Result<Vec<OrganizationId>, StoreError> {
    tx.fetch_all(LIST_TREE, &[id.into()]).await?.iter().map(|row| row.get("id")).collect()
}

/// The unrevoked keys that live in an organization.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_living_keys(tx: &mut Tx, organization: OrganizationId) -> Result<Vec<KeyId>, StoreError> {
    tx.fetch_all(LIST_LIVING_KEYS, &[organization.into()]).await?.iter().map(|row| row.get("id")).collect()
}

/// The names of all signing keys that are not revoked.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_signing_keys(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    tx.fetch_all(LIST_SIGNING_KEYS, &[]).await?.iter().map(|row| row.get("kid")).collect()
}

/// Writes a key's times, suspension, addresses and scopes.
///
/// # Errors
/// `NotFound` if there is no such key.
pub async fn narrow_key(tx: &mut Tx, key: &KeyRow) -> Result<(), StoreError> {
    let values: [Value; 6] = [
        key.id.into(),
        key.not_before.into(),
        key.expires_at.into(),
        key.suspended_at.into(),
        key.allowed_addresses.as_str().into(),
        key.operator_scopes.clone().into(),
    ];
    tx.execute_one(NARROW_KEY, &values).await
}

/// Writes the tag and the ends of a secret version.
///
/// # Errors
/// `NotFound` if there is no such version.
pub async fn narrow_version(tx: &mut Tx, key: KeyId, version: i64, tag: &[u8], ends: (Option<Time>, Option<Time>)) -> Result<(), StoreError> {
    let (ends_at, ended_at) = ends;
    tx.execute_one(NARROW_VERSION, &[key.into(), version.into(), tag.into(), ends_at.into(), ended_at.into()]).await
}

/// Writes whether and how a user authenticates.
///
/// # Errors
/// `NotFound` if there is no such user.
pub async fn narrow_user(tx: &mut Tx, user: &UserRow) -> Result<(), StoreError> {
    let values: [Value; 4] = [user.id.into(), user.disabled_at.into(), user.deleted_at.into(), user.password_hash.clone().into()];
    tx.execute_one(NARROW_USER, &values).await
}

/// Writes an organization's suspension, deletion and policy.
///
/// # Errors
/// `NotFound` if there is no such organization.
pub async fn narrow_organization(tx: &mut Tx, place: &OrganizationRow) -> Result<(), StoreError> {
    let values: [Value; 7] = [
        place.id.into(),
        place.suspended_at.into(),
        place.deleted_at.into(),
        place.longest_key_life.into(),
        place.allowed_addresses.as_str().into(),
        place.personal_keys_off_at.into(),
        place.members_by_keys_off_at.into(),
    ];
    tx.execute_one(NARROW_ORGANIZATION, &values).await
}

/// Ends a generation, if it is there and open.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_generation(tx: &mut Tx, status_index: i64, now: Time) -> Result<(), StoreError> {
    tx.execute(END_GENERATION, &[status_index.into(), now.into()]).await.map(drop)
}

/// Ends what no later state is known of: sessions, links for new passwords, invitations, mail that leads to those, and, until somebody
/// resumes them, webhooks.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_passing_things(tx: &mut Tx, now: Time, why: &str) -> Result<(), StoreError> {
    for statement in [SUSPEND_WEBHOOKS, END_DELIVERIES] {
        tx.execute(statement, &[now.into(), why.into()]).await?;
    }
    for statement in [END_SESSIONS, END_GENERATIONS_OF_SESSIONS, END_RESETS, REVOKE_INVITATIONS] {
        tx.execute(statement, &[now.into()]).await?;
    }
    tx.execute(DROP_MAIL_WITH_LINKS, &[]).await.map(drop)
}

/// Ends the right to ask about tokens of others: of all keys, or of one.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_introspection(tx: &mut Tx, of: Option<KeyId>) -> Result<(), StoreError> {
    match of {
        Some(key) => tx.execute(END_INTROSPECTION_OF, &[key.into()]).await.map(drop),
        None => tx.execute(END_INTROSPECTION, &[]).await.map(drop),
    }
}

/// Leaves out so many status indices, behind `least`: they may have been given since the backup, and none is ever used again.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn skip_indices(tx: &mut Tx, count: i64, least: i64) -> Result<(), StoreError> {
    tx.execute_one(SKIP_INDICES, &[count.into(), least.into()]).await
}

/// Begins another history: its positions are behind every one of those before.
///
/// # Errors
/// `NotFound` if it is not a later one.
pub async fn begin_history(tx: &mut Tx, history: i64) -> Result<(), StoreError> {
    tx.execute_one(BEGIN_HISTORY, &[history.into()]).await
}
