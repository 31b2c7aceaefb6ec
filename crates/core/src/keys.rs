//! Keys: making, listing, changing, rotating and revoking them.
//!
//! Keys do not breed: a token that was made from a key lists, suspends and revokes keys, as far as its roles go, and does nothing
//! else with them, whatever its roles. Making, widening, rotating and reviving needs a person with a fresh session, who may do
//! himself all that the key may. The host may do everything.

pub mod addresses;
pub mod api;
mod grants;
pub mod personal;
pub mod rotation;

use crate::{
    Context, Core, Error,
    authorize::{Authority, By},
    chance,
    error::Forbidden,
    invitations::by_text,
    log::{self, Action, Where},
    names,
    organizations::taken,
    secret::{Bound, KeySecret},
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{KeyId, KeyKind, MembershipId, OperatorScope, OrganizationId, Position, Time, admin::RolesIn, secret as shape};
use keywright_store::{
    changes::{self, ChangeKind},
    generations::{self, Origin},
    keys::{self, NewKey, NewVersion},
    managed_keys,
    organizations::OrganizationRow,
};
use std::{sync::Arc, time::Duration};

pub use keywright_store::managed_keys::KeyRecord;

pub(crate) const KEY: Error = Error::NotFound("key");
const NAME_TAKEN: &str = "an API Key of this organization has that name already";

/// A key just made.
#[derive(Debug)]
pub struct CreatedKey {
    /// Its id.
    pub id: KeyId,
    /// The secret; this is the only time that it is there.
    pub secret: KeySecret,
    /// When it expires.
    pub expires_at: Time,
    /// Everything else about it.
    pub record: KeyRecord,
    /// What it may do where; nothing of its own for a Personal Access Key.
    pub grants: Vec<RolesIn>,
    /// The position of the change.
    pub position: Position,
}

impl CreatedKey {
    fn of(made: Committed<(KeyRecord, Vec<RolesIn>, KeySecret)>) -> Self {
        let (record, grants, secret) = made.value;
        Self { id: record.id, secret, expires_at: record.expires_at, record, grants, position: made.position }
    }
}

/// What a key is at a moment, as far as it is a matter of the key itself. In the order in which an exchange asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Revoked for ever.
    Revoked,
    /// Its time is over; an API Key can be rotated.
    Expired,
    /// Its time has not come.
    Pending,
    /// Suspended until it is resumed.
    Suspended,
    /// None of these.
    Active,
}

impl KeyState {
    /// Of a key.
    #[must_use]
    pub fn of(key: &KeyRecord, now: Time) -> Self {
        if key.revoked_at.is_some() {
            Self::Revoked
        } else if key.expires_at <= now {
            Self::Expired
        } else if now < key.not_before {
            Self::Pending
        } else if key.suspended_at.is_some() {
            Self::Suspended
        } else {
            Self::Active
        }
    }

    /// As it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "Revoked",
            Self::Expired => "Expired",
            Self::Pending => "Pending",
            Self::Suspended => "Suspended",
            Self::Active => "Active",
        }
    }
}

/// How near the end of a key's life is, so that whoever sees it acts in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryState {
    /// More than 30 days are left.
    Ok,
    /// 30 days at most.
    Warning,
    /// 7 days at most, or none.
    Critical,
}

impl ExpiryState {
    /// Of a key that expires at a time.
    #[must_use]
    pub fn of(expires_at: Time, now: Time) -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        if expires_at <= now.plus(DAY * 7) {
            Self::Critical
        } else if expires_at <= now.plus(DAY * 30) {
            Self::Warning
        } else {
            Self::Ok
        }
    }

    /// As it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What every new key needs.
struct Making<'a> {
    kind: KeyKind,
    name: &'a str,
    not_before: Time,
    expires_at: Time,
    membership_id: Option<MembershipId>,
}

impl Core {
    /// Revokes a Personal Access Key for ever: one's own, or as an Owner. Revoking it again changes nothing and succeeds.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revoke_personal_access_key(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, id: KeyId) -> Result<Committed<()>, Error> {
        self.revoke(ctx, organization, id, Some(KeyKind::PersonalAccessKey)).await
    }

    /// Revokes an API Key for ever. Revoking it again changes nothing and succeeds.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Conflict`] if it is protected.
    pub async fn revoke_api_key(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, id: KeyId) -> Result<Committed<()>, Error> {
        self.revoke(ctx, organization, id, Some(KeyKind::ApiKey)).await
    }

    /// Revokes a key of any kind on the host, protected or not.
    ///
    /// # Errors
    /// [`Error::HostOnly`], [`Error::NotFound`].
    pub async fn revoke_key(self: &Arc<Self>, ctx: &Context, id: KeyId) -> Result<Committed<()>, Error> {
        let home = self.home_of_key(ctx, id).await?;
        self.revoke(ctx, home, id, None).await
    }

    async fn revoke(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, id: KeyId, kind: Option<KeyKind>) -> Result<Committed<()>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                if kind == Some(KeyKind::ApiKey) {
                    authority.require(api::MANAGE)?;
                }
                core.revoke_in(tx, &ctx, &authority, (id, kind)).await
            })
        })
        .await
    }

    /// Whoever asks has been found to be allowed to, as far as it is an API Key.
    pub(crate) async fn revoke_in(&self, tx: &mut Tx, ctx: &Context, authority: &Authority, (id, kind): (KeyId, Option<KeyKind>)) -> Result<(), Error> {
        authority.by.require_scope(OperatorScope::Keys)?;
        let organization = authority.place.id;
        let key = managed_keys::find(tx, id, organization).await?.filter(|key| kind.is_none_or(|kind| kind == key.kind)).ok_or(KEY)?;
        if key.kind == KeyKind::PersonalAccessKey && !personal::sees(authority, &key) {
            return Err(KEY);
        }
        end(tx, ctx, &authority.by, (&authority.place, &key)).await
    }

    /// The keys of an organization of all kinds on the host, oldest first, without secrets.
    ///
    /// # Errors
    /// [`Error::HostOnly`], [`Error::NotFound`].
    pub async fn list_keys(self: &Arc<Self>, ctx: &Context, organization: OrganizationId) -> Result<Vec<KeyRecord>, Error> {
        ctx.authorize_host()?;
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    core.authority(tx, &ctx, organization).await?;
                    managed_keys::list(tx, organization).await.map_err(Error::from)
                })
            })
            .await
    }

    /// Where a key lives, for the host.
    ///
    /// # Errors
    /// [`Error::HostOnly`], [`Error::NotFound`].
    pub(crate) async fn home_of_key(&self, ctx: &Context, id: KeyId) -> Result<OrganizationId, Error> {
        ctx.authorize_host()?;
        self.db.read(move |tx| Box::pin(async move { managed_keys::find_home(tx, id).await?.ok_or(KEY) })).await
    }

    /// Writes a new key with its first secret, and opens its generation in its own organization.
    async fn insert_key(&self, tx: &mut Tx, ctx: &Context, authority: &Authority, making: &Making<'_>) -> Result<(NewKey, KeySecret), Error> {
        let mut new = NewKey {
            id: chance::id()?,
            kind: making.kind,
            organization_id: authority.place.id,
            membership_id: making.membership_id,
            name: names::name("name", making.name)?,
            email: None,
            created_at: ctx.now,
            created_by: by_text(&authority.by),
            not_before: making.not_before,
            expires_at: making.expires_at,
        };
        if new.kind == KeyKind::ApiKey {
            new.email = Some(self.identity_of(&new));
        }
        let secret = KeySecret::generate(&self.settings.key_prefix, new.kind)?;
        let digest = self.digest_of_new(&secret)?;
        let bound = Bound { key_id: new.id, organization_id: new.organization_id, not_before: new.not_before, expires_at: new.expires_at };
        let version = NewVersion { version: 1, digest, tag: self.pepper.tag(&digest, &bound) };
        keys::insert(tx, &new).await.map_err(|error| taken(error, NAME_TAKEN))?;
        keys::insert_version(tx, new.id, &version, ctx.now).await?;
        generations::open(tx, Origin::key(new.id, version.version), new.organization_id, ctx.now).await?;
        changes::insert(tx, ChangeKind::Key, new.id.as_uuid(), &[]).await?;
        Ok((new, secret))
    }

    pub(crate) fn digest_of_new(&self, secret: &KeySecret) -> Result<[u8; 32], Error> {
        let whole = shape::inspect(secret.reveal()).map_err(|_| Error::Internal("a new key is not whole"))?;
        Ok(*self.pepper.digest(whole).as_bytes())
    }

    /// When a key of an organization expires that is made or rotated now: as wished, within what its policy allows.
    async fn expiry(&self, tx: &mut Tx, place: &OrganizationRow, now: Time, wished: Option<Time>) -> Result<Time, Error> {
        let longest = self.longest_key_life(tx, place).await?;
        self.expiry_within(longest, now, wished)
    }

    /// As wished, within a life.
    pub(crate) fn expiry_within(&self, longest: Duration, now: Time, wished: Option<Time>) -> Result<Time, Error> {
        let invalid = |reason: String| Err(Error::Invalid { field: "expiresAt", reason });
        let latest = now.plus(longest);
        match wished {
            None => Ok(now.plus(self.settings.key_life_default).min(latest)),
            Some(at) if at <= now => invalid("must be in the future".to_owned()),
            Some(at) if at > latest => invalid(format!("must not be later than {latest}")),
            Some(at) => Ok(at),
        }
    }

    /// The e-mail-like identity of an API Key, for logs.
    fn identity_of(&self, key: &NewKey) -> String {
        let mut local: String =
            key.name.chars().map(|character| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' }).collect();
        local.truncate(40);
        let short: String = key.id.to_string().chars().take(8).collect();
        let host = self.issuer.split_once("://").map_or(self.issuer.as_str(), |(_, rest)| rest);
        let host = host.split(['/', ':']).next().unwrap_or(host);
        format!("{local}.{short}@keys.{host}")
    }
}

/// Revokes a key for ever, unless it is protected from that.
pub(crate) async fn end(tx: &mut Tx, ctx: &Context, by: &By, (place, key): (&OrganizationRow, &KeyRecord)) -> Result<(), Error> {
    if key.protected_at.is_some() && key.revoked_at.is_none() && *by != By::Host {
        return Err(Error::Conflict("this key is protected from being revoked; set deleteProtection to false first, or suspend it".to_owned()));
    }
    let is_first = keys::revoke(tx, key.id, ctx.now).await?;
    let bits = generations::end_of_key(tx, key.id, ctx.now).await?;
    changes::insert(tx, ChangeKind::Key, key.id.as_uuid(), &bits).await?;
    if is_first {
        let action = if key.kind == KeyKind::ApiKey { Action::ApiKeyRevoke } else { Action::PatRevoke };
        log::change(tx, ctx, by, Where::In(place), action, (key.id.to_string(), key.name.clone())).await?;
    }
    Ok(())
}

/// A key must begin before it ends.
fn check_not_before(not_before: Time, expires_at: Time) -> Result<(), Error> {
    if not_before < expires_at {
        return Ok(());
    }
    Err(Error::Invalid { field: "notBefore", reason: format!("must be before the key expires, on {expires_at}") })
}

/// What is revoked stays as it is.
fn refuse_revoked(key: &KeyRecord) -> Result<(), Error> {
    match key.revoked_at {
        None => Ok(()),
        Some(at) => Err(Error::Conflict(format!("this key was revoked on {at}, for ever; make a new one"))),
    }
}

/// A person, of whatever freshness, or an operator key for keys; no other key.
fn require_person(authority: &Authority, what: &'static str) -> Result<(), Error> {
    match authority.by {
        By::Host | By::Person { .. } => Ok(()),
        By::Operator { .. } => authority.by.require_scope(OperatorScope::Keys),
        By::Key { .. } => {
            let how = "sign in with POST /auth/v1/sessions and send the sessionToken; a key cannot do it, whatever its roles";
            Err(Forbidden::because(format!("{what} needs a person: {how}")).into())
        }
    }
}

/// Opens the successors of ended generations in the key's own organization, for each secret that is in use. For other
/// organizations the next exchange opens them.
pub(crate) async fn reopen(tx: &mut Tx, key: &KeyRecord, now: Time) -> Result<(), Error> {
    for version in managed_keys::list_versions(tx, key.id).await?.iter().filter(|version| version.is_in_use(now)) {
        generations::open(tx, Origin::key(key.id, version.version), key.organization_id, now).await?;
    }
    Ok(())
}
