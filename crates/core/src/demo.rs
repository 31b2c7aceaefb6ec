//! The world that `keywright demo` shows, and that tests start from: two roots, a sub-organization, five people, their keys.

use crate::{Context, Core, Error, members::RoleChange, passwords};
use keywright_protocol::{KeyId, OrganizationId, UserId, admin::RolesIn, catalog::OWNER};
use keywright_store::users::Password;
use std::{collections::BTreeMap, sync::Arc};
use zeroize::Zeroizing;

/// An organization of the demo.
#[derive(Debug, Clone)]
pub struct DemoOrganization {
    /// Its id.
    pub id: OrganizationId,
    /// Its name.
    pub name: String,
}

/// A person of the demo.
pub struct DemoUser {
    /// His id.
    pub id: UserId,
    /// His address.
    pub email: String,
    /// His password.
    pub password: Zeroizing<String>,
}

/// An API Key of the demo.
pub struct DemoApiKey {
    /// Its id.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    /// Its secret.
    pub secret: Zeroizing<String>,
}

/// Everything in the demo.
pub struct DemoWorld {
    /// "Acme", a root.
    pub acme: DemoOrganization,
    /// "Acme Mobile", its sub-organization.
    pub mobile: DemoOrganization,
    /// "Globex", another root.
    pub globex: DemoOrganization,
    /// People by their part: owner, manager, viewer, submember, globexowner.
    pub users: BTreeMap<&'static str, DemoUser>,
    /// One key a membership, by part; `manager@globex` for the manager's second one.
    pub personal_access_keys: BTreeMap<&'static str, Zeroizing<String>>,
    /// `acme-ci` and `mobile-ci`.
    pub api_keys: BTreeMap<&'static str, DemoApiKey>,
}

/// Makes the demo's world in an empty installation that has the preset `appcircle`.
///
/// # Errors
/// Whatever the operations it calls answer.
pub async fn build(core: &Arc<Core>, ctx: &Context) -> Result<DemoWorld, Error> {
    let acme = organization(core, ctx, "Acme", None).await?;
    let mobile = organization(core, ctx, "Acme Mobile", Some(acme.id)).await?;
    let globex = organization(core, ctx, "Globex", None).await?;
    let with_verb = |verb: &str| -> Vec<String> {
        let catalog = core.catalog();
        catalog.catalog.document().roles.keys().filter(|role| role.starts_with(verb)).cloned().collect()
    };
    let viewer_of_distribution = vec!["view-distribution-profile".to_owned()];
    let (owner, managers, viewers) = (vec![OWNER.to_owned()], with_verb("manage-"), with_verb("view-"));

    let mut users = BTreeMap::new();
    for part in ["owner", "manager", "viewer", "submember", "globexowner"] {
        users.insert(part, user(core, ctx, part).await?);
    }
    // A key's name, whose it is, where, with which roles.
    let memberships: [(&'static str, &'static str, OrganizationId, Vec<String>); 6] = [
        ("owner", "owner", acme.id, owner.clone()),
        ("manager", "manager", acme.id, managers),
        ("viewer", "viewer", acme.id, viewers.clone()),
        ("submember", "submember", mobile.id, viewer_of_distribution),
        ("globexowner", "globexowner", globex.id, owner),
        ("manager@globex", "manager", globex.id, viewers),
    ];
    let mut personal_access_keys = BTreeMap::new();
    for (label, part, organization, roles) in memberships {
        let user = users.get(part).map(|user: &DemoUser| user.id).ok_or(Error::NotFound("user"))?;
        core.change_roles(ctx, organization, user, RoleChange::Replace(roles)).await?;
        let key = core.create_personal_access_key(ctx, organization, user, "demo", None).await?;
        personal_access_keys.insert(label, Zeroizing::new(key.secret.reveal().to_owned()));
    }
    let operator = |organization_id| RolesIn { organization_id, roles: vec!["operate-distribution-profile".to_owned()] };
    let mut api_keys = BTreeMap::new();
    api_keys.insert("acme-ci", api_key(core, ctx, acme.id, "acme-ci", &[operator(acme.id), operator(mobile.id)]).await?);
    api_keys.insert("mobile-ci", api_key(core, ctx, mobile.id, "mobile-ci", &[operator(mobile.id)]).await?);
    Ok(DemoWorld { acme, mobile, globex, users, personal_access_keys, api_keys })
}

async fn organization(core: &Arc<Core>, ctx: &Context, name: &str, parent: Option<OrganizationId>) -> Result<DemoOrganization, Error> {
    let row = match parent {
        None => core.create_root(ctx, name).await?,
        Some(parent) => core.create_sub_organization(ctx, parent, name).await?.value,
    };
    Ok(DemoOrganization { id: row.id, name: row.name })
}

async fn user(core: &Arc<Core>, ctx: &Context, part: &str) -> Result<DemoUser, Error> {
    let password = passwords::generate()?;
    let hash = core.hashing.hash(password.clone()).await?;
    let domain = if part == "globexowner" { "globex" } else { "acme" };
    let row = core.create_user(ctx, &format!("{part}@{domain}.example"), part, Password::Hash(hash)).await?;
    Ok(DemoUser { id: row.id, email: row.email, password })
}

async fn api_key(core: &Arc<Core>, ctx: &Context, organization: OrganizationId, name: &str, grants: &[RolesIn]) -> Result<DemoApiKey, Error> {
    let key = core.create_api_key(ctx, organization, name, grants, None).await?;
    Ok(DemoApiKey { id: key.id, name: name.to_owned(), secret: Zeroizing::new(key.secret.reveal().to_owned()) })
}
