//! Another catalog comes into force: at the start, or by `keywright catalog apply`. Both go the same way.

use super::{
    Preset,
    comparison::{Comparison, CustomRoles, Replacements},
};
use crate::{
    Context, Core, Error,
    authorize::By,
    log::{self, Action, Where},
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{
    Catalog, Time,
    admin::{CatalogDiff, NamesDiff, RoleReplacement},
    catalog::{Document, OWNER, is_custom},
};
use keywright_store::{
    catalogs, changes,
    changes::ChangeKind,
    custom_roles, generations, holders,
    keys::{CredentialRow, Target},
    organizations::OrganizationRow,
};
use std::{collections::BTreeSet, sync::Arc};
use uuid::Uuid;

impl Core {
    /// Whether somebody may ask what [`Core::diff_catalog`] answers; to be asked before his text is read.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for everybody but the host and Owners of the operator organization.
    pub async fn require_installation_reader(self: &Arc<Self>, ctx: &Context) -> Result<(), Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db.read(move |tx| Box::pin(async move { core.installation_reader(tx, &ctx).await })).await
    }

    /// The catalog of the configuration, which the next start puts in force: the preset and the operator's own, TOML.
    #[must_use]
    pub fn configured_catalog(&self) -> (Option<Preset>, Option<&str>) {
        (self.settings.preset, self.settings.own_catalog.as_deref())
    }

    /// What would change if this catalog came into force, and for whom. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for everybody but the host and Owners of the operator organization; [`Error::Catalog`] and [`Error::Invalid`] if it could not be.
    pub async fn diff_catalog(self: &Arc<Self>, ctx: &Context, document: Document) -> Result<CatalogDiff, Error> {
        let (core, ctx, after) = (Arc::clone(self), ctx.clone(), usable(document)?);
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    core.installation_reader(tx, &ctx).await?;
                    let before = in_force(tx).await?;
                    let (holders, open) = (holders::list(tx).await?, generations::list_open(tx).await?);
                    let (replace, custom) = (Replacements::new(), all_custom_roles(tx).await?);
                    let mut comparison = Comparison::new(&before, &after, &replace, &custom);
                    let ending = comparison.ending(&open);
                    Ok(comparison.diff(&holders, ending.len()))
                })
            })
            .await
    }

    /// Puts a catalog in force. Roles that it does not have any more are replaced where they are held; generations whose
    /// holder loses something end, all others live on.
    ///
    /// # Errors
    /// [`Error::Catalog`] and [`Error::Invalid`] if it or a replacement is not usable, [`Error::Conflict`] if it lacks a role
    /// that is held and not replaced.
    pub async fn apply_catalog(self: &Arc<Self>, ctx: &Context, document: Document, replace: Vec<RoleReplacement>) -> Result<Committed<CatalogDiff>, Error> {
        let after = usable(document)?;
        let replace = replacements(&after, replace)?;
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let by = core.installation_owner(tx, &ctx, "changing the catalog").await?;
                put_in_force(tx, (&ctx, &by), &after, &replace).await
            })
        })
        .await
    }

    /// The same with all custom roles of the root that an organization belongs to; without any, if there is no organization.
    pub(crate) async fn catalog_in(&self, tx: &mut Tx, place: Option<&OrganizationRow>) -> Result<Arc<Catalog>, Error> {
        let catalog = self.catalog_at(tx).await?;
        let Some(place) = place else { return Ok(catalog) };
        let roles = custom_roles::list_permissions(tx, place.root_id).await?;
        Ok(if roles.is_empty() { catalog } else { Arc::new(catalog.with_custom_roles(&roles)) })
    }

    /// The same with the custom roles that a credential may hold where it is looked at for. Nothing more is asked for one that holds none.
    pub(crate) async fn catalog_for(&self, tx: &mut Tx, row: &CredentialRow) -> Result<Arc<Catalog>, Error> {
        let catalog = self.catalog_at(tx).await?;
        let Some(target) = &row.target else { return Ok(catalog) };
        let is_held = |key: &str| [&target.own_roles, &target.root_roles, &target.key_roles].into_iter().flatten().any(|held| held == key);
        if !is_held_at_all(target) {
            return Ok(catalog);
        }
        let roles = custom_roles::list_permissions(tx, target.root_id).await?;
        Ok(Arc::new(catalog.with_custom_roles(roles.iter().filter(|role| is_held(&role.key)))))
    }

    /// The catalog that holds in a transaction: most often the one in memory. While another one comes into force, memory can be
    /// behind what is read, or before it; what is decided by a catalog and by rows must be of one moment.
    pub(crate) async fn catalog_at(&self, tx: &mut Tx) -> Result<Arc<Catalog>, Error> {
        let remembered = self.catalog();
        if catalogs::find_position(tx).await? == Some(remembered.position) {
            return Ok(Arc::clone(&remembered.catalog));
        }
        in_force(tx).await.map(Arc::new)
    }
}

/// At the start: puts the configured catalog in force if another one, or none, is.
pub(crate) async fn ensure(tx: &mut Tx, document: &Document, now: Time) -> Result<(), Error> {
    put_in_force(tx, (&Context::system(now)?, &By::Host), &usable(document.clone())?, &Replacements::new()).await?;
    Ok(())
}

async fn put_in_force(tx: &mut Tx, (ctx, by): (&Context, &By), after: &Catalog, replace: &Replacements) -> Result<CatalogDiff, Error> {
    let before = in_force(tx).await?;
    let (holders, open) = (holders::list(tx).await?, generations::list_open(tx).await?);
    let custom = all_custom_roles(tx).await?;
    let mut comparison = Comparison::new(&before, after, replace, &custom);
    refuse_orphans(&comparison.orphans(&holders))?;
    let ending = comparison.ending(&open);
    let diff = comparison.diff(&holders, ending.len());
    for index in &ending {
        generations::end(tx, *index, ctx.now).await?;
    }
    for (old, new) in replace {
        // Whoever holds it is named: what becomes of him is no part of the catalog.
        for user in holders::list_users_with(tx, old).await? {
            changes::insert(tx, ChangeKind::User, user.as_uuid(), &[]).await?;
        }
        for key in holders::list_keys_with(tx, old).await? {
            changes::insert(tx, ChangeKind::Key, key.as_uuid(), &[]).await?;
        }
        holders::replace_role(tx, old, new).await?;
    }
    if !diff.identical {
        let text = serde_json::to_string(after.document()).map_err(|_| Error::Internal("the catalog cannot be written"))?;
        catalogs::insert(tx, &text, ctx.now).await?;
    } else if replace.is_empty() {
        return Ok(diff);
    }
    changes::insert(tx, ChangeKind::Catalog, Uuid::nil(), &ending).await?;
    let told = (tx.position().to_string(), summary(&diff, replace));
    log::change(tx, ctx, by, Where::Installation, Action::CatalogApply, told).await?;
    Ok(diff)
}

/// Whether there is any custom role among those of a credential.
fn is_held_at_all(target: &Target) -> bool {
    [&target.own_roles, &target.root_roles, &target.key_roles].into_iter().flatten().any(|role| is_custom(role))
}

async fn all_custom_roles(tx: &mut Tx) -> Result<CustomRoles, Error> {
    let mut all = CustomRoles::new();
    for row in custom_roles::list_all(tx).await? {
        let (_, roles) = all.entry(row.root_id).or_insert_with(|| (row.root_name, Vec::new()));
        roles.push(row.role);
    }
    Ok(all)
}

/// What the log says of a change.
fn summary(diff: &CatalogDiff, replace: &Replacements) -> String {
    let count =
        |what: &str, names: &NamesDiff| format!("{what}: {} added, {} removed, {} changed", names.added.len(), names.removed.len(), names.changed.len());
    let mut parts = vec![count("permissions", &diff.permissions), count("roles", &diff.roles), format!("{} generations ended", diff.generations_ended)];
    parts.extend(replace.iter().map(|(old, new)| format!("{new} in the place of {old}")));
    parts.join("; ")
}

/// The catalog that is in force; before the first start an empty one.
async fn in_force(tx: &mut Tx) -> Result<Catalog, Error> {
    let row = catalogs::find_in_force(tx).await?;
    let document = row.map(|row| serde_json::from_str::<Document>(&row.document));
    let document = document.transpose().map_err(|_| Error::Internal("the stored catalog cannot be read"))?;
    Ok(Catalog::new(document.unwrap_or_default())?)
}

/// A catalog without an all-powerful `owner` would leave every organization without one.
fn usable(document: Document) -> Result<Catalog, Error> {
    let catalog = Catalog::new(document)?;
    if catalog.document().roles.get(OWNER).is_some_and(|role| role.everything) {
        return Ok(catalog);
    }
    Err(Error::Invalid {
        field: "document",
        reason: format!("a catalog has the role `{OWNER}`, with everything; send the whole one, what is built in included"),
    })
}

fn replacements(after: &Catalog, asked: Vec<RoleReplacement>) -> Result<Replacements, Error> {
    let refuse = |reason: String| Err(Error::Invalid { field: "replace", reason });
    let mut replace = Replacements::new();
    for RoleReplacement { old, new } in asked {
        if after.has_role(&old) {
            return refuse(format!("the catalog has the role `{old}`; only one that vanishes is replaced"));
        }
        if !after.has_role(&new) {
            return refuse(format!("the catalog has no role `{new}` that could take the place of `{old}`"));
        }
        if new == OWNER {
            return refuse(format!("nobody becomes Owner by a catalog; give the holders of `{old}` another role, and make Owners one by one"));
        }
        if let Some(other) = replace.insert(old.clone(), new) {
            return refuse(format!("`{old}` is to be replaced by `{other}` and by another role; name one"));
        }
    }
    Ok(replace)
}

/// A role that is held cannot vanish: its holders would lose it without anybody having decided that.
fn refuse_orphans(orphans: &BTreeSet<&str>) -> Result<(), Error> {
    let Some(first) = orphans.first() else {
        return Ok(());
    };
    let others = match orphans.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Err(Error::Conflict(format!(
        "the catalog has no role `{first}`{others}, which members or keys hold; put it back (catalog.preset, catalog.file), \
         or name the role that takes its place: keywright catalog apply --replace {first}=NEW"
    )))
}
