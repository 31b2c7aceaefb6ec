//! Operator keys: they belong to the installation, and do what its operator's own programs need, organization by organization.
//! They never sign in and are never exchanged; each use looks them up.

mod duties;
mod scopes;

pub(crate) use duties::operator_organization;
pub use scopes::Scopes;
pub(crate) use scopes::carrier;

use crate::{
    Context, Core, Error, OperatorActor, Refusal,
    alive::alive_operator,
    authorize::By,
    chance,
    invitations::by_text,
    keys::{
        addresses::AddressList,
        rotation::{RotatedKey, Rotation},
    },
    log::{self, Action, Where},
    names,
    secret::{self, KeySecret, OperatorBound},
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{KeyId, KeyKind, OperatorScope, Time};
use keywright_store::{
    changes::{self, ChangeKind},
    keys::{self, NewVersion},
    managed_keys,
    operator_keys::{self, OperatorCredential, OperatorKeyRow},
};
use std::sync::Arc;

const KEY: Error = Error::NotFound("operator key");

/// What an operator key is made of.
#[derive(Debug, Clone)]
pub struct NewOperatorKey {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<OperatorScope>,
    /// When it expires; without it after the default life.
    pub expires_at: Option<Time>,
    /// Networks that it is taken from; none for everywhere.
    pub allowed_addresses: Vec<String>,
}

/// What an operator key is at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorKeyState {
    /// It works.
    Active,
    /// Its time is over; it can be rotated.
    Expired,
    /// Revoked for ever.
    Revoked,
}

impl OperatorKeyState {
    /// As it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Expired => "Expired",
            Self::Revoked => "Revoked",
        }
    }
}

/// An operator key as its owners see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorKey {
    /// Everything but what the stored texts mean.
    pub row: OperatorKeyRow,
    /// What it may do.
    pub scopes: Scopes,
    /// Where it is taken from.
    pub addresses: AddressList,
}

impl OperatorKey {
    fn new(row: OperatorKeyRow) -> Result<Self, Error> {
        Ok(Self { scopes: Scopes::load(&row.scopes)?, addresses: AddressList::load(&row.allowed_addresses)?, row })
    }

    /// Its state.
    #[must_use]
    pub fn state(&self, now: Time) -> OperatorKeyState {
        if self.row.revoked_at.is_some() {
            OperatorKeyState::Revoked
        } else if self.row.expires_at <= now {
            OperatorKeyState::Expired
        } else {
            OperatorKeyState::Active
        }
    }
}

impl Core {
    /// Makes an operator key. Its secret is in this answer and in no other.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for everybody but Owners of the operator organization, [`Error::NotFresh`], [`Error::Invalid`].
    pub async fn create_operator_key(self: &Arc<Self>, ctx: &Context, new: NewOperatorKey) -> Result<Committed<(OperatorKey, KeySecret)>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let by = core.installation_owner(tx, &ctx, "making an operator key").await?;
                let row = OperatorKeyRow {
                    id: chance::id()?,
                    name: names::name("name", &new.name)?,
                    scopes: Scopes::of(&new.scopes)?.to_stored(),
                    allowed_addresses: AddressList::parse(&new.allowed_addresses)?.to_stored(),
                    created_at: ctx.now,
                    created_by: by_text(&by),
                    not_before: ctx.now,
                    expires_at: core.expiry_within(core.settings.key_life_ceiling, ctx.now, new.expires_at)?,
                    revoked_at: None,
                };
                operator_keys::insert(tx, &row).await?;
                let secret = core.add_operator_secret(tx, &row, 1, ctx.now).await?;
                let told = (row.id.to_string(), in_words(&row));
                log::change(tx, &ctx, &by, Where::Installation, Action::OperatorKeyCreate, told).await?;
                Ok((OperatorKey::new(row)?, secret))
            })
        })
        .await
    }

    /// All operator keys, in whatever state, oldest first.
    ///
    /// # Errors
    /// As [`Core::create_operator_key`].
    pub async fn list_operator_keys(self: &Arc<Self>, ctx: &Context) -> Result<Vec<OperatorKey>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    core.installation_owner(tx, &ctx, "looking at operator keys").await?;
                    operator_keys::list(tx).await?.into_iter().map(OperatorKey::new).collect()
                })
            })
            .await
    }

    /// Gives an operator key another secret, as [`Core::rotate_api_key`] does for an API Key.
    ///
    /// # Errors
    /// As [`Core::create_operator_key`]; [`Error::NotFound`]; [`Error::Conflict`] if it is revoked.
    pub async fn rotate_operator_key(self: &Arc<Self>, ctx: &Context, id: KeyId, how: Rotation) -> Result<RotatedKey, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        let rotated = self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let by = core.installation_owner(tx, &ctx, "rotating an operator key").await?;
                let before = operator_keys::find(tx, id).await?.ok_or(KEY)?;
                if let Some(at) = before.revoked_at {
                    return Err(Error::Conflict(format!("this key was revoked on {at}, for ever; make a new one")));
                }
                let expires_at = core.expiry_after_rotation((ctx.now, core.settings.key_life_ceiling), (before.not_before, before.expires_at), how)?;
                let row = OperatorKeyRow { expires_at, ..before.clone() };
                if row.expires_at != before.expires_at {
                    managed_keys::update_expiry(tx, id, row.expires_at).await?;
                    core.bind_operator_anew(tx, &row, &before).await?;
                }
                let version = managed_keys::list_versions(tx, id).await?.last().map_or(1, |newest| newest.version + 1);
                let secret = core.add_operator_secret(tx, &row, version, ctx.now).await?;
                let old_ends_at = how.overlap_at(ctx.now, before.expires_at);
                match old_ends_at {
                    None => managed_keys::end_versions_before(tx, id, version, ctx.now).await?,
                    Some(at) => managed_keys::limit_versions_before(tx, id, version, at).await?,
                }
                changes::insert(tx, ChangeKind::Key, id.as_uuid(), &[]).await?;
                let told = (id.to_string(), format!("{}: version {version}, expires {}", row.name, row.expires_at));
                log::change(tx, &ctx, &by, Where::Installation, Action::OperatorKeyRotate, told).await?;
                Ok((secret, version, row.expires_at, old_ends_at.map(|at| at.min(row.expires_at))))
            })
        });
        let rotated = rotated.await?;
        let (secret, version, expires_at, old_secret_ends_at) = rotated.value;
        Ok(RotatedKey { secret, version, expires_at, old_secret_ends_at, position: rotated.position })
    }

    /// Revokes an operator key for ever. Revoking it again changes nothing and succeeds.
    ///
    /// # Errors
    /// As [`Core::create_operator_key`]; [`Error::NotFound`].
    pub async fn revoke_operator_key(self: &Arc<Self>, ctx: &Context, id: KeyId) -> Result<Committed<()>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let by = core.installation_owner(tx, &ctx, "revoking an operator key").await?;
                let row = operator_keys::find(tx, id).await?.ok_or(KEY)?;
                if keys::revoke(tx, id, ctx.now).await? {
                    changes::insert(tx, ChangeKind::Key, id.as_uuid(), &[]).await?;
                    log::change(tx, &ctx, &by, Where::Installation, Action::OperatorKeyRevoke, (id.to_string(), row.name)).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// The operator key that a secret opens, if it lives and is taken from there. `on_behalf_of` says for whom it acts, which
    /// whatever it changes needs.
    ///
    /// # Errors
    /// [`Error::Refused`]; [`Error::Invalid`] for a name that cannot be written down; [`Error::Unavailable`].
    pub async fn find_operator(&self, ctx: &Context, presented: &str, on_behalf_of: Option<&str>) -> Result<OperatorActor, Error> {
        let digest = *self.pepper.digest(secret::parse(presented, KeyKind::OperatorKey)?).as_bytes();
        let found = self.db.read(move |tx| Box::pin(async move { operator_keys::find_by_digest(tx, &digest).await.map_err(Error::from) })).await?;
        self.check_operator_key(found.as_ref(), ctx)?;
        let found = found.ok_or(Refusal::UnknownOperatorKey)?;
        let on_behalf_of = on_behalf_of.map(|text| names::name("onBehalfOf", text)).transpose()?;
        Ok(OperatorActor { key_id: found.key.id, version: found.version.version, on_behalf_of })
    }

    /// What an operator key may do that did something earlier, if it lives.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub(crate) async fn standing_operator(&self, tx: &mut Tx, id: KeyId, now: Time) -> Result<By, Error> {
        let row = operator_keys::find(tx, id).await?.filter(|row| row.revoked_at.is_none() && now < row.expires_at).ok_or(Refusal::UnknownOperatorKey)?;
        Ok(By::Operator { id, scopes: Scopes::load(&row.scopes)?, on_behalf_of: None })
    }

    /// Whether a found key is ours, lives, and is taken from where the request came from; answers what it may do.
    fn check_operator_key(&self, found: Option<&OperatorCredential>, ctx: &Context) -> Result<Scopes, Error> {
        let credential = found.filter(|credential| self.is_ours_by_operator_tag(credential)).ok_or(Refusal::UnknownOperatorKey)?;
        alive_operator(credential, ctx.now)?;
        AddressList::load(&credential.key.allowed_addresses)?.check(ctx.client_ip)?;
        Scopes::load(&credential.key.scopes)
    }

    fn is_ours_by_operator_tag(&self, OperatorCredential { key, version }: &OperatorCredential) -> bool {
        let ours = self.pepper.is_operator_tag(&version.tag, &version.digest, &bound(key));
        if !ours {
            tracing::error!(key_id = %key.id, "a stored operator key does not carry its tag: it was altered in the database");
        }
        ours
    }

    async fn add_operator_secret(&self, tx: &mut Tx, row: &OperatorKeyRow, version: i64, now: Time) -> Result<KeySecret, Error> {
        let secret = KeySecret::generate(&self.settings.key_prefix, KeyKind::OperatorKey)?;
        let digest = self.digest_of_new(&secret)?;
        let tag = self.pepper.operator_tag(&digest, &bound(row));
        keys::insert_version(tx, row.id, &NewVersion { version, digest, tag }, now).await?;
        Ok(secret)
    }

    /// Binds every secret version to what the key is now. One whose tag was not right before must not become good by this.
    async fn bind_operator_anew(&self, tx: &mut Tx, now: &OperatorKeyRow, before: &OperatorKeyRow) -> Result<(), Error> {
        for version in managed_keys::list_versions(tx, now.id).await? {
            if self.is_ours_by_operator_tag(&OperatorCredential { key: before.clone(), version: version.clone() }) {
                let tag = self.pepper.operator_tag(&version.digest, &bound(now));
                managed_keys::update_tag(tx, now.id, version.version, &tag).await?;
            }
        }
        Ok(())
    }
}

fn bound(key: &OperatorKeyRow) -> OperatorBound<'_> {
    OperatorBound { key_id: key.id, not_before: key.not_before, expires_at: key.expires_at, scopes: &key.scopes, allowed_addresses: &key.allowed_addresses }
}

/// What the log says of a new one.
fn in_words(row: &OperatorKeyRow) -> String {
    let from = if row.allowed_addresses.is_empty() { "anywhere" } else { row.allowed_addresses.as_str() };
    format!("{}: may {}, expires {}, from {from}", row.name, row.scopes, row.expires_at)
}
