//! Keys of all kinds, their secret versions, and the one query that an exchange needs.

use crate::{StoreError, memberships::split_roles, statements};
use keywright_db::{Row, Tx, Value};
use keywright_protocol::{KeyId, KeyKind, MembershipId, OrganizationId, Position, Time, UserId};

/// A credential with everything that decides about it, of one snapshot. `$2` is the organization asked for, NULL for the
/// key's own; the policy of one that the key does not reach decides nothing, so that nobody learns of it. Names come one a line: they contain no control characters.
macro_rules! credential_where {
    ($predicate:literal) => {
        concat!(
            "SELECT r.history, r.n,
                k.id, k.kind, k.organization_id, k.name, k.email AS key_email, k.not_before, k.expires_at, k.suspended_at, k.revoked_at, k.allowed_addresses, k.introspects_at,
                v.version, v.digest, v.tag, v.ends_at AS version_ends_at, v.ended_at AS version_ended_at,
                o.root_id, o.suspended_at AS organization_suspended_at, o.deleted_at AS organization_deleted_at,
                p.suspended_at AS root_suspended_at, p.deleted_at AS root_deleted_at,
                COALESCE(p.personal_keys_off_at, o.personal_keys_off_at, CASE WHEN t.id = o.id OR (o.id = o.root_id AND t.root_id = o.root_id) THEN t.personal_keys_off_at END) AS personal_keys_off_at,
                o.allowed_addresses AS organization_addresses, p.allowed_addresses AS root_addresses, CASE WHEN t.id = o.id OR (o.id = o.root_id AND t.root_id = o.root_id) THEN t.allowed_addresses END AS target_addresses,
                m.user_id, m.ended_at AS membership_ended_at,
                u.email AS user_email, u.name AS user_name, u.disabled_at AS user_disabled_at, u.deleted_at AS user_deleted_at,
                t.id AS target_id, t.root_id AS target_root_id, t.suspended_at AS target_suspended_at, t.deleted_at AS target_deleted_at,
                g.status_index,
                (SELECT string_agg(x.role, ' ') FROM memberships y JOIN membership_roles x ON x.membership_id = y.id
                    WHERE y.organization_id = t.id AND y.user_id = m.user_id AND y.ended_at IS NULL) AS own_roles,
                (SELECT string_agg(x.role, ' ') FROM memberships y JOIN membership_roles x ON x.membership_id = y.id
                    WHERE y.organization_id = t.root_id AND y.user_id = m.user_id AND y.ended_at IS NULL) AS root_roles,
                (SELECT string_agg(x.role, ' ') FROM key_roles x WHERE x.key_id = k.id AND x.organization_id = t.id) AS key_roles,
                (SELECT string_agg(x.name, '\n') FROM key_names x WHERE x.key_id = k.id) AS names
            FROM secret_versions v
            JOIN keys k ON k.id = v.key_id
            JOIN revision r ON r.id = 1
            JOIN organizations o ON o.id = k.organization_id
            JOIN organizations p ON p.id = o.root_id
            LEFT JOIN memberships m ON m.id = k.membership_id
            LEFT JOIN users u ON u.id = m.user_id
            LEFT JOIN organizations t ON t.id = COALESCE($2, k.organization_id)
            LEFT JOIN generations g ON g.key_id = k.id AND g.version = v.version AND g.organization_id = t.id AND g.ended_at IS NULL
            WHERE ",
            $predicate
        )
    };
}

statements! {
    INSERT = "INSERT INTO keys (id, kind, organization_id, membership_id, name, email, description, metadata, allowed_addresses,
            created_at, created_by, not_before, expires_at, suspended_at, revoked_at)
        VALUES ($1, $2, $3, $4, $5, $6, '', '{}', '', $7, $8, $9, $10, NULL, NULL)";
    INSERT_NAME = "INSERT INTO key_names (key_id, name) VALUES ($1, $2)";
    INSERT_ROLE = "INSERT INTO key_roles (key_id, organization_id, role) VALUES ($1, $2, $3)";
    INSERT_VERSION = "INSERT INTO secret_versions (key_id, version, digest, tag, created_at, ends_at, ended_at) VALUES ($1, $2, $3, $4, $5, NULL, NULL)";
    REVOKE = "UPDATE keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
    EXISTS = "SELECT id FROM keys WHERE id = $1";
    LIST_IDS_OF_MEMBERSHIP = "SELECT id FROM keys WHERE membership_id = $1 AND revoked_at IS NULL";
    COUNT_OF_MEMBERSHIP = "SELECT count(*) AS keys FROM keys WHERE membership_id = $1 AND revoked_at IS NULL";
    COUNT_API_OF_ROOT = "SELECT count(*) AS keys FROM keys k JOIN organizations o ON o.id = k.organization_id
        WHERE o.root_id = $1 AND k.kind = 'api' AND k.revoked_at IS NULL";
    FIND_BY_DIGEST = credential_where!("v.digest = $1");
    FIND_BY_ID = credential_where!("v.key_id = $1 AND v.version = COALESCE($3, (SELECT max(version) FROM secret_versions WHERE key_id = $1))");
}

/// What a new key is made of.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its id.
    pub id: KeyId,
    /// Its kind.
    pub kind: KeyKind,
    /// Where it lives.
    pub organization_id: OrganizationId,
    /// Whose it is, for a Personal Access Key.
    pub membership_id: Option<MembershipId>,
    /// Its name.
    pub name: String,
    /// The generated identity of an API Key.
    pub email: Option<String>,
    /// When it is made.
    pub created_at: Time,
    /// By whom, in words for the log.
    pub created_by: String,
    /// Not valid before.
    pub not_before: Time,
    /// Not valid from then on.
    pub expires_at: Time,
}

/// A presented secret's key with everything that decides about it: one row of one snapshot.
#[derive(Debug, Clone)]
pub struct CredentialRow {
    /// The snapshot's position.
    pub position: Position,
    /// The key.
    pub key_id: KeyId,
    /// Its kind.
    pub kind: KeyKind,
    /// Where it lives.
    pub organization_id: OrganizationId,
    /// That organization's root.
    pub root_id: OrganizationId,
    /// Its present name.
    pub name: String,
    /// Every name it has had.
    pub names: Vec<String>,
    /// The generated identity of an API Key.
    pub key_email: Option<String>,
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
    /// The secret version that was presented.
    pub version: i64,
    /// Its digest.
    pub digest: Vec<u8>,
    /// The tag that binds the digest to the key.
    pub tag: Vec<u8>,
    /// End of its overlap.
    pub version_ends_at: Option<Time>,
    /// When it was ended at once.
    pub version_ended_at: Option<Time>,
    /// Since when the key's organization is suspended or deleted.
    pub organization_dead_at: Option<Time>,
    /// Since when its root is.
    pub root_dead_at: Option<Time>,
    /// Since when the organization, its root or the organization asked for takes no Personal Access Keys.
    pub personal_keys_off_at: Option<Time>,
    /// Addresses that the policies of its organization, of the root and of the organization asked for allow; empty for all.
    pub policy_addresses: [String; 3],
    /// Whether it may ask about every token and key of the installation.
    pub introspects: bool,
    /// The holder of a Personal Access Key.
    pub holder: Option<Holder>,
    /// The organization asked for; `None` if there is no such one.
    pub target: Option<Target>,
}

/// The holder of a Personal Access Key.
#[derive(Debug, Clone)]
pub struct Holder {
    /// Who.
    pub user_id: UserId,
    /// His address.
    pub email: String,
    /// His name.
    pub name: String,
    /// Since when he is disabled or deleted.
    pub dead_at: Option<Time>,
    /// Since when his membership is over.
    pub membership_ended_at: Option<Time>,
}

/// The organization that a token is asked for, and what the credential has there.
#[derive(Debug, Clone)]
pub struct Target {
    /// Which.
    pub id: OrganizationId,
    /// Its root.
    pub root_id: OrganizationId,
    /// Since when it is suspended or deleted.
    pub dead_at: Option<Time>,
    /// The open generation there.
    pub status_index: Option<i64>,
    /// The holder's own roles there.
    pub own_roles: Vec<String>,
    /// The holder's roles in its root.
    pub root_roles: Vec<String>,
    /// An API Key's roles there.
    pub key_roles: Vec<String>,
}

pub(crate) fn kind_of(text: &str) -> Result<KeyKind, StoreError> {
    KeyKind::from_infix(text).ok_or(StoreError::Corrupt)
}

impl CredentialRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let holder = match row.get::<Option<UserId>>("user_id")? {
            None => None,
            Some(user_id) => Some(Holder {
                user_id,
                email: row.get("user_email")?,
                name: row.get("user_name")?,
                dead_at: first(row, "user_deleted_at", "user_disabled_at")?,
                membership_ended_at: row.get("membership_ended_at")?,
            }),
        };
        let target = match row.get::<Option<OrganizationId>>("target_id")? {
            None => None,
            Some(id) => Some(Target {
                id,
                root_id: row.get("target_root_id")?,
                dead_at: first(row, "target_deleted_at", "target_suspended_at")?,
                status_index: row.get("status_index")?,
                own_roles: split_roles(row.get("own_roles")?),
                root_roles: split_roles(row.get("root_roles")?),
                key_roles: split_roles(row.get("key_roles")?),
            }),
        };
        Ok(Self {
            position: Position { history: row.get("history")?, n: row.get("n")? },
            key_id: row.get("id")?,
            kind: kind_of(&row.get::<String>("kind")?)?,
            organization_id: row.get("organization_id")?,
            root_id: row.get("root_id")?,
            name: row.get("name")?,
            names: row.get::<Option<String>>("names")?.unwrap_or_default().lines().map(str::to_owned).collect(),
            key_email: row.get("key_email")?,
            not_before: row.get("not_before")?,
            expires_at: row.get("expires_at")?,
            suspended_at: row.get("suspended_at")?,
            revoked_at: row.get("revoked_at")?,
            allowed_addresses: row.get("allowed_addresses")?,
            version: row.get("version")?,
            digest: row.get("digest")?,
            tag: row.get("tag")?,
            version_ends_at: row.get("version_ends_at")?,
            version_ended_at: row.get("version_ended_at")?,
            organization_dead_at: first(row, "organization_deleted_at", "organization_suspended_at")?,
            root_dead_at: first(row, "root_deleted_at", "root_suspended_at")?,
            personal_keys_off_at: row.get("personal_keys_off_at")?,
            policy_addresses: [
                row.get("organization_addresses")?,
                row.get("root_addresses")?,
                row.get::<Option<String>>("target_addresses")?.unwrap_or_default(),
            ],
            introspects: row.get::<Option<Time>>("introspects_at")?.is_some(),
            holder,
            target,
        })
    }
}

/// The first of two columns that has a time.
fn first(row: &Row, one: &str, other: &str) -> Result<Option<Time>, StoreError> {
    Ok(match row.get::<Option<Time>>(one)? {
        Some(time) => Some(time),
        None => row.get(other)?,
    })
}

/// Adds a key with its name; without a secret it opens nothing yet.
///
/// # Errors
/// `Conflict` if an unrevoked API Key of the organization has that name.
pub async fn insert(tx: &mut Tx, key: &NewKey) -> Result<(), StoreError> {
    let values: [Value; 10] = [
        key.id.into(),
        key.kind.infix().into(),
        key.organization_id.into(),
        key.membership_id.into(),
        key.name.as_str().into(),
        key.email.clone().into(),
        key.created_at.into(),
        key.created_by.as_str().into(),
        key.not_before.into(),
        key.expires_at.into(),
    ];
    tx.execute_one(INSERT, &values).await?;
    tx.execute_one(INSERT_NAME, &[key.id.into(), key.name.as_str().into()]).await
}

/// Gives an API Key a role in an organization.
///
/// # Errors
/// `Conflict` if it has it.
pub async fn insert_role(tx: &mut Tx, key: KeyId, organization: OrganizationId, role: &str) -> Result<(), StoreError> {
    tx.execute_one(INSERT_ROLE, &[key.into(), organization.into(), role.into()]).await
}

/// A secret version, as it is stored.
#[derive(Clone)]
pub struct NewVersion {
    /// Counted from 1.
    pub version: i64,
    /// HMAC-SHA-256 of the secret.
    pub digest: [u8; 32],
    /// HMAC-SHA-256 that binds the digest to its key.
    pub tag: [u8; 32],
}

/// Adds a secret version to a key.
///
/// # Errors
/// `Conflict` if the digest or the number is taken.
pub async fn insert_version(tx: &mut Tx, key: KeyId, version: &NewVersion, now: Time) -> Result<(), StoreError> {
    let values = [key.into(), version.version.into(), version.digest.as_slice().into(), version.tag.as_slice().into(), now.into()];
    tx.execute_one(INSERT_VERSION, &values).await
}

/// Revokes a key for ever; `false` if it was already.
///
/// # Errors
/// `NotFound` if there is no such key.
pub async fn revoke(tx: &mut Tx, id: KeyId, now: Time) -> Result<bool, StoreError> {
    if tx.execute(REVOKE, &[id.into(), now.into()]).await? == 1 {
        return Ok(true);
    }
    tx.fetch_one(EXISTS, &[id.into()]).await.map(|_| false)
}

/// The unrevoked Personal Access Keys of a membership.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_ids_of_membership(tx: &mut Tx, membership: MembershipId) -> Result<Vec<KeyId>, StoreError> {
    tx.fetch_all(LIST_IDS_OF_MEMBERSHIP, &[membership.into()]).await?.iter().map(|row| row.get("id")).collect()
}

/// How many unrevoked Personal Access Keys a membership has.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn count_of_membership(tx: &mut Tx, membership: MembershipId) -> Result<i64, StoreError> {
    tx.fetch_one(COUNT_OF_MEMBERSHIP, &[membership.into()]).await?.get("keys")
}

/// How many unrevoked API Keys a root and its sub-organizations have.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn count_api_of_root(tx: &mut Tx, root: OrganizationId) -> Result<i64, StoreError> {
    tx.fetch_one(COUNT_API_OF_ROOT, &[root.into()]).await?.get("keys")
}

/// Everything about the key that a secret's digest selects, for the organization asked for (`None`: the key's own).
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_by_digest(tx: &mut Tx, digest: &[u8; 32], target: Option<OrganizationId>) -> Result<Option<CredentialRow>, StoreError> {
    tx.fetch_optional(FIND_BY_DIGEST, &[digest.as_slice().into(), target.into()]).await?.as_ref().map(CredentialRow::read).transpose()
}

/// The same by the key's id, with one of its secret versions (`None`: the newest).
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_by_id(tx: &mut Tx, id: KeyId, version: Option<i64>, target: Option<OrganizationId>) -> Result<Option<CredentialRow>, StoreError> {
    tx.fetch_optional(FIND_BY_ID, &[id.into(), target.into(), version.into()]).await?.as_ref().map(CredentialRow::read).transpose()
}
