//! What was made through tokens of keys.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{KeyId, OrganizationId, Time};
use uuid::Uuid;

statements! {
    INSERT = "INSERT INTO brought_in (key_id, kind, subject, role, organization_id, at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    FIND_KEY = "SELECT key_id FROM brought_in WHERE kind = $1 AND subject = $2 ORDER BY at LIMIT 1";
    LIST = "SELECT b.kind, b.subject, b.role, b.organization_id, b.at, COALESCE(i.email, u.email, o.name) AS name,
            CAST(CASE b.kind
                WHEN 'invitation' THEN CASE WHEN i.accepted_at IS NULL AND i.revoked_at IS NULL THEN 1 ELSE 0 END
                WHEN 'organization' THEN CASE WHEN o.deleted_at IS NULL THEN 1 ELSE 0 END
                WHEN 'member' THEN CASE WHEN m.ended_at IS NULL THEN 1 ELSE 0 END
                ELSE CASE WHEN m.ended_at IS NULL AND EXISTS
                    (SELECT 1 FROM membership_roles r WHERE r.membership_id = m.id AND r.role = b.role) THEN 1 ELSE 0 END
            END AS BIGINT) AS stands
        FROM brought_in b
        LEFT JOIN invitations i ON b.kind = 'invitation' AND i.id = b.subject
        LEFT JOIN memberships m ON b.kind IN ('member', 'role') AND m.id = b.subject
        LEFT JOIN users u ON u.id = m.user_id
        LEFT JOIN organizations o ON b.kind = 'organization' AND o.id = b.subject
        WHERE b.key_id = $1
        ORDER BY b.at, b.kind, b.subject, b.role";
}

/// What kind of thing came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An invitation.
    Invitation,
    /// A direct membership.
    Member,
    /// A role of a membership.
    Role,
    /// A sub-organization.
    Organization,
}

impl Kind {
    /// As it is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::Member => "member",
            Self::Role => "role",
            Self::Organization => "organization",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        [Self::Invitation, Self::Member, Self::Role, Self::Organization].into_iter().find(|kind| kind.as_str() == text).ok_or(StoreError::Corrupt)
    }
}

/// One thing that came in by a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BroughtInRow {
    /// What it is.
    pub kind: Kind,
    /// The id of the invitation, the membership or the organization.
    pub subject: Uuid,
    /// The role, if it is one.
    pub role: String,
    /// Where.
    pub organization_id: OrganizationId,
    /// When.
    pub at: Time,
    /// The address of whom it is about, or the organization's name.
    pub name: String,
    /// Whether it is still so: the invitation pending, the membership live, the role held.
    pub stands: bool,
}

impl BroughtInRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            kind: Kind::read(&row.get::<String>("kind")?)?,
            subject: row.get("subject")?,
            role: row.get("role")?,
            organization_id: row.get("organization_id")?,
            at: row.get("at")?,
            name: row.get::<Option<String>>("name")?.unwrap_or_default(),
            stands: row.get::<i64>("stands")? == 1,
        })
    }
}

/// Notes that something came in by a key; what was noted stays as it is.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn insert(tx: &mut Tx, key: KeyId, (kind, subject, role): (Kind, Uuid, &str), organization: OrganizationId, now: Time) -> Result<(), StoreError> {
    let values = [key.into(), kind.as_str().into(), subject.into(), role.into(), organization.into(), now.into()];
    tx.execute(INSERT, &values).await.map(|_| ())
}

/// The key that something came in by.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_key(tx: &mut Tx, kind: Kind, subject: Uuid) -> Result<Option<KeyId>, StoreError> {
    tx.fetch_optional(FIND_KEY, &[kind.as_str().into(), subject.into()]).await?.map(|row| row.get("key_id")).transpose()
}

/// Everything that came in by a key, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list(tx: &mut Tx, key: KeyId) -> Result<Vec<BroughtInRow>, StoreError> {
    tx.fetch_all(LIST, &[key.into()]).await?.iter().map(BroughtInRow::read).collect()
}
