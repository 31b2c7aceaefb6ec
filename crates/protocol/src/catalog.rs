//! The catalog: the APIs, permissions and roles of an installation, as data, and the one resolver from roles to permissions.

mod custom;

pub use custom::{CUSTOM_PREFIX, CustomRole, is_custom};

use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// The role that has everything.
pub const OWNER: &str = "owner";
/// Longest permission id or role key, in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// Most permissions of an installation.
pub const MAX_PERMISSIONS: usize = 4096;

/// A catalog as it is written and published. [`Catalog::new`] checks it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The `aud` of a token when nobody asks for another one: an audience of one of the APIs. Absent: the issuer itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_audience: Option<String>,
    /// APIs by name.
    #[serde(default)]
    pub apis: BTreeMap<String, Api>,
    /// Groups of roles, in the order in which they are shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<Module>,
    /// Roles by key.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
    /// Permissions that a role alone does not give.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// One API: an audience, and what may be permitted there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// The `aud` of its tokens. Absent: the issuer itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Permission id -> what it allows, in words.
    #[serde(default)]
    pub permissions: BTreeMap<String, String>,
}

/// A group of roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Module {
    /// The part of its role keys after the verb.
    pub slug: String,
    /// As it is shown.
    pub title: String,
}

/// A role: a bundle of permissions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// As it is shown.
    pub name: String,
    /// The slug of the module it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Strongest first within a module.
    #[serde(default)]
    pub rank: u32,
    /// Has every permission there is, whatever else the catalog says.
    #[serde(default, skip_serializing_if = "is_false")]
    pub everything: bool,
    /// Permission ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// A permission that holds only together with other roles: of each group in `all_of`, at least one role must be held too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The permission it restricts.
    pub permission: String,
    /// Groups of role keys.
    pub all_of: Vec<Vec<String>>,
}

/// What is wrong with a catalog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// Not a usable name.
    #[error("`{0}` is no usable name: 1 to 64 characters of a-z, 0-9, `.`, `-` and `_` are")]
    Name(String),
    /// The same permission in two APIs.
    #[error("the permission `{0}` stands in two APIs; ids are unique in an installation")]
    PermissionTwice(String),
    /// A role or condition names a permission that no API has.
    #[error("`{by}` names the permission `{permission}`, which no API has")]
    UnknownPermission {
        /// The role or condition.
        by: String,
        /// The missing one.
        permission: String,
    },
    /// A condition names a role that is not there.
    #[error("the condition on `{permission}` names the role `{role}`, which is not there")]
    UnknownRole {
        /// The restricted permission.
        permission: String,
        /// The missing one.
        role: String,
    },
    /// A role names a module that is not there.
    #[error("the role `{role}` names the module `{module}`, which is not there")]
    UnknownModule {
        /// The role.
        role: String,
        /// The missing one.
        module: String,
    },
    /// The default audience is no API's.
    #[error("default_audience is `{0}`, which is the audience of no API")]
    UnknownAudience(String),
    /// More permissions than can be handled.
    #[error("there are {0} permissions; {MAX_PERMISSIONS} at most can be handled")]
    TooManyPermissions(usize),
}

/// A permission's number within one [`Catalog`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PermissionIndex(usize);

/// A set of permissions of one [`Catalog`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PermissionSet(Vec<u64>);

impl PermissionSet {
    fn empty(size: usize) -> Self {
        Self(vec![0; size.div_ceil(64)])
    }

    fn insert(&mut self, index: PermissionIndex) {
        if let Some(word) = self.0.get_mut(index.0 / 64) {
            *word |= 1 << (index.0 % 64);
        }
    }

    fn remove(&mut self, index: PermissionIndex) {
        if let Some(word) = self.0.get_mut(index.0 / 64) {
            *word &= !(1 << (index.0 % 64));
        }
    }

    /// Adds what the other has.
    pub fn union(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    /// Leaves only what both have.
    pub fn intersect(&mut self, other: &Self) {
        for (at, word) in self.0.iter_mut().enumerate() {
            *word &= other.0.get(at).copied().unwrap_or(0);
        }
    }

    /// What is in it and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self(self.0.iter().enumerate().map(|(at, word)| word & !other.0.get(at).copied().unwrap_or(0)).collect())
    }

    /// Whether the permission is in it.
    #[must_use]
    pub fn contains(&self, index: PermissionIndex) -> bool {
        self.0.get(index.0 / 64).is_some_and(|word| word & (1 << (index.0 % 64)) != 0)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Whether everything in it is in `other` too. Both must be of the same catalog.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().enumerate().all(|(at, word)| word & !other.0.get(at).copied().unwrap_or(0) == 0)
    }
}

/// A checked catalog, indexed for resolving; and, where they are needed, the custom roles of one root organization beside its own. A clone
/// shares what is the catalog's.
#[derive(Debug, Clone)]
pub struct Catalog {
    indexed: Arc<Indexed>,
    custom: BTreeMap<String, PermissionSet>,
}

#[derive(Debug)]
struct Indexed {
    document: Document,
    permissions: Vec<String>,
    indices: HashMap<String, PermissionIndex>,
    roles: HashMap<String, PermissionSet>,
    conditions: Vec<(PermissionIndex, Vec<Vec<String>>)>,
    audiences: HashMap<Option<String>, PermissionSet>,
}

impl Catalog {
    /// Checks a document and indexes it.
    ///
    /// # Errors
    /// [`CatalogError`] names the first thing that is wrong.
    pub fn new(document: Document) -> Result<Self, CatalogError> {
        let mut permissions: Vec<String> = Vec::new();
        for (name, api) in &document.apis {
            check_name(name)?;
            for id in api.permissions.keys() {
                check_name(id)?;
                permissions.push(id.clone());
            }
        }
        permissions.sort_unstable();
        if let Some([twice, _]) = permissions.array_windows::<2>().find(|[a, b]| a == b) {
            return Err(CatalogError::PermissionTwice(twice.clone()));
        }
        if permissions.len() > MAX_PERMISSIONS {
            return Err(CatalogError::TooManyPermissions(permissions.len()));
        }
        let indices: HashMap<String, PermissionIndex> = permissions.iter().enumerate().map(|(at, id)| (id.clone(), PermissionIndex(at))).collect();
        let roles = index_roles(&document, &indices, permissions.len())?;
        let conditions = index_conditions(&document, &indices)?;
        let mut audiences: HashMap<Option<String>, PermissionSet> = HashMap::new();
        for api in document.apis.values() {
            let set = audiences.entry(api.audience.clone()).or_insert_with(|| PermissionSet::empty(permissions.len()));
            for index in api.permissions.keys().filter_map(|id| indices.get(id)) {
                set.insert(*index);
            }
        }
        if let Some(default) = document.default_audience.as_ref().filter(|default| !audiences.contains_key(&Some((*default).clone()))) {
            return Err(CatalogError::UnknownAudience(default.clone()));
        }
        let indexed = Arc::new(Indexed { document, permissions, indices, roles, conditions, audiences });
        Ok(Self { indexed, custom: BTreeMap::new() })
    }

    /// The resolver: what these roles permit together, conditions included. A role that the catalog does not have gives
    /// nothing. Adding a role never takes a permission away.
    #[must_use]
    pub fn permissions<R: AsRef<str>>(&self, roles: &[R]) -> PermissionSet {
        let mut set = PermissionSet::empty(self.indexed.permissions.len());
        let mut everything = false;
        for role in roles {
            if let Some(own) = self.role(role.as_ref()) {
                set.union(own);
                everything |= self.indexed.document.roles.get(role.as_ref()).is_some_and(|role| role.everything);
            }
        }
        if !everything {
            for (index, groups) in &self.indexed.conditions {
                let holds = groups.iter().all(|group| group.iter().any(|wanted| roles.iter().any(|role| role.as_ref() == wanted)));
                if !holds {
                    set.remove(*index);
                }
            }
        }
        set
    }

    /// Reads a `scope` text: the permissions it names; unknown ones name nothing.
    #[must_use]
    pub fn scope(&self, scope: &str) -> PermissionSet {
        let mut set = PermissionSet::empty(self.indexed.permissions.len());
        for index in scope.split(' ').filter_map(|id| self.indexed.indices.get(id)) {
            set.insert(*index);
        }
        set
    }

    /// All permissions of the APIs with this audience (`None`: the issuer itself).
    #[must_use]
    pub fn audience(&self, audience: Option<&str>) -> Option<&PermissionSet> {
        self.indexed.audiences.get(&audience.map(str::to_owned))
    }

    /// The audience of a token when nobody asks for another one; `None`: the issuer itself.
    #[must_use]
    pub fn default_audience(&self) -> Option<&str> {
        self.indexed.document.default_audience.as_deref()
    }

    /// The number of a permission id.
    #[must_use]
    pub fn index(&self, id: &str) -> Option<PermissionIndex> {
        self.indexed.indices.get(id).copied()
    }

    /// The ids in a set, in alphabetical order.
    pub fn ids<'a>(&'a self, set: &'a PermissionSet) -> impl Iterator<Item = &'a str> {
        self.indexed.permissions.iter().enumerate().filter(|(at, _)| set.contains(PermissionIndex(*at))).map(|(_, id)| id.as_str())
    }

    /// The keys of the roles that carry a permission, in alphabetical order; custom ones last.
    pub fn roles_with<'a>(&'a self, id: &str) -> impl Iterator<Item = &'a str> {
        let index = self.index(id);
        let keys = self.indexed.document.roles.keys().chain(self.custom.keys());
        keys.filter(move |key| index.is_some_and(|index| self.role(key).is_some_and(|set| set.contains(index)))).map(String::as_str)
    }

    /// Whether there is such a role.
    #[must_use]
    pub fn has_role(&self, key: &str) -> bool {
        self.role(key).is_some()
    }

    fn role(&self, key: &str) -> Option<&PermissionSet> {
        self.indexed.roles.get(key).or_else(|| self.custom.get(key))
    }

    /// The document it was made of.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.indexed.document
    }
}

fn check_name(name: &str) -> Result<(), CatalogError> {
    let usable = (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_'));
    if usable { Ok(()) } else { Err(CatalogError::Name(name.to_owned())) }
}

fn index_roles(document: &Document, indices: &HashMap<String, PermissionIndex>, size: usize) -> Result<HashMap<String, PermissionSet>, CatalogError> {
    let mut roles = HashMap::new();
    for (key, role) in &document.roles {
        check_name(key)?;
        if let Some(module) = &role.module
            && !document.modules.iter().any(|known| known.slug == *module)
        {
            return Err(CatalogError::UnknownModule { role: key.clone(), module: module.clone() });
        }
        let mut set = PermissionSet::empty(size);
        for id in &role.permissions {
            let index = indices.get(id).ok_or_else(|| CatalogError::UnknownPermission { by: key.clone(), permission: id.clone() })?;
            set.insert(*index);
        }
        if role.everything {
            indices.values().for_each(|index| set.insert(*index));
        }
        roles.insert(key.clone(), set);
    }
    Ok(roles)
}

type IndexedConditions = Vec<(PermissionIndex, Vec<Vec<String>>)>;

fn index_conditions(document: &Document, indices: &HashMap<String, PermissionIndex>) -> Result<IndexedConditions, CatalogError> {
    let mut conditions = Vec::new();
    for Condition { permission, all_of } in &document.conditions {
        let index = indices.get(permission).ok_or_else(|| CatalogError::UnknownPermission { by: "a condition".to_owned(), permission: permission.clone() })?;
        if let Some(role) = all_of.iter().flatten().find(|role| !document.roles.contains_key(*role)) {
            return Err(CatalogError::UnknownRole { permission: permission.clone(), role: role.clone() });
        }
        conditions.push((*index, all_of.clone()));
    }
    Ok(conditions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Document {
        serde_json::from_value(serde_json::json!({
            "apis": {
                "invoices": { "audience": "https://api.example.com", "permissions": { "invoices.read": "See", "invoices.write": "Change", "invoices.send": "Send" } },
                "mail": { "permissions": { "mail.send": "Send" } }
            },
            "roles": {
                "owner": { "name": "Owner", "everything": true },
                "reader": { "name": "Reader", "permissions": ["invoices.read"] },
                "accountant": { "name": "Accountant", "permissions": ["invoices.read", "invoices.write", "invoices.send"] },
                "postman": { "name": "Postman", "permissions": ["mail.send"] }
            },
            "conditions": [{ "permission": "invoices.send", "all_of": [["postman"]] }]
        }))
        .unwrap()
    }

    fn resolved(catalog: &Catalog, roles: &[&str]) -> Vec<String> {
        let set = catalog.permissions(roles);
        catalog.ids(&set).map(str::to_owned).collect()
    }

    #[test]
    fn roles_add_up_and_conditions_hold_back() {
        let catalog = Catalog::new(document()).unwrap();
        assert_eq!(resolved(&catalog, &["reader"]), ["invoices.read"]);
        assert_eq!(resolved(&catalog, &["accountant"]), ["invoices.read", "invoices.write"]);
        assert_eq!(resolved(&catalog, &["accountant", "postman"]), ["invoices.read", "invoices.send", "invoices.write", "mail.send"]);
        assert_eq!(resolved(&catalog, &["owner"]).len(), 4);
        assert!(resolved(&catalog, &["nobody"]).is_empty());
    }

    #[test]
    fn an_audience_has_its_own_permissions() {
        let catalog = Catalog::new(document()).unwrap();
        let mut set = catalog.permissions(&["owner"]);
        set.intersect(catalog.audience(None).unwrap());
        assert_eq!(catalog.ids(&set).collect::<Vec<_>>(), ["mail.send"]);
        assert!(catalog.audience(Some("https://elsewhere.example")).is_none());
    }

    #[test]
    fn sets_compare() {
        let catalog = Catalog::new(document()).unwrap();
        let (reader, accountant) = (catalog.permissions(&["reader"]), catalog.permissions(&["accountant"]));
        assert!(reader.is_within(&accountant) && !accountant.is_within(&reader));
        assert!(!reader.is_within(&PermissionSet::default()));
        let mut nothing = reader.clone();
        nothing.intersect(&PermissionSet::default());
        assert!(nothing.is_empty());
        assert_eq!(catalog.scope("invoices.read unknown"), reader);
    }

    #[test]
    fn mistakes_are_named() {
        let mut twice = document();
        twice.apis.get_mut("mail").unwrap().permissions.insert("invoices.read".into(), String::new());
        assert_eq!(Catalog::new(twice).unwrap_err(), CatalogError::PermissionTwice("invoices.read".into()));
        let mut unknown = document();
        unknown.roles.get_mut("reader").unwrap().permissions.push("nothing".into());
        assert!(matches!(Catalog::new(unknown).unwrap_err(), CatalogError::UnknownPermission { .. }));
        let mut condition = document();
        condition.conditions[0].all_of = vec![vec!["ghost".into()]];
        assert!(matches!(Catalog::new(condition).unwrap_err(), CatalogError::UnknownRole { .. }));
        let mut audience = document();
        audience.default_audience = Some("https://nobody.example".into());
        assert_eq!(Catalog::new(audience).unwrap_err(), CatalogError::UnknownAudience("https://nobody.example".into()));
        let mut name = document();
        name.roles.insert("A role".into(), Role::default());
        assert!(matches!(Catalog::new(name).unwrap_err(), CatalogError::Name(_)));
    }
}
