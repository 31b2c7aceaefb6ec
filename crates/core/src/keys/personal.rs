//! Personal Access Keys: whoever is a direct member makes his own, Owners see and revoke them all.

use super::{CreatedKey, KEY, Making, require_person};
use crate::{
    Context, Core, Error,
    authorize::{Authority, By},
    error::Forbidden,
    log::{self, Action, Where},
    names,
    policy::require_personal_keys,
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{KeyId, KeyKind, OperatorScope, OrganizationId, Time, UserId, mail::NewSecret};
use keywright_store::{
    changes::{self, ChangeKind},
    key_lists, keys, managed_keys,
    managed_keys::KeyRecord,
    memberships,
    page::{Page, Part},
};
use std::sync::Arc;

impl Core {
    /// Makes a Personal Access Key for a direct member: by himself, or on the host.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`] for keys, for somebody else's key and for inherited members, [`Error::NotFresh`],
    /// [`Error::Invalid`] for name or expiry, [`Error::Conflict`] at the limit.
    pub async fn create_personal_access_key(
        self: &Arc<Self>,
        ctx: &Context,
        organization: OrganizationId,
        user: UserId,
        name: &str,
        expires_at: Option<Time>,
    ) -> Result<CreatedKey, Error> {
        self.make_personal(ctx, organization, Some(user), name, expires_at).await
    }

    /// The same for whoever acts.
    ///
    /// # Errors
    /// Those.
    pub async fn create_own_personal_access_key(
        self: &Arc<Self>,
        ctx: &Context,
        organization: OrganizationId,
        name: &str,
        expires_at: Option<Time>,
    ) -> Result<CreatedKey, Error> {
        self.make_personal(ctx, organization, None, name, expires_at).await
    }

    async fn make_personal(
        self: &Arc<Self>,
        ctx: &Context,
        organization: OrganizationId,
        user: Option<UserId>,
        name: &str,
        expires_at: Option<Time>,
    ) -> Result<CreatedKey, Error> {
        let (name, core, ctx) = (name.to_owned(), Arc::clone(self), ctx.clone());
        let made = self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                authority.require_fresh_person(ctx.now, "making a Personal Access Key")?;
                let holder = holder_of_new(&authority, user)?;
                let member = memberships::find(tx, organization, holder).await?.ok_or_else(|| no_direct_member(&authority))?;
                let limit = core.settings.personal_access_keys_per_member;
                if keys::count_of_membership(tx, member.id).await? >= limit {
                    return Err(Error::Conflict(format!("a member has {limit} Personal Access Keys at most; revoke one first")));
                }
                require_personal_keys(tx, &authority.place).await?;
                let expires_at = core.expiry(tx, &authority.place, ctx.now, expires_at).await?;
                let making = Making { kind: KeyKind::PersonalAccessKey, name: &name, not_before: ctx.now, expires_at, membership_id: Some(member.id) };
                let (new, secret) = core.insert_key(tx, &ctx, &authority, &making).await?;
                let told = (new.id.to_string(), format!("{} of {}", new.name, member.email));
                log::change(tx, &ctx, &authority.by, Where::In(&authority.place), Action::PatCreate, told).await?;
                let record = managed_keys::find(tx, new.id, organization).await?.ok_or(KEY)?;
                core.tell_new_secret(tx, &ctx, &authority.by, (&record, NewSecret::OfNewKey)).await?;
                Ok((record, Vec::new(), secret))
            })
        });
        Ok(CreatedKey::of(made.await?))
    }

    /// The Personal Access Keys of an organization, oldest first: one's own, and for its Owners everybody's.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn list_personal_access_keys(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, part: Part) -> Result<Page<KeyRecord>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let authority = core.authority(tx, &ctx, organization).await?;
                    authority.by.require_scope(OperatorScope::Keys)?;
                    if authority.is_owner() || authority.by.has_scope(OperatorScope::Keys) {
                        return Ok(key_lists::list_personal(tx, organization, part).await?);
                    }
                    match holder_of(&authority.by) {
                        Some(holder) => Ok(key_lists::list_of_holder(tx, organization, holder, part).await?),
                        None => Ok(Page { rows: Vec::new(), total: 0 }),
                    }
                })
            })
            .await
    }

    /// One of the Personal Access Keys that [`Core::list_personal_access_keys`] lists.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get_personal_access_key(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, id: KeyId) -> Result<KeyRecord, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let authority = core.authority(tx, &ctx, organization).await?;
                    authority.by.require_scope(OperatorScope::Keys)?;
                    let key = managed_keys::find(tx, id, organization).await?;
                    key.filter(|key| key.kind == KeyKind::PersonalAccessKey && sees(&authority, key)).ok_or(KEY)
                })
            })
            .await
    }

    /// Gives one's own Personal Access Key another name.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`] for keys and for another member's key, [`Error::Invalid`] for the name,
    /// [`Error::Conflict`] if it is revoked.
    pub async fn rename_personal_access_key(
        self: &Arc<Self>,
        ctx: &Context,
        organization: OrganizationId,
        id: KeyId,
        name: &str,
    ) -> Result<Committed<KeyRecord>, Error> {
        let (name, core, ctx) = (name.to_owned(), Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                require_person(&authority, "renaming a key")?;
                let key = managed_keys::find(tx, id, organization).await?;
                let key = key.filter(|key| key.kind == KeyKind::PersonalAccessKey && sees(&authority, key)).ok_or(KEY)?;
                if authority.by != By::Host && !key.user_id.is_some_and(|holder| authority.by.is(holder)) {
                    return Err(Forbidden::because("only its holder renames a Personal Access Key; an Owner may revoke it").into());
                }
                let name = names::name("name", &name)?;
                super::refuse_revoked(&key)?;
                managed_keys::update_name(tx, id, &name).await?;
                changes::insert(tx, ChangeKind::Key, id.as_uuid(), &[]).await?;
                let told = (id.to_string(), format!("from {} to {name}", key.name));
                log::change(tx, &ctx, &authority.by, Where::In(&authority.place), Action::PatRename, told).await?;
                Ok(KeyRecord { name, ..key })
            })
        })
        .await
    }
}

/// Whether somebody sees a Personal Access Key, and may revoke it: its holder, the Owners, and operator keys for keys.
pub(crate) fn sees(authority: &Authority, key: &KeyRecord) -> bool {
    authority.is_owner() || authority.by.has_scope(OperatorScope::Keys) || key.user_id.is_some_and(|holder| authority.by.is(holder))
}

/// How many Personal Access Keys somebody sees in an organization.
pub(crate) async fn count(tx: &mut Tx, authority: &Authority) -> Result<i64, Error> {
    let organization = authority.place.id;
    if authority.is_owner() || authority.by.has_scope(OperatorScope::Keys) {
        return Ok(key_lists::count_personal(tx, organization).await?);
    }
    match holder_of(&authority.by) {
        Some(holder) => Ok(key_lists::count_of_holder(tx, organization, holder).await?),
        None => Ok(0),
    }
}

/// The person behind whoever acts; nobody behind an API Key.
fn holder_of(by: &By) -> Option<UserId> {
    match by {
        By::Host | By::Operator { .. } => None,
        By::Key { holder, .. } => *holder,
        By::Person { id, .. } => Some(*id),
    }
}

/// Everybody makes his own; on the host for anybody.
fn holder_of_new(authority: &Authority, user: Option<UserId>) -> Result<UserId, Error> {
    let others = || Forbidden::because("everybody makes Personal Access Keys for himself alone; for a program make an API Key").into();
    match (&authority.by, user) {
        (By::Host, Some(user)) => Ok(user),
        (By::Person { id, .. }, None) => Ok(*id),
        (By::Person { id, .. }, Some(user)) if *id == user => Ok(user),
        (By::Host | By::Key { .. } | By::Person { .. } | By::Operator { .. }, _) => Err(others()),
    }
}

fn no_direct_member(authority: &Authority) -> Error {
    if authority.by == By::Host {
        return Error::NotFound("direct member");
    }
    let reason = format!(
        "you belong to {} through its root organization, and keys are for direct members; use a key of the root and name this organization when you exchange it (subOrganization={})",
        authority.place.name, authority.place.id
    );
    Forbidden::because(reason).into()
}
