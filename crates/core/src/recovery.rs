//! What is taken away after a backup, so that a restored database can be told of it.
//!
//! Every change says in the log of changes what it is about, so that no memory stays behind it. Read behind a position, that names
//! all that may have lost something since; and what becomes of it later is a [`State`]. A [`Section`] holds the states of one stretch of
//! the log. Sections that follow each other, from the backup's position on, are all that a restored database has to be told
//! (`recovery/replay.rs`): it goes to whatever is less, of its own state and the later one. So a section that somebody altered can take
//! something away, and give nothing.

mod membership;
mod replay;
mod roles;

pub(crate) use replay::{INDICES_A_SECOND, INDICES_LEFT_OUT};
pub use replay::{Later, RestoreError, Restored, restore};
pub(crate) use replay::{open_after_failover, write_back};

use crate::{Context, Core, Error, log::chain::Hash};
use keywright_db::{Db, Location, OpenError, Tx, Writes};
use keywright_protocol::{
    KeyId, MembershipId, OrganizationId, Position, Time, UserId,
    admin::RolesIn,
    catalog::{CustomRole, Document},
};
use keywright_store::{
    catalogs,
    changes::{self, Change, ChangeKind},
    custom_roles,
    managed_keys::{self, KeyRole},
    recovery, second_factors, settings,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::Path, sync::Arc};
use uuid::Uuid;

/// Lines of the log of changes in one section.
const LINES: usize = 1_000;
/// Subjects whose states a replica reads while others wait for it.
const TOUCHED_BY_RECENT: usize = 100;

/// What was taken away in one stretch of the log of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Section {
    /// Of which installation.
    pub issuer: String,
    /// Behind this position.
    pub from: Position,
    /// Up to this one.
    pub to: Position,
    /// When it was read.
    pub at: Time,
    /// The status indices that ended.
    pub ended: Vec<i64>,
    /// What is touched, as it is when this is read.
    pub states: Vec<State>,
}

/// A subject of a change, as far as it decides what opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum State {
    /// A key of any kind.
    Key(KeyState),
    /// A user.
    User(UserState),
    /// An organization.
    Organization(OrganizationState),
    /// The catalog.
    Catalog {
        /// The one in force.
        document: Box<Document>,
    },
    /// The signing keys.
    SigningKeys {
        /// The names of those that are not revoked.
        kids: Vec<String>,
    },
}

/// A key of any kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyState {
    /// Which.
    pub id: KeyId,
    /// Whether it is revoked.
    pub revoked: bool,
    /// Whether it is suspended.
    pub suspended: bool,
    /// Not valid before.
    pub not_before: Time,
    /// Not valid from then on.
    pub expires_at: Time,
    /// Networks that it is taken from, with spaces between; empty for all.
    pub allowed_addresses: String,
    /// What an operator key may do, words with spaces between.
    pub scopes: Option<String>,
    /// An API Key's roles.
    pub roles: Vec<RolesIn>,
    /// The secrets that are not ended.
    pub versions: Vec<VersionState>,
}

/// A secret that is not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VersionState {
    /// Its number.
    pub version: i64,
    /// When its overlap ends.
    pub ends_at: Option<Time>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserState {
    /// Who.
    pub id: UserId,
    /// Whether he is disabled.
    pub disabled: bool,
    /// Whether he is deleted.
    pub deleted: bool,
    /// SHA-256 of his password's hash with its salt, in hexadecimal: it tells whether the password is another one, and nothing else.
    pub password: Option<String>,
    /// His second factor, if it is asked for. Files of earlier releases do not say.
    #[serde(default)]
    pub second_factor: Option<SecondFactorState>,
    /// His live direct memberships, everywhere.
    pub memberships: Vec<MembershipState>,
}

/// A second factor that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecondFactorState {
    /// SHA-256 of its sealed secret, in hexadecimal: it tells whether it is another one, and nothing else. `None` if it was lost.
    pub secret: Option<String>,
    /// SHA-256 of the digests of its recovery codes that are not used, in hexadecimal.
    pub codes: Vec<String>,
}

/// A live direct membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MembershipState {
    /// Its id.
    pub id: MembershipId,
    /// Where.
    pub organization_id: OrganizationId,
    /// That organization's root.
    pub root_id: OrganizationId,
    /// Own roles there.
    pub roles: Vec<String>,
}

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrganizationState {
    /// Which.
    pub id: OrganizationId,
    /// Whether it is suspended.
    pub suspended: bool,
    /// Whether it is deleted.
    pub deleted: bool,
    /// How long a new key lives at most, in seconds.
    pub longest_key_life: Option<i64>,
    /// Networks that keys are taken from, with spaces between; empty for all.
    pub allowed_addresses: String,
    /// Whether Personal Access Keys open nothing.
    pub personal_keys_off: bool,
    /// Whether tokens of keys bring nobody in.
    pub members_by_keys_off: bool,
    /// The unrevoked keys that live there.
    pub keys: Vec<KeyId>,
    /// A root's roles of its own; absent where nothing is said of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<RoleState>>,
}

/// A role of a root's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleState {
    /// Its key.
    pub key: String,
    /// Ids of its permissions.
    pub permissions: Vec<String>,
}

/// What a subject in the log of changes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Catalog,
    SigningKeys,
    Organization(Uuid),
    User(Uuid),
    Key(Uuid),
}

impl Subject {
    const fn new(kind: ChangeKind, id: Uuid) -> Self {
        match kind {
            ChangeKind::Key => Self::Key(id),
            ChangeKind::Organization => Self::Organization(id),
            ChangeKind::User => Self::User(id),
            ChangeKind::Catalog => Self::Catalog,
            ChangeKind::SigningKeys => Self::SigningKeys,
        }
    }

    fn of(kind: &str, id: Uuid) -> Result<Self, Error> {
        Ok(match kind {
            "key" => Self::Key(id),
            "organization" => Self::Organization(id),
            "user" => Self::User(id),
            "catalog" => Self::Catalog,
            "signing-keys" => Self::SigningKeys,
            _ => return Err(Error::Internal("the log of changes tells of something unknown")),
        })
    }
}

impl State {
    fn subject(&self) -> Subject {
        match self {
            Self::Key(key) => Subject::Key(key.id.as_uuid()),
            Self::User(user) => Subject::User(user.id.as_uuid()),
            Self::Organization(place) => Subject::Organization(place.id.as_uuid()),
            Self::Catalog { .. } => Subject::Catalog,
            Self::SigningKeys { .. } => Subject::SigningKeys,
        }
    }
}

impl Core {
    /// What was taken away behind a position: one section, and the next one behind its end. `None` when nothing more has changed.
    ///
    /// # Errors
    /// [`Error::HostOnly`]; [`Error::Invalid`] for a position that has not been reached.
    pub async fn list_revocations(self: &Arc<Self>, ctx: &Context, after: Position) -> Result<Option<Section>, Error> {
        ctx.authorize_host()?;
        let now = ctx.now;
        self.db.read(move |tx| Box::pin(async move { section(tx, after, now).await })).await
    }
}

/// What was taken away by changes that were just read; `None` if they touch more than a replica keeps, or has the time to read.
pub(crate) async fn recent(tx: &mut Tx, (from, to): (Position, Position), lines: &[Change], now: Time) -> Result<Option<Section>, Error> {
    let subjects = lines.iter().map(|line| Subject::new(line.kind, line.subject)).collect();
    let Some(states) = states(tx, subjects, TOUCHED_BY_RECENT).await? else { return Ok(None) };
    let ended = lines.iter().flat_map(|line| line.bits.iter().copied()).collect();
    let issuer = settings::find(tx, settings::ISSUER).await?.unwrap_or_default();
    Ok(Some(Section { issuer, from, to, at: now, ended, states }))
}

async fn section(tx: &mut Tx, after: Position, now: Time) -> Result<Option<Section>, Error> {
    let reached = changes::position(tx).await?;
    if reached < after {
        let reason = format!("the log of changes has come to {reached}, and {after} is behind that; is this another installation's?");
        return Err(Error::Invalid { field: "after", reason });
    }
    let mut lines = recovery::list_changes(tx, after, i64::try_from(LINES).unwrap_or(i64::MAX)).await?;
    let mut to = reached;
    if lines.len() == LINES
        && let Some(last) = lines.last().map(|line| line.position)
    {
        // The last change may have more lines than were read; it comes with the next section, unless it is the only one.
        if lines.iter().any(|line| line.position != last) {
            lines.retain(|line| line.position != last);
        } else {
            lines = recovery::list_changes(tx, Position { n: last.n - 1, ..last }, i64::MAX).await?;
            lines.retain(|line| line.position == last);
        }
        to = lines.last().map_or(last, |line| line.position);
    }
    if to == after {
        return Ok(None);
    }
    let mut subjects = BTreeSet::new();
    for line in &lines {
        subjects.insert(Subject::of(&line.kind, line.subject)?);
    }
    let states = states(tx, subjects, usize::MAX).await?.unwrap_or_default();
    let ended = lines.into_iter().flat_map(|line| line.bits).collect();
    let issuer = settings::find(tx, settings::ISSUER).await?.unwrap_or_default();
    Ok(Some(Section { issuer, from: after, to, at: now, ended, states }))
}

/// What has become of subjects; `None` if these are more than `most`.
async fn states(tx: &mut Tx, subjects: BTreeSet<Subject>, most: usize) -> Result<Option<Vec<State>>, Error> {
    let mut places = BTreeSet::new();
    for subject in &subjects {
        if let Subject::Organization(id) = subject {
            // What is said of a root is said of what hangs under it too.
            places.extend(recovery::list_tree(tx, (*id).into()).await?);
        }
        if places.len().max(subjects.len()) > most {
            return Ok(None);
        }
    }
    let mut states = Vec::new();
    for subject in subjects {
        match subject {
            Subject::Organization(_) => {}
            Subject::Key(id) => states.extend(key_state(tx, id.into()).await?.map(State::Key)),
            Subject::User(id) => states.extend(user_state(tx, id.into()).await?.map(State::User)),
            Subject::Catalog => states.extend(catalog(tx).await?.map(|document| State::Catalog { document: Box::new(document) })),
            Subject::SigningKeys => states.push(State::SigningKeys { kids: recovery::list_signing_keys(tx).await? }),
        }
    }
    for id in places {
        states.extend(organization_state(tx, id).await?.map(State::Organization));
    }
    Ok(Some(states))
}

async fn key_state(tx: &mut Tx, id: KeyId) -> Result<Option<KeyState>, Error> {
    let Some(row) = recovery::find_key(tx, id).await? else { return Ok(None) };
    let versions = managed_keys::list_versions(tx, id).await?.into_iter().filter(|version| version.ended_at.is_none());
    Ok(Some(KeyState {
        id,
        revoked: row.revoked_at.is_some(),
        suspended: row.suspended_at.is_some(),
        not_before: row.not_before,
        expires_at: row.expires_at,
        allowed_addresses: row.allowed_addresses,
        scopes: row.operator_scopes,
        roles: grants(managed_keys::list_roles_of(tx, id).await?),
        versions: versions.map(|version| VersionState { version: version.version, ends_at: version.ends_at }).collect(),
    }))
}

/// Roles by organization; they come in that order.
fn grants(roles: Vec<KeyRole>) -> Vec<RolesIn> {
    let mut grants: Vec<RolesIn> = Vec::new();
    for KeyRole { organization_id, role, .. } in roles {
        match grants.last_mut().filter(|last| last.organization_id == organization_id) {
            Some(last) => last.roles.push(role),
            None => grants.push(RolesIn { organization_id, roles: vec![role] }),
        }
    }
    grants
}

async fn user_state(tx: &mut Tx, id: UserId) -> Result<Option<UserState>, Error> {
    let Some(row) = recovery::find_user(tx, id).await? else { return Ok(None) };
    let memberships = recovery::list_memberships(tx, id).await?.into_iter();
    Ok(Some(UserState {
        id,
        disabled: row.disabled_at.is_some(),
        deleted: row.deleted_at.is_some(),
        password: row.password_hash.as_deref().map(|hash| fingerprint(hash.as_bytes())),
        second_factor: second_factor_state(tx, id).await?,
        memberships: memberships.map(|it| MembershipState { id: it.id, organization_id: it.organization_id, root_id: it.root_id, roles: it.roles }).collect(),
    }))
}

async fn second_factor_state(tx: &mut Tx, id: UserId) -> Result<Option<SecondFactorState>, Error> {
    let Some(row) = second_factors::find(tx, id).await?.filter(|row| row.confirmed_at.is_some()) else { return Ok(None) };
    let codes = second_factors::list_codes(tx, id).await?;
    Ok(Some(SecondFactorState { secret: row.sealed.as_deref().map(fingerprint), codes: codes.iter().map(|digest| fingerprint(digest)).collect() }))
}

/// Of what has something random in it (a salt, a nonce, a secret under the pepper), so that nobody finds it by guessing.
fn fingerprint(stored: &[u8]) -> String {
    Hash::of(stored).to_string()
}

async fn organization_state(tx: &mut Tx, id: OrganizationId) -> Result<Option<OrganizationState>, Error> {
    let Some(row) = recovery::find_organization(tx, id).await? else { return Ok(None) };
    let roles = if row.id == row.root_id { Some(custom_roles::list_permissions(tx, id).await?) } else { None };
    let state = |CustomRole { key, permissions }| RoleState { key, permissions };
    Ok(Some(OrganizationState {
        id,
        suspended: row.suspended_at.is_some(),
        deleted: row.deleted_at.is_some(),
        longest_key_life: row.longest_key_life,
        allowed_addresses: row.allowed_addresses,
        personal_keys_off: row.personal_keys_off_at.is_some(),
        members_by_keys_off: row.members_by_keys_off_at.is_some(),
        keys: recovery::list_living_keys(tx, id).await?,
        roles: roles.map(|roles| roles.into_iter().map(state).collect()),
    }))
}

async fn catalog(tx: &mut Tx) -> Result<Option<Document>, Error> {
    let row = catalogs::find_in_force(tx).await?;
    row.map(|row| serde_json::from_str(&row.document).map_err(|_| Error::Internal("the stored catalog cannot be read"))).transpose()
}

/// Writes what a SQLite database holds at one moment into a new file, while it is in use, also by another process.
///
/// # Errors
/// [`OpenError`] about either file.
pub async fn copy(from: &Path, to: &Path) -> Result<(), OpenError> {
    keywright_db::copy_sqlite(from, to).await
}

/// The position of a copy of the identity database, which is brought to this program's schema for that.
///
/// # Errors
/// [`OpenError`].
pub async fn position_of(copy: &Path) -> Result<Position, OpenError> {
    let db = Db::open(&Location::Sqlite { path: copy.to_owned() }, Writes::Revisioned, keywright_store::MIGRATIONS).await?;
    let position = db.read(|tx| Box::pin(async move { changes::position(tx).await })).await;
    db.close().await;
    position.map_err(|error| OpenError::Unreachable(error.to_string()))
}
