//! Organizations and users as an operator's own programs make them: with his ids, and as often as they like with one result.

use crate::{
    Context, Core, Error, chance,
    keys::api,
    log::{self, Action, Where},
    names,
    organizations::taken,
    tree_limits::{self, TreeLimits},
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{OperatorScope, OrganizationId};
use keywright_store::{
    changes::{self, ChangeKind},
    organizations::{self, OrganizationRow},
    root_organizations,
    users::{self, Password},
};
use serde_json::{Map, Value};
use std::sync::Arc;

pub use keywright_store::{root_organizations::RootRow, users::UserRow};

/// Longest id of the operator's, in characters.
pub const MAX_EXTERNAL_ID_CHARS: usize = 128;
const WHAT: &str = "making root organizations";
const SCOPE: OperatorScope = OperatorScope::Organizations;
const TAKEN: &str = "another organization has this externalId, or had it before it was deleted; use another one, or PUT it by that id";

/// What a root is made of.
#[derive(Debug, Clone, Default)]
pub struct NewRoot {
    /// Its name.
    pub name: String,
    /// The operator's own id for it, unique for ever.
    pub external_id: Option<String>,
    /// A JSON object for the operator's own programs.
    pub metadata: Map<String, Value>,
    /// What its tree may have.
    pub limits: TreeLimits,
}

/// What a root is to be; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct RootChange {
    /// Its name.
    pub name: String,
    /// Other metadata.
    pub metadata: Option<Map<String, Value>>,
    /// Other limits, all three of them.
    pub limits: Option<TreeLimits>,
}

/// Whether what was asked for had to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there.
    Made,
    /// It was, and may have been changed.
    Found,
}

impl Core {
    /// Makes a root.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for everybody but the host and operator keys for organizations; [`Error::Invalid`];
    /// [`Error::Conflict`] for an external id that is taken.
    pub async fn make_root(self: &Arc<Self>, ctx: &Context, new: NewRoot) -> Result<Committed<RootRow>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| Box::pin(async move { core.insert_root(tx, &ctx, new).await })).await
    }

    /// Makes the root with an external id, or makes it what it is to be. Doing it again changes nothing; of two at once one makes it.
    ///
    /// # Errors
    /// As [`Core::make_root`].
    pub async fn put_root(self: &Arc<Self>, ctx: &Context, external_id: &str, change: RootChange) -> Result<Committed<(RootRow, Outcome)>, Error> {
        let (external_id, core, ctx) = (external_id.to_owned(), Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let by = core.duty(tx, &ctx, SCOPE, WHAT).await?;
                let external_id = check_external_id(external_id)?;
                let Some(before) = root_organizations::find_by_external_id(tx, &external_id).await? else {
                    let (metadata, limits) = (change.metadata.unwrap_or_default(), change.limits.unwrap_or_default());
                    let new = NewRoot { name: change.name, external_id: Some(external_id), metadata, limits };
                    return Ok((core.insert_root(tx, &ctx, new).await?, Outcome::Made));
                };
                // That it may be touched is asked like everywhere else.
                core.over_root(tx, &ctx, before.organization.id, WHAT).await?;
                let after = change.apply(&before)?;
                if after != before {
                    root_organizations::update(tx, &after).await?;
                    let place = &after.organization;
                    changes::insert(tx, ChangeKind::Organization, place.id.as_uuid(), &[]).await?;
                    log::change(tx, &ctx, &by, Where::In(place), Action::OrganizationUpdate, (place.name.clone(), difference(&before, &after))).await?;
                }
                Ok((after, Outcome::Found))
            })
        })
        .await
    }

    /// The root with an external id.
    ///
    /// # Errors
    /// As [`Core::make_root`]; [`Error::NotFound`].
    pub async fn find_root(self: &Arc<Self>, ctx: &Context, external_id: &str) -> Result<RootRow, Error> {
        let (external_id, core, ctx) = (external_id.to_owned(), Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    core.duty(tx, &ctx, SCOPE, "finding organizations by externalId").await?;
                    let found = root_organizations::find_by_external_id(tx, &external_id).await?;
                    let found = found.ok_or(Error::Absent("there is no organization with that externalId"))?;
                    core.over_root(tx, &ctx, found.organization.id, WHAT).await?;
                    Ok(found)
                })
            })
            .await
    }

    async fn insert_root(&self, tx: &mut Tx, ctx: &Context, new: NewRoot) -> Result<RootRow, Error> {
        let by = self.duty(tx, ctx, SCOPE, WHAT).await?;
        let id: OrganizationId = chance::id()?;
        let row = RootRow {
            organization: OrganizationRow { id, root_id: id, name: names::name("name", &new.name)?, created_at: ctx.now, suspended_at: None },
            external_id: new.external_id.map(check_external_id).transpose()?,
            metadata: api::metadata(&new.metadata)?,
            limits: new.limits,
        };
        organizations::insert(tx, &row.organization).await?;
        root_organizations::update(tx, &row).await.map_err(|error| taken(error, TAKEN))?;
        changes::insert(tx, ChangeKind::Organization, id.as_uuid(), &[]).await?;
        let told = row.external_id.as_ref().map(|id| format!("externalId {id}")).unwrap_or_default();
        log::change(tx, ctx, &by, Where::In(&row.organization), Action::OrganizationCreate, (row.organization.name.clone(), told)).await?;
        Ok(row)
    }

    /// Adds a user without a password; whoever has the address already is answered as he is.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for everybody but the host and operator keys for users; [`Error::Invalid`].
    pub async fn ensure_user(self: &Arc<Self>, ctx: &Context, email: &str, name: &str) -> Result<Committed<(UserRow, Outcome)>, Error> {
        let (email, name, core, ctx) = (email.to_owned(), name.to_owned(), Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let by = core.duty(tx, &ctx, OperatorScope::Users, "adding users").await?;
                let row =
                    UserRow { id: chance::id()?, email: names::email(&email)?, name: names::name("name", &name)?, created_at: ctx.now, disabled_at: None };
                if let Some(known) = users::find_by_email(tx, &row.email).await? {
                    return Ok((known, Outcome::Found));
                }
                users::insert(tx, &row, &Password::None).await?;
                changes::insert(tx, ChangeKind::User, row.id.as_uuid(), &[]).await?;
                log::change(tx, &ctx, &by, Where::Installation, Action::UserCreate, (row.email.clone(), String::new())).await?;
                Ok((row, Outcome::Made))
            })
        })
        .await
    }
}

impl RootChange {
    fn apply(self, before: &RootRow) -> Result<RootRow, Error> {
        let mut after = before.clone();
        after.organization.name = names::name("name", &self.name)?;
        if let Some(metadata) = &self.metadata {
            after.metadata = api::metadata(metadata)?;
        }
        after.limits = self.limits.unwrap_or(before.limits);
        Ok(after)
    }
}

/// An id that stands in a path: visible characters (VCHAR of RFC 5234, appendix B.1). Dots alone would be taken for a step in it.
fn check_external_id(text: String) -> Result<String, Error> {
    let usable = (1..=MAX_EXTERNAL_ID_CHARS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) && !matches!(text.as_str(), "." | "..");
    if usable {
        return Ok(text);
    }
    let reason = format!("must have 1 to {MAX_EXTERNAL_ID_CHARS} visible ASCII characters, without spaces, and not be dots alone");
    Err(Error::Invalid { field: "externalId", reason })
}

/// What the log says of a change; metadata is only named.
fn difference(before: &RootRow, after: &RootRow) -> String {
    let mut parts = Vec::new();
    if before.organization.name != after.organization.name {
        parts.push(format!("name from [{}] to [{}]", before.organization.name, after.organization.name));
    }
    if before.metadata != after.metadata {
        parts.push("metadata".to_owned());
    }
    if before.limits != after.limits {
        parts.push(format!("limits from [{}] to [{}]", tree_limits::in_words(before.limits), tree_limits::in_words(after.limits)));
    }
    parts.join("; ")
}
