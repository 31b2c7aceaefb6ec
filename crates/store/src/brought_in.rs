//! What was made through tokens of keys, and what those made in turn who came in so.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{InvitationId, KeyId, MembershipId, OrganizationId, Time, UserId};
use uuid::Uuid;

statements! {
    INSERT = "INSERT INTO brought_in (key_id, kind, subject, role, organization_id, at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    LIST_KEYS = "SELECT key_id FROM brought_in WHERE kind = 'invitation' AND subject = $1 ORDER BY key_id";
    CAME_BY_THE_SAME = "SELECT 1 AS found FROM brought_in i JOIN brought_in b ON b.key_id = i.key_id JOIN memberships m ON m.id = b.subject
        WHERE i.kind = 'invitation' AND i.subject = $1 AND b.kind IN ('member', 'role') AND m.user_id = $2 LIMIT 1";
    DELETE_INVITATION = "DELETE FROM brought_in WHERE kind = 'invitation' AND subject = $1";
    LIST_KEYS_MADE = "SELECT k.id AS subject, k.organization_id, k.created_at AS at, k.name,
            CAST(CASE WHEN k.revoked_at IS NULL THEN 1 ELSE 0 END AS BIGINT) AS stands
        FROM keys k JOIN organizations o ON o.id = k.organization_id
        WHERE k.kind = 'api' AND k.created_by = $1 AND (o.id = $2 OR o.root_id = $2) AND k.created_at >= $3 ORDER BY k.created_at, k.id";
    LIST_INVITATIONS_MADE = "SELECT id AS subject, root_id AS organization_id, created_at AS at, email AS name, CAST(1 AS BIGINT) AS stands
        FROM invitations
        WHERE revoked_at IS NULL AND created_by = $1 AND created_at >= $3 AND (root_id = $2 OR
            EXISTS (SELECT 1 FROM invitation_roles r WHERE r.invitation_id = invitations.id AND r.organization_id = $2))
        ORDER BY created_at, id";
    LIST_KEYS_OF_MEMBERSHIP = "SELECT id FROM keys WHERE membership_id = $1";
    LIST = "SELECT b.kind, b.subject, b.role, b.organization_id, b.at, m.user_id, COALESCE(i.email, u.email, o.name) AS name,
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
    /// An API Key that somebody made who came in so.
    ApiKey,
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
            Self::ApiKey => "api-key",
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
    /// The id of the invitation, the membership, the organization or the API Key.
    pub subject: Uuid,
    /// The role, if it is one.
    pub role: String,
    /// Where.
    pub organization_id: OrganizationId,
    /// When.
    pub at: Time,
    /// The address of whom it is about, or the name of the organization or the API Key.
    pub name: String,
    /// Whose membership it is.
    pub user_id: Option<UserId>,
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
            user_id: row.get("user_id")?,
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

/// The keys that an invitation came in by.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_keys(tx: &mut Tx, invitation: InvitationId) -> Result<Vec<KeyId>, StoreError> {
    tx.fetch_all(LIST_KEYS, &[invitation.into()]).await?.iter().map(|row| row.get("key_id")).collect()
}

/// Whether somebody came in by a key that an invitation came in by too.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn came_by_the_same(tx: &mut Tx, invitation: InvitationId, user: UserId) -> Result<bool, StoreError> {
    Ok(tx.fetch_optional(CAME_BY_THE_SAME, &[invitation.into(), user.into()]).await?.is_some())
}

/// All Personal Access Keys that a membership ever had.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_keys_of_membership(tx: &mut Tx, membership: MembershipId) -> Result<Vec<KeyId>, StoreError> {
    tx.fetch_all(LIST_KEYS_OF_MEMBERSHIP, &[membership.into()]).await?.iter().map(|row| row.get("id")).collect()
}

/// Forgets by which key an invitation came in: somebody else has sent it now.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn delete_invitation(tx: &mut Tx, invitation: InvitationId) -> Result<(), StoreError> {
    tx.execute(DELETE_INVITATION, &[invitation.into()]).await.map(|_| ())
}

/// What an actor has made since a time that stands without him, in an organization and below it: API Keys, revoked ones too, and
/// invitations, accepted ones too. `maker` is his kind and id.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_made(tx: &mut Tx, maker: &str, place: OrganizationId, since: Time) -> Result<Vec<BroughtInRow>, StoreError> {
    let mut made = Vec::new();
    for (kind, statement) in [(Kind::ApiKey, LIST_KEYS_MADE), (Kind::Invitation, LIST_INVITATIONS_MADE)] {
        for row in tx.fetch_all(statement, &[maker.into(), place.into(), since.into()]).await? {
            let (subject, organization_id, at, name) = (row.get("subject")?, row.get("organization_id")?, row.get("at")?, row.get("name")?);
            let stands = row.get::<i64>("stands")? == 1;
            made.push(BroughtInRow { kind, subject, role: String::new(), organization_id, at, name, user_id: None, stands });
        }
    }
    Ok(made)
}

/// Everything that came in by a key, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list(tx: &mut Tx, key: KeyId) -> Result<Vec<BroughtInRow>, StoreError> {
    tx.fetch_all(LIST, &[key.into()]).await?.iter().map(BroughtInRow::read).collect()
}
