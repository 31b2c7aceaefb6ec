//! Webhooks: an organization's changes are sent to an address of its choice. Here they are made and changed; what is sent is written
//! by `webhooks/events.rs` and handed out by `webhooks/delivery.rs`.
//!
//! A webhook hears what the log of changes says. So whoever manages one must be allowed to read that, and of one that hears of
//! sub-organizations too, as an Owner of the root.

pub mod actions;
pub mod delivery;
pub(crate) mod events;

use crate::{
    Context, Core, Error, Forbidden, KeyFile,
    authorize::Authority,
    chance,
    invitations::by_text,
    log::{self, Action, Where},
    names,
};
use actions::Heard;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keywright_db::{Committed, Tx};
use keywright_protocol::{DeliveryId, OrganizationId, Time, WebhookId, catalog::OWNER, secret::WEBHOOK_PREFIX};
pub use keywright_store::webhook_deliveries::DeliveryRow;
use keywright_store::{
    webhook_deliveries as deliveries,
    webhooks::{self, WebhookRow},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What it takes to manage them; besides, what they hear must be one's own to read.
const MANAGE: &str = "organization.profile.manage";
const HEAR: &str = "organization.activity.view";
/// Webhooks of a root and its sub-organizations.
pub const PER_ROOT: i64 = 20;
const WEBHOOK: Error = Error::NotFound("webhook");
const DELIVERY: Error = Error::NotFound("delivery");

/// Whose changes a webhook hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Its organization's.
    Organization,
    /// Those of a root and everything below it.
    Tree,
}

/// Whether a webhook is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is.
    Active,
    /// Not until it is resumed.
    Suspended,
}

/// What a webhook is made of.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// What people call it.
    pub name: String,
    /// Where it sends, as whoever sends has checked and written it.
    pub url: String,
    /// What it hears of; nothing for everything.
    pub actions: Vec<String>,
    /// Whose changes.
    pub reach: Reach,
}

/// What changes about a webhook; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct WebhookChange {
    /// Another name.
    pub name: Option<String>,
    /// Another address, as whoever sends has checked and written it.
    pub url: Option<String>,
    /// These actions and no others; nothing for everything.
    pub actions: Option<Vec<String>>,
    /// Others' changes too, or not any more.
    pub reach: Option<Reach>,
    /// Suspended or resumed.
    pub state: Option<State>,
}

/// A webhook as its organization sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// What people call it.
    pub name: String,
    /// Where it sends; `None` if the row was altered in the database, so that nothing is sent.
    pub url: Option<String>,
    /// What it hears of.
    pub actions: Heard,
    /// Whose changes.
    pub reach: Reach,
    /// When it was made.
    pub created_at: Time,
    /// By whom: a kind and an id, or `host`.
    pub created_by: String,
    /// Since when it is suspended.
    pub suspended_at: Option<Time>,
    /// Why, if that was nobody's wish; empty otherwise.
    pub suspended_for: String,
    /// Since when every attempt has failed.
    pub failing_since: Option<Time>,
}

/// A part of what was sent to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deliveries {
    /// Latest first.
    pub rows: Vec<DeliveryRow>,
    /// Where the list goes on; `None` at its end.
    pub next: Option<String>,
}

/// What is sealed of a webhook.
#[derive(Serialize, Deserialize)]
pub(crate) struct Sealed {
    pub(crate) url: String,
    pub(crate) secret: Zeroizing<String>,
}

/// What it is sealed for: moved to another row or organization, it does not open.
fn purpose(id: WebhookId, organization: OrganizationId) -> String {
    format!("webhook {id} {organization}")
}

fn sealed(key_file: &KeyFile, row: &WebhookRow, content: &Sealed) -> Result<Vec<u8>, Error> {
    let text = Zeroizing::new(serde_json::to_vec(content).map_err(|_| Error::Internal("a webhook cannot be written"))?);
    key_file.seal(&purpose(row.id, row.organization_id), &text)
}

pub(crate) fn opened(key_file: &KeyFile, row: &WebhookRow) -> Result<Sealed, Error> {
    let text = key_file.open(&purpose(row.id, row.organization_id), &row.sealed)?;
    serde_json::from_slice(&text).map_err(|_| Error::Internal("a webhook cannot be read"))
}

/// 256 random bits, as Standard Webhooks writes them.
fn new_secret() -> Result<Zeroizing<String>, Error> {
    Ok(Zeroizing::new(format!("{WEBHOOK_PREFIX}{}", STANDARD.encode(chance::bytes::<32>()?))))
}

fn reach_of(row: &WebhookRow) -> Reach {
    if row.tree_since.is_some() { Reach::Tree } else { Reach::Organization }
}

impl Core {
    /// Whether somebody may say where a webhook sends, before the address is looked up; `what` is what he does. The operation itself
    /// asks again.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::NotFresh`].
    pub async fn require_webhook_maker(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, what: &'static str) -> Result<(), Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db.read(move |tx| Box::pin(async move { core.webhook_manager(tx, &ctx, organization).await?.require_fresh_person(ctx.now, what) })).await
    }

    async fn webhook_manager(&self, tx: &mut Tx, ctx: &Context, organization: OrganizationId) -> Result<Authority, Error> {
        let authority = self.authority(tx, ctx, organization).await?;
        authority.require(MANAGE)?;
        authority.require(HEAR)?;
        Ok(authority)
    }

    /// Makes a webhook. Answers it with its secret, which nobody sees again.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`] also for keys, [`Error::NotFresh`], [`Error::Invalid`], [`Error::Conflict`] at the
    /// limit.
    pub async fn create_webhook(
        self: &Arc<Self>,
        ctx: &Context,
        organization: OrganizationId,
        new: NewWebhook,
    ) -> Result<Committed<(Webhook, Zeroizing<String>)>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.webhook_manager(tx, &ctx, organization).await?;
                authority.require_fresh_person(ctx.now, MAKING)?;
                require_reach(&authority, new.reach)?;
                let (name, heard) = (names::name("name", &new.name)?, Heard::parse(&new.actions)?);
                let place = &authority.place;
                if webhooks::count_of_root(tx, place.root_id).await? >= PER_ROOT {
                    return Err(Error::Conflict(format!("an organization and its sub-organizations have {PER_ROOT} webhooks at most; delete one first")));
                }
                let mut row = WebhookRow {
                    id: chance::id()?,
                    organization_id: place.id,
                    root_id: place.root_id,
                    name,
                    sealed: Vec::new(),
                    actions: heard.to_stored(),
                    tree_since: (new.reach == Reach::Tree).then_some(ctx.now),
                    created_at: ctx.now,
                    created_by: by_text(&authority.by),
                    suspended_at: None,
                    suspended_for: String::new(),
                    failing_since: None,
                };
                let content = Sealed { url: new.url, secret: new_secret()? };
                row.sealed = sealed(&core.key_file, &row, &content)?;
                webhooks::insert(tx, &row).await?;
                let told = (row.id.to_string(), format!("{}: to {}, hears of {}", row.name, host_of(&content.url), heard_in_words(&row)));
                log::change(tx, &ctx, &authority.by, Where::In(place), Action::WebhookCreate, told).await?;
                Ok((core.shown_webhook(row), content.secret))
            })
        })
        .await
    }

    /// The webhooks of an organization, oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn list_webhooks(self: &Arc<Self>, ctx: &Context, organization: OrganizationId) -> Result<Vec<Webhook>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    core.webhook_manager(tx, &ctx, organization).await?;
                    Ok(webhooks::list(tx, organization).await?.into_iter().map(|row| core.shown_webhook(row)).collect())
                })
            })
            .await
    }

    /// One webhook.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn get_webhook(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, id: WebhookId) -> Result<Webhook, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    core.webhook_manager(tx, &ctx, organization).await?;
                    Ok(core.shown_webhook(webhooks::find(tx, id, organization).await?.ok_or(WEBHOOK)?))
                })
            })
            .await
    }

    /// Changes a webhook, suspends it or resumes it. Suspending ends what waits.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::NotFresh`], [`Error::Invalid`].
    pub async fn update_webhook(
        self: &Arc<Self>,
        ctx: &Context,
        organization: OrganizationId,
        id: WebhookId,
        change: WebhookChange,
    ) -> Result<Committed<Webhook>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.webhook_manager(tx, &ctx, organization).await?;
                authority.require_fresh_person(ctx.now, CHANGING)?;
                let before = webhooks::find(tx, id, organization).await?.ok_or(WEBHOOK)?;
                let after = core.webhook_after(&before, &change, ctx.now)?;
                require_reach(&authority, reach_of(&after))?;
                require_reach_of_root(&authority, reach_of(&before))?;
                let told = core.told_of_webhook(&before, &after);
                if told.is_empty() {
                    return Ok(core.shown_webhook(before));
                }
                webhooks::update(tx, &after).await?;
                match (before.suspended_at, after.suspended_at) {
                    (None, Some(_)) => {
                        webhooks::suspend(tx, id, ctx.now, "").await?;
                        deliveries::end_of_webhook(tx, id, ctx.now, "not tried any more: the webhook was suspended").await?;
                    }
                    (Some(_), None) => {
                        webhooks::resume(tx, id).await?;
                    }
                    (Some(_), Some(_)) | (None, None) => {}
                }
                log::change(tx, &ctx, &authority.by, Where::In(&authority.place), Action::WebhookUpdate, (id.to_string(), told)).await?;
                Ok(core.shown_webhook(webhooks::find(tx, id, organization).await?.ok_or(WEBHOOK)?))
            })
        })
        .await
    }

    /// Gives a webhook another secret, which signs everything from now on, also what waits.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::NotFresh`]; [`Error::Conflict`] for one that cannot be read.
    pub async fn rotate_webhook(
        self: &Arc<Self>,
        ctx: &Context,
        organization: OrganizationId,
        id: WebhookId,
    ) -> Result<Committed<(Webhook, Zeroizing<String>)>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.webhook_manager(tx, &ctx, organization).await?;
                authority.require_fresh_person(ctx.now, ROTATING)?;
                let mut row = webhooks::find(tx, id, organization).await?.ok_or(WEBHOOK)?;
                require_reach_of_root(&authority, reach_of(&row))?;
                let Ok(Sealed { url, .. }) = opened(&core.key_file, &row) else { return Err(unreadable()) };
                let content = Sealed { url, secret: new_secret()? };
                row.sealed = sealed(&core.key_file, &row, &content)?;
                webhooks::update(tx, &row).await?;
                log::change(tx, &ctx, &authority.by, Where::In(&authority.place), Action::WebhookRotate, (id.to_string(), row.name.clone())).await?;
                Ok((core.shown_webhook(row), content.secret))
            })
        })
        .await
    }

    /// Deletes a webhook for ever, with its address and its secret; what waits ends.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::NotFresh`].
    pub async fn delete_webhook(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, id: WebhookId) -> Result<Committed<()>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.webhook_manager(tx, &ctx, organization).await?;
                authority.require_fresh_person(ctx.now, DELETING)?;
                let row = webhooks::find(tx, id, organization).await?.ok_or(WEBHOOK)?;
                require_reach_of_root(&authority, reach_of(&row))?;
                webhooks::delete(tx, id, ctx.now).await?;
                deliveries::end_of_webhook(tx, id, ctx.now, "not tried any more: the webhook was deleted").await?;
                log::change(tx, &ctx, &authority.by, Where::In(&authority.place), Action::WebhookDelete, (id.to_string(), row.name)).await
            })
        })
        .await
    }

    /// Sends a webhook something to try it out; answers the delivery's id.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Conflict`] for one that is suspended, and while a trial waits.
    pub async fn ping_webhook(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, id: WebhookId) -> Result<Committed<DeliveryId>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                core.webhook_manager(tx, &ctx, organization).await?;
                let row = webhooks::find(tx, id, organization).await?.ok_or(WEBHOOK)?;
                require_active(&row)?;
                if deliveries::is_waiting(tx, id, actions::PING).await? {
                    return Err(Error::Conflict("a trial of this webhook waits to be delivered; GET its deliveries to see why".to_owned()));
                }
                events::put_ping(tx, &row, ctx.now).await
            })
        })
        .await
    }

    /// What was sent to a webhook within 30 days, and what waits, latest first: at most `limit`, behind those of an earlier page with
    /// its cursor.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Invalid`] for a cursor that is not of this list.
    pub async fn list_deliveries(
        self: &Arc<Self>,
        ctx: &Context,
        (organization, id): (OrganizationId, WebhookId),
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Deliveries, Error> {
        let purpose = format!("deliveries {organization} {id}");
        let behind: Option<(i64, DeliveryId)> = cursor.map(|cursor| self.open_cursor(&purpose, cursor)).transpose()?;
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let authority = core.webhook_manager(tx, &ctx, organization).await?;
                    let webhook = webhooks::find(tx, id, organization).await?.ok_or(WEBHOOK)?;
                    require_reach_of_root(&authority, reach_of(&webhook))?;
                    let behind = behind.unwrap_or((i64::MAX, DeliveryId::from(uuid::Uuid::max())));
                    let mut rows = deliveries::list_back(tx, id, behind, i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)).await?;
                    let more = rows.len() > limit;
                    rows.truncate(limit);
                    let last = rows.last().filter(|_| more).map(|row| (row.revision, row.id));
                    let next = last.map(|at| core.seal_cursor(&purpose, at)).transpose()?;
                    Ok(Deliveries { rows, next })
                })
            })
            .await
    }

    /// Sends something once more, as it was, whether it was delivered or not.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Conflict`] for a webhook that is suspended.
    pub async fn redeliver(
        self: &Arc<Self>,
        ctx: &Context,
        (organization, id): (OrganizationId, WebhookId),
        delivery: DeliveryId,
    ) -> Result<Committed<()>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.webhook_manager(tx, &ctx, organization).await?;
                let webhook = webhooks::find(tx, id, organization).await?.ok_or(WEBHOOK)?;
                require_reach_of_root(&authority, reach_of(&webhook))?;
                require_active(&webhook)?;
                let row = deliveries::find(tx, delivery, id).await?.ok_or(DELIVERY)?;
                Ok(deliveries::repeat(tx, row.id, ctx.now).await?)
            })
        })
        .await
    }

    fn shown_webhook(&self, row: WebhookRow) -> Webhook {
        Webhook {
            url: opened(&self.key_file, &row).ok().map(|content| content.url),
            actions: Heard::stored(&row.actions),
            reach: reach_of(&row),
            id: row.id,
            organization_id: row.organization_id,
            name: row.name,
            created_at: row.created_at,
            created_by: row.created_by,
            suspended_at: row.suspended_at,
            suspended_for: row.suspended_for,
            failing_since: row.failing_since,
        }
    }

    /// The row as it would be.
    fn webhook_after(&self, before: &WebhookRow, change: &WebhookChange, now: Time) -> Result<WebhookRow, Error> {
        let mut after = before.clone();
        if let Some(name) = &change.name {
            after.name = names::name("name", name)?;
        }
        if let Some(names) = &change.actions {
            after.actions = Heard::parse(names)?.to_stored();
        }
        if let Some(reach) = change.reach {
            after.tree_since = (reach == Reach::Tree).then(|| before.tree_since.unwrap_or(now));
        }
        if let Some(state) = change.state {
            after.suspended_at = (state == State::Suspended).then(|| before.suspended_at.unwrap_or(now));
        }
        if let Some(url) = &change.url {
            let Ok(Sealed { url: known, secret }) = opened(&self.key_file, before) else { return Err(unreadable()) };
            if known != *url {
                after.sealed = sealed(&self.key_file, before, &Sealed { url: url.clone(), secret })?;
            }
        }
        Ok(after)
    }

    /// What became different, for the log; nothing if nothing did. Of an address the host alone: the rest of it may be a secret.
    fn told_of_webhook(&self, before: &WebhookRow, after: &WebhookRow) -> String {
        let mut parts = Vec::new();
        if before.name != after.name {
            parts.push(format!("name from [{}] to [{}]", before.name, after.name));
        }
        if before.sealed != after.sealed {
            let host = |row: &WebhookRow| opened(&self.key_file, row).map(|content| host_of(&content.url).to_owned()).unwrap_or_default();
            parts.push(format!("another address, from [{}] to [{}]", host(before), host(after)));
        }
        if (&before.actions, before.tree_since) != (&after.actions, after.tree_since) {
            parts.push(format!("hears of [{}] instead of [{}]", heard_in_words(after), heard_in_words(before)));
        }
        match (before.suspended_at, after.suspended_at) {
            (None, Some(_)) => parts.push("suspended".to_owned()),
            (Some(_), None) => parts.push("resumed".to_owned()),
            (Some(_), Some(_)) | (None, None) => {}
        }
        if parts.is_empty() { String::new() } else { format!("{}: {}", after.name, parts.join("; ")) }
    }
}

/// What needs a fresh session, in the words of the refusal. To narrow one or to end it is to silence it, which a thief would like.
pub const MAKING: &str = "making a webhook";
/// The same.
pub const CHANGING: &str = "changing a webhook";
const ROTATING: &str = "giving a webhook another secret";
const DELETING: &str = "deleting a webhook";

/// A webhook that hears of a whole tree is a root's.
fn require_reach(authority: &Authority, reach: Reach) -> Result<(), Error> {
    if reach == Reach::Tree && !authority.place.is_root() {
        let reason = "a sub-organization has none below it; make the webhook in the root, or leave this out".to_owned();
        return Err(Error::Invalid { field: "includeSubOrganizations", reason });
    }
    require_reach_of_root(authority, reach)
}

/// What happens in a whole tree is for Owners of the root to read, and so is what a webhook hears of it.
fn require_reach_of_root(authority: &Authority, reach: Reach) -> Result<(), Error> {
    if reach == Reach::Organization || authority.is_owner() {
        return Ok(());
    }
    let reason = "a webhook that hears of sub-organizations too is for Owners of the root; ask one of them";
    Err(Forbidden { reason: reason.to_owned(), permission: None, roles: vec![OWNER.to_owned()] }.into())
}

fn require_active(row: &WebhookRow) -> Result<(), Error> {
    if row.suspended_at.is_none() {
        return Ok(());
    }
    Err(Error::Conflict("this webhook is suspended; resume it first, by PATCH with suspended false".to_owned()))
}

fn unreadable() -> Error {
    Error::Conflict("this webhook was altered in the database, and nothing is sent to it; delete it and make another one".to_owned())
}

fn told_of_suspension(name: &str, reason: &str) -> String {
    format!("{name}: suspended, since {reason}")
}

fn heard_in_words(row: &WebhookRow) -> String {
    let heard = if row.actions.is_empty() { "everything" } else { &row.actions };
    if row.tree_since.is_some() { format!("{heard}, in sub-organizations too") } else { heard.to_owned() }
}

/// Host and port of a URL in its normal form.
fn host_of(url: &str) -> &str {
    url.split('/').nth(2).unwrap_or_default()
}
