//! API Keys: they belong to an organization, and may do what was granted to them there and below.

use super::{
    CreatedKey, KEY, Making,
    addresses::AddressList,
    check_not_before,
    grants::{Difference, Grants},
    refuse_revoked, reopen, require_person,
};
use crate::{
    Context, Core, Error,
    authorize::Authority,
    authorize::By,
    error::Forbidden,
    log::{self, Action, Where},
    names,
    operator::operator_organization,
    organizations::taken,
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{KeyId, KeyKind, OperatorScope, OrganizationId, Time, admin::RolesIn, mail::NewSecret};
use keywright_store::{
    changes::{self, ChangeKind},
    generations, key_lists, keys, managed_keys,
    managed_keys::KeyRecord,
    page::{Page, Part},
};
use std::sync::Arc;

/// What it takes to see API Keys.
pub(crate) const VIEW: &str = "organization.api-key.view";
/// What it takes to make and change them.
pub(crate) const MANAGE: &str = "organization.api-key.manage";
/// Longest description, in characters.
const MAX_DESCRIPTION_CHARS: usize = 1_000;
/// Longest metadata, in bytes of JSON.
const MAX_METADATA_BYTES: usize = 4 * 1024;

/// What an API Key is made of.
#[derive(Debug, Clone, Default)]
pub struct NewApiKey {
    /// Its name, unique among the organization's unrevoked ones.
    pub name: String,
    /// What it may do where.
    pub grants: Vec<RolesIn>,
    /// When it expires; without it after the default life.
    pub expires_at: Option<Time>,
    /// Not valid before; without it at once.
    pub not_before: Option<Time>,
    /// Networks that it is exchanged from; none for everywhere.
    pub allowed_addresses: Vec<String>,
    /// What people should know about it.
    pub description: String,
    /// A JSON object for the organization's own programs.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// Whether it can be revoked.
    pub protection: Protection,
    /// What it may ask about.
    pub introspection: Introspection,
}

/// Whether an API Key can be revoked by its organization.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protection {
    /// It can.
    #[default]
    Off,
    /// Not until the protection is off again. The host revokes it all the same.
    On,
}

/// What an API Key may ask about tokens and keys (RFC 7662).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Introspection {
    /// Those of its own root and its sub-organizations.
    #[default]
    OwnTree,
    /// Those of everybody. For keys of the operator organization, given by its Owners.
    Everything,
}

/// What changes about an API Key; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct ApiKeyChange {
    /// Another name; the earlier ones go on working.
    pub name: Option<String>,
    /// These grants and no others.
    pub grants: Option<Vec<RolesIn>>,
    /// Another begin.
    pub not_before: Option<Time>,
    /// These networks and no others; an empty list for everywhere.
    pub allowed_addresses: Option<Vec<String>>,
    /// Another description.
    pub description: Option<String>,
    /// Other metadata.
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// Another protection.
    pub protection: Option<Protection>,
    /// Something else to ask about.
    pub introspection: Option<Introspection>,
}

/// An API Key as its organization sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Everything but its grants.
    pub record: KeyRecord,
    /// What it may do where.
    pub grants: Vec<RolesIn>,
}

impl ApiKey {
    /// Networks that it is exchanged from; none for everywhere.
    pub fn allowed_addresses(&self) -> impl Iterator<Item = &str> {
        self.record.allowed_addresses.split_whitespace()
    }
}

/// A page of an organization's API Keys.
pub(crate) async fn list(tx: &mut Tx, organization: OrganizationId, part: Part) -> Result<Page<ApiKey>, Error> {
    let (page, roles) = key_lists::list_api(tx, organization, part).await?;
    let of = |id: KeyId| Grants::stored(roles.iter().filter(|role| role.key_id == id)).shown();
    Ok(page.map(|record| ApiKey { grants: of(record.id), record }))
}

impl Core {
    /// Makes an API Key with nothing but a name, grants and an expiry.
    ///
    /// # Errors
    /// As [`Core::make_api_key`].
    pub async fn create_api_key(
        self: &Arc<Self>,
        ctx: &Context,
        organization: OrganizationId,
        name: &str,
        grants: &[RolesIn],
        expires_at: Option<Time>,
    ) -> Result<CreatedKey, Error> {
        let new = NewApiKey { name: name.to_owned(), grants: grants.to_vec(), expires_at, ..NewApiKey::default() };
        self.make_api_key(ctx, organization, new).await
    }

    /// Makes an API Key with roles in its organization and in sub-organizations of it, all of them within its maker's own.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::NotFresh`], [`Error::Invalid`] for whatever cannot be used,
    /// [`Error::Conflict`] for a name that is taken or at the limit.
    pub async fn make_api_key(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, new: NewApiKey) -> Result<CreatedKey, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        let made = self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                require_maker(&authority, ctx.now, "making an API Key")?;
                let grants = Grants::of(&new.grants);
                grants.check(tx, &authority, &Grants::default()).await?;
                core.require_covered(tx, &ctx, &grants).await?;
                core.require_room_for_key(tx, authority.place.root_id).await?;
                let expires_at = core.expiry(tx, &authority.place, ctx.now, new.expires_at).await?;
                let not_before = new.not_before.unwrap_or(ctx.now);
                check_not_before(not_before, expires_at)?;
                let making = Making { kind: KeyKind::ApiKey, name: &new.name, not_before, expires_at, membership_id: None };
                let (row, secret) = core.insert_key(tx, &ctx, &authority, &making).await?;
                let mut record = managed_keys::find(tx, row.id, organization).await?.ok_or(KEY)?;
                record.allowed_addresses = AddressList::parse(&new.allowed_addresses)?.to_stored();
                record.description = description(&new.description)?;
                record.metadata = metadata(&new.metadata)?;
                record.protected_at = (new.protection == Protection::On).then_some(ctx.now);
                record.introspects_at = (new.introspection == Introspection::Everything).then_some(ctx.now);
                core.require_introspection(tx, &authority, None, &record).await?;
                managed_keys::update_details(tx, &record).await?;
                write_roles(tx, row.id, &grants, grants.shown().iter().map(|grant| grant.organization_id)).await?;
                let told = (row.id.to_string(), format!("{}: {}", row.name, in_words(&grants)));
                log::change(tx, &ctx, &authority.by, Where::In(&authority.place), Action::ApiKeyCreate, told).await?;
                core.tell_new_secret(tx, &ctx, &authority.by, (&record, NewSecret::OfNewKey)).await?;
                Ok((record, grants.shown(), secret))
            })
        });
        Ok(CreatedKey::of(made.await?))
    }

    /// A part of the API Keys of an organization, in whatever state, oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn list_api_keys(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, part: Part) -> Result<Page<ApiKey>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    core.authority(tx, &ctx, organization).await?.require(VIEW)?;
                    list(tx, organization, part).await
                })
            })
            .await
    }

    /// One API Key of an organization.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn get_api_key(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, id: KeyId) -> Result<ApiKey, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let authority = core.authority(tx, &ctx, organization).await?;
                    authority.require(VIEW)?;
                    let record = find(tx, &authority, id).await?;
                    let grants = Grants::stored(&managed_keys::list_roles_of(tx, id).await?).shown();
                    Ok(ApiKey { record, grants })
                })
            })
            .await
    }

    /// Changes an API Key; its secret stays. Whatever widens it needs a fresh session of somebody who may do all that it may
    /// afterwards; whatever narrows it ends the generations that lose something.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::NotFresh`], [`Error::Invalid`] for whatever cannot be used,
    /// [`Error::Conflict`] for a name that is taken or a key that is revoked.
    pub async fn update_api_key(
        self: &Arc<Self>,
        ctx: &Context,
        organization: OrganizationId,
        id: KeyId,
        change: ApiKeyChange,
    ) -> Result<Committed<ApiKey>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                require_person(&authority, "changing a key")?;
                authority.require(MANAGE)?;
                let before = find(tx, &authority, id).await?;
                refuse_revoked(&before)?;
                let had = Grants::stored(&managed_keys::list_roles_of(tx, id).await?);
                let has = change.grants.as_deref().map_or_else(|| had.clone(), Grants::of);
                has.check(tx, &authority, &had).await?;
                let after = change.apply(&before, ctx.now)?;
                let difference = has.difference(&had, &authority.catalog);
                core.require_introspection(tx, &authority, Some(&before), &after).await?;
                let turn = Turn::new(&before, &after, &difference, ctx.now)?;
                if turn.widens {
                    require_owner_of_asker(&authority, &before)?;
                    authority.require_fresh_or_scope(ctx.now, "widening a key", OperatorScope::Keys)?;
                    core.require_covered(tx, &ctx, &has).await?;
                }
                let done = ApiKey { grants: has.shown(), record: after };
                if done.record == before && difference.changed.is_empty() {
                    return Ok(done);
                }
                core.write_change(tx, &before, &done.record).await?;
                write_roles(tx, id, &has, difference.changed.iter().copied()).await?;
                let bits = turn.end(tx, &done.record, &difference.lost, ctx.now).await?;
                changes::insert(tx, ChangeKind::Key, id.as_uuid(), &bits).await?;
                let told = (id.to_string(), told_of(&before, &done.record, (&had, &has)));
                log::change(tx, &ctx, &authority.by, Where::In(&authority.place), Action::ApiKeyUpdate, told).await?;
                Ok(done)
            })
        })
        .await
    }

    /// Asking about everybody is for the operator organization, and given by its Owners alone.
    async fn require_introspection(&self, tx: &mut Tx, authority: &Authority, before: Option<&KeyRecord>, after: &KeyRecord) -> Result<(), Error> {
        if after.introspects_at.is_none() || before.is_some_and(|before| before.introspects_at.is_some()) {
            return Ok(());
        }
        if operator_organization(tx).await? != Some(authority.place.id) {
            let reason = "is for API Keys of the operator organization; every other one may ask about its own organizations without it".to_owned();
            return Err(Error::Invalid { field: "introspect", reason });
        }
        if authority.is_owner() { Ok(()) } else { Err(Forbidden::because("only an Owner lets a key ask about every token of the installation").into()) }
    }

    async fn write_change(&self, tx: &mut Tx, before: &KeyRecord, after: &KeyRecord) -> Result<(), Error> {
        if before.name != after.name {
            managed_keys::update_name(tx, after.id, &after.name).await.map_err(|error| taken(error, super::NAME_TAKEN))?;
        }
        managed_keys::update_details(tx, after).await?;
        if before.not_before != after.not_before {
            self.bind_anew(tx, after, (before.not_before, before.expires_at)).await?;
        }
        Ok(())
    }

    /// Suspends an API Key until it is resumed; its generations end. Suspending it again changes nothing and succeeds.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Conflict`] if it is revoked.
    pub async fn suspend_api_key(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, id: KeyId) -> Result<Committed<()>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                authority.require(MANAGE)?;
                let key = find(tx, &authority, id).await?;
                refuse_revoked(&key)?;
                let is_first = managed_keys::suspend(tx, id, ctx.now).await?;
                let bits = generations::end_of_key(tx, id, ctx.now).await?;
                changes::insert(tx, ChangeKind::Key, id.as_uuid(), &bits).await?;
                if is_first {
                    log::change(tx, &ctx, &authority.by, Where::In(&authority.place), Action::ApiKeySuspend, (id.to_string(), key.name)).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Takes a suspension back. Without one nothing changes, and it succeeds.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`] for keys and for whoever may do less than the key, [`Error::NotFresh`],
    /// [`Error::Conflict`] if it is revoked.
    pub async fn resume_api_key(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, id: KeyId) -> Result<Committed<()>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                require_maker(&authority, ctx.now, "resuming a key")?;
                let key = find(tx, &authority, id).await?;
                require_owner_of_asker(&authority, &key)?;
                let grants = Grants::stored(&managed_keys::list_roles_of(tx, id).await?);
                core.require_covered(tx, &ctx, &grants).await?;
                refuse_revoked(&key)?;
                if managed_keys::resume(tx, id).await? {
                    reopen(tx, &key, ctx.now).await?;
                    changes::insert(tx, ChangeKind::Key, id.as_uuid(), &[]).await?;
                    log::change(tx, &ctx, &authority.by, Where::In(&authority.place), Action::ApiKeyResume, (id.to_string(), key.name)).await?;
                }
                Ok(())
            })
        })
        .await
    }
}

impl ApiKeyChange {
    /// The record as it is to be.
    fn apply(&self, before: &KeyRecord, now: Time) -> Result<KeyRecord, Error> {
        let mut after = before.clone();
        if let Some(name) = &self.name {
            after.name = names::name("name", name)?;
        }
        if let Some(at) = self.not_before {
            check_not_before(at, before.expires_at)?;
            after.not_before = at;
        }
        if let Some(addresses) = &self.allowed_addresses {
            after.allowed_addresses = AddressList::parse(addresses)?.to_stored();
        }
        if let Some(text) = &self.description {
            after.description = description(text)?;
        }
        if let Some(object) = &self.metadata {
            after.metadata = metadata(object)?;
        }
        match self.protection {
            None => {}
            Some(Protection::Off) => after.protected_at = None,
            Some(Protection::On) => after.protected_at = after.protected_at.or(Some(now)),
        }
        match self.introspection {
            None => {}
            Some(Introspection::OwnTree) => after.introspects_at = None,
            Some(Introspection::Everything) => after.introspects_at = after.introspects_at.or(Some(now)),
        }
        Ok(after)
    }
}

/// What a change does to whoever holds the key and its tokens.
struct Turn {
    /// Whether the key may do anything, at any time or from anywhere, that it might not before.
    widens: bool,
    /// Whether tokens end wherever they are for: what they lose is not a matter of one organization.
    ends_all: bool,
}

impl Turn {
    fn new(before: &KeyRecord, after: &KeyRecord, grants: &Difference, now: Time) -> Result<Self, Error> {
        let (old, new) = (AddressList::load(&before.allowed_addresses)?, AddressList::load(&after.allowed_addresses)?);
        let asks_more = before.introspects_at.is_none() && after.introspects_at.is_some();
        let widens = grants.gains || asks_more || !new.is_within(&old) || after.not_before < before.not_before;
        let waits = before.not_before < after.not_before && now < after.not_before;
        Ok(Self { widens, ends_all: waits || !old.is_within(&new) })
    }

    async fn end(&self, tx: &mut Tx, key: &KeyRecord, lost: &[OrganizationId], now: Time) -> Result<Vec<i64>, Error> {
        let mut bits = Vec::new();
        if self.ends_all {
            bits = generations::end_of_key(tx, key.id, now).await?;
        } else {
            for organization in lost {
                bits.append(&mut generations::end_of_key_in(tx, key.id, *organization, now).await?);
            }
        }
        if !bits.is_empty() {
            reopen(tx, key, now).await?;
        }
        Ok(bits)
    }
}

/// Whoever makes, widens, rotates or revives a key: a person with a fresh session who may manage keys, or an operator key for
/// keys. Another key is told so first, since no role would help it.
pub(super) fn require_maker(authority: &Authority, now: Time, what: &'static str) -> Result<(), Error> {
    if matches!(authority.by, By::Key { .. }) {
        authority.require_fresh_person(now, what)?;
    }
    authority.require(MANAGE)?;
    authority.require_fresh_or_scope(now, what, OperatorScope::Keys)
}

/// A key that asks about everybody is an Owner's to hand out, by whatever way its secret or its reach comes to somebody.
pub(super) fn require_owner_of_asker(authority: &Authority, key: &KeyRecord) -> Result<(), Error> {
    if key.introspects_at.is_none() || authority.is_owner() {
        return Ok(());
    }
    Err(Forbidden::because("this key may ask about every token of the installation, so that only an Owner does that with it; take `introspect` from it first")
        .into())
}

/// An API Key of the organization in question.
pub(super) async fn find(tx: &mut Tx, authority: &Authority, id: KeyId) -> Result<KeyRecord, Error> {
    managed_keys::find(tx, id, authority.place.id).await?.filter(|key| key.kind == KeyKind::ApiKey).ok_or(KEY)
}

/// Writes a key's roles anew in some organizations.
async fn write_roles(tx: &mut Tx, id: KeyId, grants: &Grants, organizations: impl Iterator<Item = OrganizationId> + Send) -> Result<(), Error> {
    for organization in organizations {
        managed_keys::delete_roles(tx, id, organization).await?;
        for role in grants.roles_in(organization) {
            keys::insert_role(tx, id, organization, &role).await?;
        }
    }
    Ok(())
}

fn description(text: &str) -> Result<String, Error> {
    let (text, allowed) = (text.trim(), |character: char| !character.is_control() || character == '\n');
    if text.chars().count() <= MAX_DESCRIPTION_CHARS && text.chars().all(allowed) {
        return Ok(text.to_owned());
    }
    let reason = format!("must have {MAX_DESCRIPTION_CHARS} characters at most, none of them a control character but line breaks");
    Err(Error::Invalid { field: "description", reason })
}

pub(crate) fn metadata(object: &serde_json::Map<String, serde_json::Value>) -> Result<String, Error> {
    let text = serde_json::to_string(object).map_err(|_| Error::Internal("metadata cannot be written"))?;
    if text.len() <= MAX_METADATA_BYTES {
        return Ok(text);
    }
    Err(Error::Invalid { field: "metadata", reason: format!("must have {MAX_METADATA_BYTES} bytes at most, this has {}", text.len()) })
}

/// What the log says of a change; descriptions and metadata are only named.
fn told_of(before: &KeyRecord, after: &KeyRecord, (had, has): (&Grants, &Grants)) -> String {
    let mut parts = vec![after.name.clone()];
    let mut tell = |what: &str, from: String, to: String| {
        if from != to {
            parts.push(format!("{what} from [{from}] to [{to}]"));
        }
    };
    tell("name", before.name.clone(), after.name.clone());
    tell("grants", in_words(had), in_words(has));
    tell("addresses", before.allowed_addresses.clone(), after.allowed_addresses.clone());
    tell("not before", before.not_before.to_string(), after.not_before.to_string());
    tell("introspects", before.introspects_at.is_some().to_string(), after.introspects_at.is_some().to_string());
    tell("protected", before.protected_at.is_some().to_string(), after.protected_at.is_some().to_string());
    if before.description != after.description {
        parts.push("description".to_owned());
    }
    if before.metadata != after.metadata {
        parts.push("metadata".to_owned());
    }
    parts.join("; ")
}

fn in_words(grants: &Grants) -> String {
    grants.shown().iter().map(|grant| format!("{}: {}", grant.organization_id, grant.roles.join(" "))).collect::<Vec<_>>().join(", ")
}
