//! What a role is made of and changed to, and what becomes of whoever holds it.

use super::{bytes_of, custom_of, key_of, too_much};
use crate::{Error, authorize::Authority, catalog::held_by, names};
use keywright_db::Tx;
use keywright_protocol::{
    Catalog, Time,
    catalog::{CUSTOM_PREFIX, CustomRole, OWNER},
    claims::MAX_CUSTOM_PERMISSIONS_BYTES,
    roles::role_groups,
};
use keywright_store::{
    changes::{self, ChangeKind},
    custom_roles::{self, CustomRoleRow},
    generations,
    holders::{self, HolderRow},
};

/// Longest slug, in bytes.
const MAX_SLUG_BYTES: usize = 40;
/// Longest description, in characters.
const MAX_DESCRIPTION_CHARS: usize = 256;

/// What a new role is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRole {
    /// What its key ends with; `None` to derive it from the name.
    pub slug: Option<String>,
    /// As it is shown.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// Ids of permissions.
    pub permissions: Vec<String>,
}

/// What becomes of a role; `None` leaves what is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleUpdate {
    /// Another name.
    pub name: Option<String>,
    /// Another description.
    pub description: Option<String>,
    /// These permissions and no others.
    pub permissions: Option<Vec<String>>,
}

impl NewRole {
    pub(super) fn checked(&self, authority: &Authority, now: Time) -> Result<CustomRoleRow, Error> {
        let name = usable_name(&authority.catalog, &self.name)?;
        let slug = match &self.slug {
            Some(slug) => usable_slug(slug)?,
            None => derived_slug(&name)?,
        };
        let permissions = permissions(&authority.catalog, &self.permissions)?;
        let role = CustomRole { key: key_of(&slug), permissions };
        refuse_too_much(&authority.catalog, &role)?;
        Ok(CustomRoleRow { root_id: authority.place.id, role, name, description: description(&self.description)?, created_at: now })
    }
}

impl RoleUpdate {
    pub(super) fn apply(&self, before: &CustomRoleRow, catalog: &Catalog) -> Result<CustomRoleRow, Error> {
        let mut after = before.clone();
        if let Some(name) = &self.name {
            // The name that it has may have been taken by a catalog since: whoever sends it along changes something else.
            if *name != before.name {
                after.name = usable_name(catalog, name)?;
            }
        }
        if let Some(text) = &self.description {
            after.description = description(text)?;
        }
        if let Some(ids) = &self.permissions {
            after.role.permissions = permissions(catalog, ids)?;
            refuse_too_much(catalog, &after.role)?;
        }
        Ok(after)
    }
}

/// A name that is none of the catalog's roles': who reads it must not take the one for the other.
fn usable_name(catalog: &Catalog, name: &str) -> Result<String, Error> {
    let name = names::name("name", name)?;
    let lower = alike(&name);
    let groups = role_groups(catalog.document());
    let mut known = groups.iter().flat_map(|group| &group.roles).map(|role| alike(&role.name)).chain([OWNER.to_owned()]);
    if known.any(|known| known == lower) {
        return Err(Error::Invalid { field: "name", reason: format!("a role of the catalog is called `{name}`; choose a name that nobody takes for that") });
    }
    Ok(name)
}

/// What is the same of names that people take for one: letters in lower case, and one space where there are several of whatever kind.
fn alike(name: &str) -> String {
    name.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A name is one role's in a root.
pub(super) async fn refuse_namesakes(tx: &mut Tx, row: &CustomRoleRow) -> Result<(), Error> {
    let lower = alike(&row.name);
    let others = custom_roles::list(tx, row.root_id).await?;
    if others.iter().any(|other| other.role.key != row.role.key && alike(&other.name) == lower) {
        return Err(Error::Conflict(format!("another role here is called `{}`; choose another name", row.name)));
    }
    Ok(())
}

fn usable_slug(slug: &str) -> Result<String, Error> {
    let usable = (1..=MAX_SLUG_BYTES).contains(&slug.len()) && slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if usable {
        return Ok(slug.to_owned());
    }
    let reason = format!("must have 1 to {MAX_SLUG_BYTES} characters of a-z, 0-9 and -; the key is `{CUSTOM_PREFIX}` and it");
    Err(Error::Invalid { field: "slug", reason })
}

/// The letters and digits of a name in lower case, with a `-` for what is between.
fn derived_slug(name: &str) -> Result<String, Error> {
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let slug: String = words.join("-").chars().take(MAX_SLUG_BYTES).collect();
    let slug = slug.trim_matches('-');
    if slug.is_empty() {
        return Err(Error::Invalid { field: "slug", reason: "the name has no letter of a-z and no digit to make a key of; send a slug besides".to_owned() });
    }
    Ok(slug.to_owned())
}

fn description(text: &str) -> Result<String, Error> {
    let text = text.trim();
    let length = text.chars().count();
    if length > MAX_DESCRIPTION_CHARS || text.chars().any(char::is_control) {
        let reason = format!("must have {MAX_DESCRIPTION_CHARS} characters at most, none of them a control character; this has {length}");
        return Err(Error::Invalid { field: "description", reason });
    }
    Ok(text.to_owned())
}

/// Each must be one of the catalog's; in alphabetical order, each once.
fn permissions(catalog: &Catalog, ids: &[String]) -> Result<Vec<String>, Error> {
    if let Some(unknown) = ids.iter().find(|id| catalog.index(id).is_none()) {
        let shown: String = unknown.chars().filter(char::is_ascii_graphic).take(64).collect();
        let reason = format!("the catalog has no permission `{shown}`; leave it out; /.well-known/keywright-catalog lists those that there are");
        return Err(Error::Invalid { field: "permissions", reason });
    }
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Err(Error::Invalid { field: "permissions", reason: "a role has at least one permission; choose one".to_owned() });
    }
    Ok(ids)
}

/// What nobody could hold is not made.
fn refuse_too_much(catalog: &Catalog, role: &CustomRole) -> Result<(), Error> {
    let bytes = bytes_of(&catalog.with_custom_roles([role]), std::slice::from_ref(&role.key));
    if bytes <= MAX_CUSTOM_PERMISSIONS_BYTES { Ok(()) } else { Err(Error::Invalid { field: "permissions", reason: too_much(bytes) }) }
}

/// A key that is taken, or was.
pub(super) fn taken(key: &str) -> String {
    format!("there is, or was, a role `{key}` here, and no key is used again; choose another name, or send another slug")
}

/// Writes a changed role. Answers the generations that end by it.
pub(super) async fn put(tx: &mut Tx, (before, holders): (&Catalog, &[HolderRow]), row: &CustomRoleRow, now: Time) -> Result<Vec<i64>, Error> {
    custom_roles::update(tx, row).await?;
    let after = before.with_custom_roles(&custom_roles::list_permissions(tx, row.root_id).await?);
    let of = Step { before, after: &after, key: &row.role.key, successor: None };
    of.require_room(holders)?;
    of.end(tx, row, now).await
}

/// Deletes a role, or puts another one in its place. Answers the generations that end by it.
pub(super) async fn delete(tx: &mut Tx, before: &Catalog, row: &CustomRoleRow, successor: Option<&str>, now: Time) -> Result<Vec<i64>, Error> {
    let key = row.role.key.as_str();
    let refuse = |reason: String| Err(Error::Invalid { field: "replace", reason });
    match successor {
        Some(OWNER) => return refuse("nobody becomes Owner by this; name another role, and make Owners one by one".to_owned()),
        Some(new) if new == key => return refuse("this is the role that is deleted; name another one".to_owned()),
        Some(new) if !before.has_role(new) => {
            let shown: String = new.chars().filter(char::is_ascii_graphic).take(64).collect();
            return refuse(format!("there is no role `{shown}` that could take the place of {key}"));
        }
        Some(_) | None => {}
    }
    let holders = holders::list_in(tx, row.root_id).await?;
    let of_it = super::Held::of(key, &holders);
    let held = of_it.memberships + of_it.keys + of_it.invitations;
    if held > 0 && successor.is_none() {
        return Err(Error::Conflict(format!(
            "{key} is held by {} memberships, {} grants of API Keys and {} pending invitations; take it from them first, or name the role that takes its place: ?replace=ROLE",
            of_it.memberships, of_it.keys, of_it.invitations
        )));
    }
    custom_roles::delete(tx, row.root_id, key, now).await?;
    let after = before.with_custom_roles(&custom_roles::list_permissions(tx, row.root_id).await?);
    let of = Step { before, after: &after, key, successor };
    of.require_room(&holders)?;
    let bits = of.end(tx, row, now).await?;
    if let Some(new) = successor {
        // Whoever holds it is named: what becomes of him is no part of the role.
        for user in holders::list_users_with_in(tx, key, row.root_id).await? {
            changes::insert(tx, ChangeKind::User, user.as_uuid(), &[]).await?;
        }
        for id in holders::list_keys_with_in(tx, key, row.root_id).await? {
            changes::insert(tx, ChangeKind::Key, id.as_uuid(), &[]).await?;
        }
        holders::replace_role_in(tx, row.root_id, key, new).await?;
    }
    Ok(bits)
}

/// From a root's roles as they were to what they are, with another one in the place of one of them.
struct Step<'a> {
    before: &'a Catalog,
    after: &'a Catalog,
    key: &'a str,
    successor: Option<&'a str>,
}

impl Step<'_> {
    fn holds(&self, roles: &[String]) -> bool {
        roles.iter().any(|role| role == self.key)
    }

    /// What is held afterwards instead of these roles.
    fn later(&self, roles: &[String]) -> Vec<String> {
        let mut later: Vec<String> = roles.iter().map(|role| if role == self.key { self.successor.unwrap_or(role).to_owned() } else { role.clone() }).collect();
        later.sort_unstable();
        later.dedup();
        later
    }

    /// Whoever holds it must have room for it in a token.
    fn require_room(&self, holders: &[HolderRow]) -> Result<(), Error> {
        for holder in holders.iter().filter(|holder| self.holds(&holder.roles)) {
            let later = self.later(&holder.roles);
            if bytes_of(self.after, &later) > bytes_of(self.before, &holder.roles) {
                let bytes = bytes_of(self.after, &later);
                if bytes > MAX_CUSTOM_PERMISSIONS_BYTES {
                    let (whose, roles) = (&holder.organization_name, custom_of(&later).join(", "));
                    return Err(Error::Conflict(format!("somebody in {whose} holds the roles {roles}: {}", too_much(bytes))));
                }
            }
        }
        Ok(())
    }

    /// Ends the generations whose tokens say more than their credential may afterwards.
    async fn end(&self, tx: &mut Tx, row: &CustomRoleRow, now: Time) -> Result<Vec<i64>, Error> {
        let loses = |roles: &[String]| self.holds(roles) && !self.before.permissions(roles).is_within(&self.after.permissions(&self.later(roles)));
        let open = generations::list_open_in(tx, row.root_id).await?;
        let ending: Vec<i64> = open.iter().filter(|row| held_by(row).is_some_and(loses)).map(|row| row.status_index).collect();
        for index in &ending {
            generations::end(tx, *index, now).await?;
        }
        Ok(ending)
    }
}

/// What the log says of a change.
pub(super) fn told_of(before: &CustomRoleRow, after: &CustomRoleRow) -> String {
    let parts = [
        ("name", before.name.clone(), after.name.clone()),
        ("description", before.description.clone(), after.description.clone()),
        ("permissions", before.role.permissions.join(" "), after.role.permissions.join(" ")),
    ];
    parts.iter().filter(|(_, had, has)| had != has).map(|(what, had, has)| format!("{what} from [{had}] to [{has}]")).collect::<Vec<_>>().join(", ")
}
