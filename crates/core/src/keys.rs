//! Making, listing and revoking keys.

use crate::{
    Context, Core, Error,
    authorize::By,
    chance,
    log::{self, Action, Where},
    members::{check_roles, reachable},
    names,
    organizations::taken,
    secret::{Bound, KeySecret},
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{KeyId, KeyKind, OrganizationId, Time, UserId, admin::RolesIn, secret as shape};
use keywright_store::{
    changes::{self, ChangeKind},
    generations,
    keys::{self, KeyRow, NewKey, NewVersion},
    memberships, organizations,
};
use std::sync::Arc;

/// A key just made.
pub struct CreatedKey {
    /// Its id.
    pub id: KeyId,
    /// The secret; this is the only time that it is there.
    pub secret: KeySecret,
    /// When it expires.
    pub expires_at: Time,
}

impl Core {
    /// Makes a Personal Access Key for a direct member.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the user is no direct member, [`Error::Invalid`] for name or expiry, [`Error::Conflict`] at the limit.
    pub async fn create_personal_access_key(
        self: &Arc<Self>,
        ctx: &Context,
        organization: OrganizationId,
        user: UserId,
        name: &str,
        expires_at: Option<Time>,
    ) -> Result<CreatedKey, Error> {
        ctx.authorize_host()?;
        let (mut new, secret, version) = self.prepare(ctx, KeyKind::PersonalAccessKey, organization, name, expires_at)?;
        let limit = self.settings.personal_access_keys_per_member;
        let (id, expires_at, ctx) = (new.id, new.expires_at, ctx.clone());
        self.write(move |tx| {
            Box::pin(async move {
                let place = organizations::find(tx, organization).await?.ok_or(Error::NotFound("organization"))?;
                let member = memberships::find(tx, organization, user).await?.ok_or(Error::NotFound("direct member"))?;
                if keys::count_of_membership(tx, member.id).await? >= limit {
                    return Err(Error::Conflict(format!("a member has {limit} Personal Access Keys at most; revoke one first")));
                }
                new.membership_id = Some(member.id);
                insert(tx, &new, &version, &[]).await?;
                let told = (new.id.to_string(), format!("{} of {}", new.name, member.email));
                log::change(tx, &ctx, &By::Host, Where::In(&place), Action::PatCreate, told).await
            })
        })
        .await?;
        Ok(CreatedKey { id, secret, expires_at })
    }

    /// Makes an API Key with roles in its organization and in sub-organizations of it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] for name, expiry, role or an organization out of reach, [`Error::Conflict`] for a
    /// name that is taken or at the limit.
    pub async fn create_api_key(
        self: &Arc<Self>,
        ctx: &Context,
        organization: OrganizationId,
        name: &str,
        grants: &[RolesIn],
        expires_at: Option<Time>,
    ) -> Result<CreatedKey, Error> {
        ctx.authorize_host()?;
        let (mut new, secret, version) = self.prepare(ctx, KeyKind::ApiKey, organization, name, expires_at)?;
        new.email = Some(self.identity_of(&new));
        let limit = self.settings.api_keys_per_root;
        let (id, expires_at, grants, ctx, core) = (new.id, new.expires_at, grants.to_vec(), ctx.clone(), Arc::clone(self));
        self.write(move |tx| {
            Box::pin(async move {
                let home = organizations::find(tx, organization).await?.ok_or(Error::NotFound("organization"))?;
                let catalog = core.catalog_at(tx).await?;
                for grant in &grants {
                    check_roles(&catalog, &grant.roles)?;
                    if reachable(tx, &home, grant.organization_id).await?.is_none() {
                        let reason = format!("{} is neither the key's organization nor a sub-organization of it", grant.organization_id);
                        return Err(Error::Invalid { field: "grants", reason });
                    }
                }
                if keys::count_api_of_root(tx, home.root_id).await? >= limit {
                    return Err(Error::Conflict(format!("a root and its sub-organizations have {limit} API Keys at most; revoke one first")));
                }
                insert(tx, &new, &version, &grants).await?;
                log::change(tx, &ctx, &By::Host, Where::In(&home), Action::ApiKeyCreate, (new.id.to_string(), new.name.clone())).await
            })
        })
        .await?;
        Ok(CreatedKey { id, secret, expires_at })
    }

    /// Revokes a key for ever; its generations end. Revoking it again changes nothing and succeeds.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revoke_key(self: &Arc<Self>, ctx: &Context, id: KeyId) -> Result<Committed<()>, Error> {
        ctx.authorize_host()?;
        let ctx = ctx.clone();
        self.write(move |tx| {
            Box::pin(async move {
                let row = keys::find_by_id(tx, id, None).await?.ok_or(Error::NotFound("key"))?;
                let is_first = keys::revoke(tx, id, ctx.now).await?;
                let bits = generations::end_of_key(tx, id, ctx.now).await?;
                changes::insert(tx, ChangeKind::Key, id.as_uuid(), &bits).await?;
                let place = organizations::find(tx, row.organization_id).await?;
                if let Some(place) = place.filter(|_| is_first) {
                    let action = if row.kind == KeyKind::ApiKey { Action::ApiKeyRevoke } else { Action::PatRevoke };
                    log::change(tx, &ctx, &By::Host, Where::In(&place), action, (id.to_string(), row.name)).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// The keys of an organization, oldest first, without secrets.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn list_keys(self: &Arc<Self>, ctx: &Context, organization: OrganizationId) -> Result<Vec<KeyRow>, Error> {
        ctx.authorize_host()?;
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    organizations::find(tx, organization).await?.ok_or(Error::NotFound("organization"))?;
                    keys::list(tx, organization).await.map_err(Error::from)
                })
            })
            .await
    }

    /// Everything about a new key that needs no database.
    fn prepare(
        self: &Arc<Self>,
        ctx: &Context,
        kind: KeyKind,
        organization: OrganizationId,
        name: &str,
        expires_at: Option<Time>,
    ) -> Result<(NewKey, KeySecret, NewVersion), Error> {
        let expires_at = self.expiry(ctx.now, expires_at)?;
        let new = NewKey {
            id: chance::id()?,
            kind,
            organization_id: organization,
            membership_id: None,
            name: names::name("name", name)?,
            email: None,
            created_at: ctx.now,
            created_by: "system".to_owned(),
            not_before: ctx.now,
            expires_at,
        };
        let secret = KeySecret::generate(&self.settings.key_prefix, kind)?;
        let whole = shape::inspect(secret.reveal()).map_err(|_| Error::Internal("a new key is not whole"))?;
        let digest = *self.pepper.digest(whole).as_bytes();
        let bound = Bound { key_id: new.id, organization_id: organization, not_before: new.not_before, expires_at };
        let version = NewVersion { version: 1, digest, tag: self.pepper.tag(&digest, &bound) };
        Ok((new, secret, version))
    }

    fn expiry(&self, now: Time, wished: Option<Time>) -> Result<Time, Error> {
        let invalid = |reason: String| Err(Error::Invalid { field: "expiresAt", reason });
        let latest = now.plus(self.settings.key_life_ceiling);
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

async fn insert(tx: &mut Tx, new: &NewKey, version: &NewVersion, grants: &[RolesIn]) -> Result<(), Error> {
    keys::insert(tx, new).await.map_err(|error| taken(error, "an API Key of this organization has that name already"))?;
    for grant in grants {
        for role in &grant.roles {
            keys::insert_role(tx, new.id, grant.organization_id, role).await.map_err(|error| taken(error, "a role stands twice for the same organization"))?;
        }
    }
    keys::insert_version(tx, new.id, version, new.created_at).await?;
    generations::open(tx, new.id, version.version, new.organization_id, new.created_at).await?;
    changes::insert(tx, ChangeKind::Key, new.id.as_uuid(), &[]).await?;
    Ok(())
}
