//! Two catalogs side by side: what is in them, and who gains and loses by going from one to the other.

use crate::grant;
use keywright_protocol::{
    Catalog, KeyKind, OrganizationId,
    admin::{AudienceChange, CatalogDiff, CustomRoleDiff, HeldRole, HoldersIn, NamesDiff},
    catalog::{Condition, CustomRole, Document, PermissionSet, Role, is_custom},
};
use keywright_store::{
    generations::OpenRow,
    holders::{HolderKind, HolderRow},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One thing that roles can permit: the audience whose tokens carry it, and its id. A permission that moves to another audience
/// is gone from the tokens of the old one.
type Right<'a> = (Option<&'a str>, &'a str);

/// The custom roles of each root, with its name.
pub(crate) type CustomRoles = BTreeMap<OrganizationId, (String, Vec<CustomRole>)>;

/// Roles that take the place of others.
pub(crate) type Replacements = BTreeMap<String, String>;

/// Two catalogs, and which roles take the place of others on the way.
pub(crate) struct Comparison<'a> {
    before: Side<'a>,
    after: Side<'a>,
    replace: &'a Replacements,
    custom: &'a CustomRoles,
    /// What holders of a set of roles gain and lose; most sets are held by many. Custom roles mean something in the tree of their root alone.
    known: HashMap<(Option<OrganizationId>, Vec<String>), Change<'a>>,
}

struct Side<'a> {
    catalog: &'a Catalog,
    rights: Vec<Right<'a>>,
}

#[derive(Default)]
struct Change<'a> {
    gains: BTreeSet<Right<'a>>,
    loses: BTreeSet<Right<'a>>,
}

impl<'a> Side<'a> {
    fn new(catalog: &'a Catalog) -> Self {
        let rights = catalog.document().apis.values().flat_map(|api| api.permissions.keys().map(|id| (api.audience.as_deref(), id.as_str())));
        Self { catalog, rights: rights.collect() }
    }

    /// What these roles permit together, conditions included.
    fn held(&self, roles: &[String], custom: &[CustomRole]) -> BTreeSet<Right<'a>> {
        let set = if custom.is_empty() { self.catalog.permissions(roles) } else { self.catalog.with_custom_roles(custom).permissions(roles) };
        self.rights_of(&set)
    }

    fn rights_of(&self, set: &PermissionSet) -> BTreeSet<Right<'a>> {
        self.rights.iter().filter(|(_, id)| self.catalog.index(id).is_some_and(|index| set.contains(index))).copied().collect()
    }

    fn role(&self, key: &str) -> Option<&'a Role> {
        self.catalog.document().roles.get(key)
    }
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(before: &'a Catalog, after: &'a Catalog, replace: &'a Replacements, custom: &'a CustomRoles) -> Self {
        Self { before: Side::new(before), after: Side::new(after), replace, custom, known: HashMap::new() }
    }

    /// Everything that changes, for these holders and with these generations open.
    pub(crate) fn diff(&mut self, holders: &[HolderRow], ending: usize) -> CatalogDiff {
        let (before, after) = (self.before.catalog.document(), self.after.catalog.document());
        let (default_before, default_after) = (&before.default_audience, &after.default_audience);
        CatalogDiff {
            identical: before == after,
            permissions: names(&permissions(before), &permissions(after)),
            roles: names(&before.roles, &after.roles),
            default_audience: (default_before != default_after).then(|| AudienceChange { before: default_before.clone(), after: default_after.clone() }),
            held: self.held(holders),
            custom_roles: self.custom_roles(),
            generations_ended: u64::try_from(ending).unwrap_or(u64::MAX),
        }
    }

    /// Roles that somebody holds and that the new catalog does not have any more, unless another one takes their place.
    pub(crate) fn orphans<'h>(&self, holders: &'h [HolderRow]) -> BTreeSet<&'h str> {
        let held = holders.iter().flat_map(|holder| &holder.roles).map(String::as_str);
        held.filter(|role| self.vanishes(role) && !self.replace.contains_key(*role)).collect()
    }

    /// The generations whose tokens say more than their credential may afterwards. What it may is computed from its roles
    /// before and after, as an exchange would. A role that vanishes ends them too, whatever takes its place: tokens may name it, and a later
    /// catalog may have another one of that name.
    pub(crate) fn ending(&mut self, open: &[OpenRow]) -> Vec<i64> {
        let mut ends = |root, roles: &[String]| !self.change(root, roles).loses.is_empty() || roles.iter().any(|role| self.vanishes(role));
        open.iter().filter(|row| held_by(row).is_some_and(|roles| ends(row.root_id, roles))).map(|row| row.status_index).collect()
    }

    /// Custom roles that hold more or less than before, whether anybody has them or not: what only one of the catalogs knows gives
    /// nothing with the other.
    fn custom_roles(&self) -> Vec<CustomRoleDiff> {
        let mut all = Vec::new();
        for (root, (organization_name, roles)) in self.custom {
            for role in roles {
                let [before, after] = [&self.before, &self.after].map(|side| side.rights_of(&side.catalog.set_of(&role.permissions)));
                let only = |one: &BTreeSet<Right<'_>>, other| one.difference(other).map(|(_, id)| (*id).to_owned()).collect::<Vec<_>>();
                let (gains, loses) = (only(&after, &before), only(&before, &after));
                if !(gains.is_empty() && loses.is_empty()) {
                    let (organization_id, organization_name, role) = (*root, organization_name.clone(), role.key.clone());
                    all.push(CustomRoleDiff { organization_id, organization_name, role, gains, loses });
                }
            }
        }
        all
    }

    /// The custom roles that these may be, if any of them is one.
    fn custom_of(&self, root: OrganizationId, roles: &[String]) -> &'a [CustomRole] {
        let custom = self.custom.get(&root).filter(|_| roles.iter().any(|role| is_custom(role)));
        custom.map_or(&[], |(_, roles)| roles.as_slice())
    }

    fn vanishes(&self, role: &str) -> bool {
        self.before.role(role).is_some() && self.after.role(role).is_none()
    }

    fn held(&mut self, holders: &[HolderRow]) -> Vec<HeldRole> {
        let mut all: BTreeMap<(&str, Option<OrganizationId>), HeldRole> = BTreeMap::new();
        for holder in holders {
            for role in &holder.roles {
                let carried = self.carried(holder.root_id, role);
                let successor = self.replace.get(role).cloned();
                let vanishes = self.vanishes(role);
                let held = all.entry((role, is_custom(role).then_some(holder.root_id))).or_insert_with(|| HeldRole {
                    role: role.clone(),
                    vanishes,
                    replaced_by: successor,
                    gains: Vec::new(),
                    loses: Vec::new(),
                    holders: Vec::new(),
                });
                let change = self.change(holder.root_id, &holder.roles);
                add(&mut held.gains, &change.gains, &carried);
                add(&mut held.loses, &change.loses, &carried);
                count(&mut held.holders, holder);
            }
        }
        all.into_values().filter(|held| held.vanishes || !held.gains.is_empty() || !held.loses.is_empty()).collect()
    }

    /// What holders of these roles gain and lose.
    fn change(&mut self, root: OrganizationId, roles: &[String]) -> &Change<'a> {
        let custom = self.custom_of(root, roles);
        let of = ((!custom.is_empty()).then_some(root), roles.to_vec());
        if !self.known.contains_key(&of) {
            let mut later: Vec<String> = roles.iter().map(|role| self.replace.get(role).unwrap_or(role).clone()).collect();
            later.sort_unstable();
            later.dedup();
            let (before, after) = (self.before.held(roles, custom), self.after.held(&later, custom));
            let change = Change { gains: after.difference(&before).copied().collect(), loses: before.difference(&after).copied().collect() };
            self.known.insert(of.clone(), change);
        }
        self.known.entry(of).or_default()
    }

    /// The permissions that a role, or what takes its place, names before or after: those for whose change it can be the reason.
    fn carried(&self, root: OrganizationId, key: &str) -> BTreeSet<&'a str> {
        if is_custom(key) {
            let role = self.custom.get(&root).and_then(|(_, roles)| roles.iter().find(|role| role.key == key));
            return role.into_iter().flat_map(|role| &role.permissions).map(String::as_str).collect();
        }
        let successor = self.replace.get(key).map_or(key, String::as_str);
        let of = |side: &Side<'a>, key: &str| -> Vec<&'a str> {
            match side.role(key) {
                Some(role) if role.everything => side.rights.iter().map(|(_, id)| *id).collect(),
                Some(role) => role.permissions.iter().map(String::as_str).collect(),
                None => Vec::new(),
            }
        };
        of(&self.before, key).into_iter().chain(of(&self.after, successor)).collect()
    }
}

/// The roles that hold for the credential of a generation.
pub(crate) fn held_by(row: &OpenRow) -> Option<&[String]> {
    match row.kind {
        KeyKind::PersonalAccessKey | KeyKind::Session => Some(grant::effective_roles(&row.own_roles, &row.root_roles)),
        KeyKind::ApiKey => Some(row.key_roles.as_slice()),
        KeyKind::OperatorKey => None,
    }
}

fn add(ids: &mut Vec<String>, rights: &BTreeSet<Right<'_>>, carried: &BTreeSet<&str>) {
    for (_, id) in rights.iter().filter(|(_, id)| carried.contains(id)) {
        if let Err(place) = ids.binary_search_by(|known| known.as_str().cmp(id)) {
            ids.insert(place, (*id).to_owned());
        }
    }
}

fn count(places: &mut Vec<HoldersIn>, holder: &HolderRow) {
    let id = holder.organization_id;
    if !places.iter().any(|place| place.organization_id == id) {
        let organization_name = holder.organization_name.clone();
        places.push(HoldersIn { organization_id: id, organization_name, memberships: 0, keys: 0, invitations: 0 });
    }
    if let Some(place) = places.iter_mut().find(|place| place.organization_id == id) {
        match holder.kind {
            HolderKind::Membership => place.memberships += 1,
            HolderKind::Key => place.keys += 1,
            HolderKind::Invitation => place.invitations += 1,
        }
    }
}

/// All that a catalog says of a permission: its API, that API's audience, its words, its conditions.
type Said<'a> = (&'a str, Option<&'a str>, &'a str, Vec<&'a Condition>);

fn permissions(document: &Document) -> BTreeMap<String, Said<'_>> {
    let mut all = BTreeMap::new();
    for (name, api) in &document.apis {
        for (id, words) in &api.permissions {
            let conditions = document.conditions.iter().filter(|condition| condition.permission == *id).collect();
            all.insert(id.clone(), (name.as_str(), api.audience.as_deref(), words.as_str(), conditions));
        }
    }
    all
}

fn names<T: PartialEq>(before: &BTreeMap<String, T>, after: &BTreeMap<String, T>) -> NamesDiff {
    let only = |one: &BTreeMap<String, T>, other: &BTreeMap<String, T>| one.keys().filter(|name| !other.contains_key(*name)).cloned().collect();
    let changed = before.iter().filter(|(name, said)| after.get(*name).is_some_and(|now| now != *said));
    NamesDiff { added: only(after, before), removed: only(before, after), changed: changed.map(|(name, _)| name.clone()).collect() }
}
