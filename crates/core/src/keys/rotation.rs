//! Another secret for an API Key, and the tags that bind secrets to a key's times.

use super::{api, grants::Grants, refuse_revoked, reopen};
use crate::{
    Context, Core, Error,
    log::{self, Action, Where},
    secret::{Bound, KeySecret},
};
use keywright_db::Tx;
use keywright_protocol::{KeyId, KeyKind, OrganizationId, Position, Time, mail::NewSecret};
use keywright_store::{
    changes::{self, ChangeKind},
    generations, keys,
    keys::NewVersion,
    managed_keys,
    managed_keys::{KeyRecord, VersionRow},
};
use std::{sync::Arc, time::Duration};

/// How long the old secret goes on when nobody says otherwise.
pub const DEFAULT_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);
/// How long it may go on.
pub const MAX_OVERLAP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How a key is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// How long the old secret stays valid beside the new one; zero ends it at once.
    pub overlap: Duration,
    /// Another expiry; without it the old one stays. A key that has expired needs one.
    pub expires_at: Option<Time>,
}

/// A key with another secret.
pub struct RotatedKey {
    /// The new secret; this is the only time that it is there.
    pub secret: KeySecret,
    /// The number of its version.
    pub version: i64,
    /// When the key expires.
    pub expires_at: Time,
    /// Until when the old secret is taken; `None` if it is not any more.
    pub old_secret_ends_at: Option<Time>,
    /// The position of the change.
    pub position: Position,
}

impl Core {
    /// Gives an API Key a new secret. What expired stays dead: the old secret of an expired key gets no overlap.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`] for keys and for whoever may do less than the key, [`Error::NotFresh`],
    /// [`Error::Invalid`] for overlap or expiry, [`Error::Conflict`] if it is revoked.
    pub async fn rotate_api_key(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, id: KeyId, how: Rotation) -> Result<RotatedKey, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        let rotated = self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                api::require_maker(&authority, ctx.now, "rotating a key")?;
                let mut key = api::find(tx, &authority, id).await?;
                api::require_owner_of_asker(&authority, &key)?;
                let grants = Grants::stored(&managed_keys::list_roles_of(tx, id).await?);
                core.require_covered(tx, &ctx, &grants).await?;
                refuse_revoked(&key)?;
                let old_expiry = key.expires_at;
                let longest = core.longest_key_life(tx, &authority.place).await?;
                key.expires_at = core.expiry_after_rotation((ctx.now, longest), (key.not_before, key.expires_at), how)?;
                let bits = core.set_expiry(tx, &key, old_expiry, ctx.now).await?;
                let (secret, version, ended) = core.replace_secret(tx, &key, how.overlap_at(ctx.now, old_expiry), ctx.now).await?;
                let bits: Vec<i64> = bits.into_iter().chain(ended).collect();
                changes::insert(tx, ChangeKind::Key, id.as_uuid(), &bits).await?;
                let old_secret_ends_at = how.overlap_at(ctx.now, old_expiry).map(|at| at.min(key.expires_at));
                let until = old_secret_ends_at.map_or_else(|| "the old secret is dead".to_owned(), |at| format!("the old secret until {at}"));
                let told = (id.to_string(), format!("{}: version {version}, expires {}, {until}", key.name, key.expires_at));
                log::change(tx, &ctx, &authority.by, Where::In(&authority.place), Action::ApiKeyRotate, told).await?;
                core.tell_new_secret(tx, &ctx, &authority.by, (&key, NewSecret::OfRotation)).await?;
                Ok((secret, version, key.expires_at, old_secret_ends_at))
            })
        });
        let rotated = rotated.await?;
        let (secret, version, expires_at, old_secret_ends_at) = rotated.value;
        Ok(RotatedKey { secret, version, expires_at, old_secret_ends_at, position: rotated.position })
    }

    /// When a key expires that is rotated now. A policy that is stricter than when the key was made holds from then on.
    pub(crate) fn expiry_after_rotation(&self, (now, longest): (Time, Duration), (not_before, expires_at): (Time, Time), how: Rotation) -> Result<Time, Error> {
        if how.overlap > MAX_OVERLAP {
            let reason = format!("must be {} at most, which is 30 days", MAX_OVERLAP.as_secs());
            return Err(Error::Invalid { field: "overlapSeconds", reason });
        }
        match how.expires_at {
            Some(at) => {
                let at = self.expiry_within(longest, now, Some(at))?;
                super::check_not_before(not_before, at).map(|()| at)
            }
            None if expires_at <= now => {
                let reason = format!("this key expired on {expires_at}; say until when it is to live");
                Err(Error::Invalid { field: "expiresAt", reason })
            }
            None => Ok(expires_at.min(now.plus(longest))),
        }
    }

    /// Another expiry binds every secret anew. An earlier one takes something from tokens that are out, so they end.
    async fn set_expiry(&self, tx: &mut Tx, key: &KeyRecord, old: Time, now: Time) -> Result<Vec<i64>, Error> {
        if key.expires_at == old {
            return Ok(Vec::new());
        }
        managed_keys::update_expiry(tx, key.id, key.expires_at).await?;
        self.bind_anew(tx, key, (key.not_before, old)).await?;
        if old < key.expires_at {
            return Ok(Vec::new());
        }
        let bits = generations::end_of_key(tx, key.id, now).await?;
        reopen(tx, key, now).await?;
        Ok(bits)
    }

    /// Adds a secret version and lets the older ones end: at once, or at a time. Answers also the status indices that ended.
    ///
    /// Tokens of the old secret that are out may live past a short overlap; then they end now, and the old secret gives new ones
    /// that do not.
    async fn replace_secret(&self, tx: &mut Tx, key: &KeyRecord, old_ends_at: Option<Time>, now: Time) -> Result<(KeySecret, i64, Vec<i64>), Error> {
        let version = managed_keys::list_versions(tx, key.id).await?.last().map_or(1, |newest| newest.version + 1);
        let (secret, digest, tag) = self.new_secret(key)?;
        keys::insert_version(tx, key.id, &NewVersion { version, digest, tag }, now).await?;
        match old_ends_at {
            None => managed_keys::end_versions_before(tx, key.id, version, now).await?,
            Some(at) => managed_keys::limit_versions_before(tx, key.id, version, at).await?,
        }
        let outlived = old_ends_at.is_none_or(|at| at < self.tokens_end_by(now));
        let bits = if outlived { generations::end_of_versions_before(tx, key.id, version, now).await? } else { Vec::new() };
        reopen(tx, key, now).await?;
        Ok((secret, version, bits))
    }

    fn new_secret(&self, key: &KeyRecord) -> Result<(KeySecret, [u8; 32], [u8; 32]), Error> {
        let secret = KeySecret::generate(&self.settings.key_prefix, KeyKind::ApiKey)?;
        let digest = self.digest_of_new(&secret)?;
        let tag = self.pepper.tag(&digest, &bound(key, (key.not_before, key.expires_at)));
        Ok((secret, digest, tag))
    }

    /// Binds every secret version to the times in `key`. One whose tag is not right for the times before was altered in the
    /// database, and must not become good by this.
    pub(super) async fn bind_anew(&self, tx: &mut Tx, key: &KeyRecord, before: (Time, Time)) -> Result<(), Error> {
        for VersionRow { version, digest, tag, .. } in managed_keys::list_versions(tx, key.id).await? {
            if !self.pepper.is_tag(&tag, &digest, &bound(key, before)) {
                tracing::error!(key_id = %key.id, version, "a stored credential does not carry its tag: it was altered in the database");
                continue;
            }
            let tag = self.pepper.tag(&digest, &bound(key, (key.not_before, key.expires_at)));
            managed_keys::update_tag(tx, key.id, version, &tag).await?;
        }
        Ok(())
    }
}

impl Rotation {
    /// When the old secret ends; `None` for at once.
    pub(crate) fn overlap_at(&self, now: Time, old_expiry: Time) -> Option<Time> {
        (!self.overlap.is_zero() && now < old_expiry).then(|| now.plus(self.overlap))
    }
}

fn bound(key: &KeyRecord, (not_before, expires_at): (Time, Time)) -> Bound {
    Bound { key_id: key.id, organization_id: key.organization_id, not_before, expires_at }
}
