//! Roles that the Owners of a root organization make of permissions of the catalog. The catalog is everybody's and published, these are one
//! organization's: they are laid beside it where its roles are resolved, and no document has them.

use super::{Catalog, PermissionSet};

/// What the key of a custom role begins with. No role of a catalog has a `:` in its key, so that the two are never confused.
pub const CUSTOM_PREFIX: &str = "custom:";

/// Whether it is the key of a custom role.
#[must_use]
pub fn is_custom(role: &str) -> bool {
    role.starts_with(CUSTOM_PREFIX)
}

/// A role of a root organization's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomRole {
    /// Its key, with the prefix.
    pub key: String,
    /// Ids of permissions. One that the catalog does not have (any more) gives nothing.
    pub permissions: Vec<String>,
}

impl Catalog {
    /// The same catalog with the custom roles of one root organization, in the place of others that it may have had. What has not the
    /// prefix is no custom role, and left out: nobody lays another role over one of the catalog.
    #[must_use]
    pub fn with_custom_roles<'r>(&self, roles: impl IntoIterator<Item = &'r CustomRole>) -> Self {
        let custom = roles.into_iter().filter(|role| is_custom(&role.key)).map(|role| (role.key.clone(), self.set_of(&role.permissions)));
        Self { indexed: self.indexed.clone(), custom: custom.collect() }
    }

    /// The permissions with these ids, whatever their audience; unknown ones are none.
    #[must_use]
    pub fn set_of<I: AsRef<str>>(&self, ids: &[I]) -> PermissionSet {
        let mut set = PermissionSet::empty(self.indexed.permissions.len());
        for index in ids.iter().filter_map(|id| self.index(id.as_ref())) {
            set.insert(index);
        }
        set
    }

    /// What custom roles add to the roles of the catalog that are held with them, of a set of permissions: what a verifier, who knows
    /// the catalog alone, cannot find out.
    #[must_use]
    pub fn beyond_the_catalog<R: AsRef<str>>(&self, roles: &[R], permissions: &PermissionSet) -> PermissionSet {
        let of_catalog: Vec<&str> = roles.iter().map(AsRef::as_ref).filter(|role| !is_custom(role)).collect();
        permissions.without(&self.permissions(&of_catalog))
    }

    /// The permissions that the custom ones of these roles name together, conditions left aside.
    #[must_use]
    pub fn named_by_custom_roles<R: AsRef<str>>(&self, roles: &[R]) -> PermissionSet {
        let mut set = PermissionSet::empty(self.indexed.permissions.len());
        for own in roles.iter().filter_map(|role| self.custom.get(role.as_ref())) {
            set.union(own);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        let document = serde_json::json!({
            "apis": { "invoices": { "permissions": { "invoices.read": "See", "invoices.write": "Change", "invoices.send": "Send" } } },
            "roles": {
                "owner": { "name": "Owner", "everything": true },
                "reader": { "name": "Reader", "permissions": ["invoices.read"] },
                "postman": { "name": "Postman" }
            },
            "conditions": [{ "permission": "invoices.send", "all_of": [["postman"]] }]
        });
        Catalog::new(serde_json::from_value(document).unwrap()).unwrap()
    }

    fn role(key: &str, permissions: &[&str]) -> CustomRole {
        CustomRole { key: key.to_owned(), permissions: permissions.iter().map(|id| (*id).to_owned()).collect() }
    }

    fn ids(catalog: &Catalog, set: &PermissionSet) -> Vec<String> {
        catalog.ids(set).map(str::to_owned).collect()
    }

    /// Reddens when a condition is not asked for a custom role's permissions, and when an id that the catalog does not have gives something.
    #[test]
    fn a_custom_role_is_what_its_permissions_are() {
        let own = catalog().with_custom_roles(&[role("custom:writer", &["invoices.write", "invoices.send", "gone.id"])]);
        let resolved = |roles: &[&str]| ids(&own, &own.permissions(roles));
        assert_eq!(resolved(&["custom:writer"]), ["invoices.write"]);
        assert_eq!(resolved(&["custom:writer", "postman"]), ["invoices.send", "invoices.write"]);
        assert_eq!(resolved(&["custom:writer", "reader"]), ["invoices.read", "invoices.write"]);
        assert!(own.has_role("custom:writer") && !catalog().has_role("custom:writer"));
        assert_eq!(own.roles_with("invoices.write").collect::<Vec<_>>(), ["owner", "custom:writer"]);
        let all = own.permissions(&["custom:writer", "reader", "postman"]);
        assert_eq!(ids(&own, &own.beyond_the_catalog(&["custom:writer", "reader", "postman"], &all)), ["invoices.send", "invoices.write"]);
    }

    /// Reddens when a key without the prefix is taken.
    #[test]
    fn nothing_is_laid_over_the_catalog() {
        let own = catalog().with_custom_roles(&[role("reader", &["invoices.write"]), role("other", &["invoices.write"])]);
        assert_eq!(ids(&own, &own.permissions(&["reader", "other"])), ["invoices.read"]);
        assert_eq!(own.document(), catalog().document());
    }
}
