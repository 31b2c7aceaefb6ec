//! The body of `/roles.json`: the roles that can be given, as the contract's clients read them.

use crate::catalog::{Document, OWNER, Role};
use serde::{Deserialize, Serialize};

/// Title and module of the roles that belong to no module.
const REST: (&str, &str) = ("Roles", "roles");

/// Roles that are shown together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoleGroup {
    /// As it is shown.
    pub title: String,
    /// The module's slug.
    pub module: String,
    /// Whether several of them can be held together. Always so; clients keep only the first one where it is not said.
    pub multi: bool,
    /// From the strongest to the weakest.
    pub roles: Vec<AssignableRole>,
}

/// A role that can be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AssignableRole {
    /// Its key.
    pub key: String,
    /// As it is shown.
    pub name: String,
}

/// The groups of a catalog: one a module that has roles, in the catalog's order, then one of the roles without a module. `owner`
/// is in none of them: clients add it by themselves.
#[must_use]
pub fn role_groups(document: &Document) -> Vec<RoleGroup> {
    let modules = document.modules.iter().map(|module| (module.title.as_str(), module.slug.as_str(), Some(module.slug.as_str())));
    modules
        .chain([(REST.0, REST.1, None)])
        .map(|(title, slug, module)| RoleGroup { title: title.to_owned(), module: slug.to_owned(), multi: true, roles: roles_of(document, module) })
        .filter(|group| !group.roles.is_empty())
        .collect()
}

fn roles_of(document: &Document, module: Option<&str>) -> Vec<AssignableRole> {
    let mut roles: Vec<(&String, &Role)> = document.roles.iter().filter(|(key, role)| *key != OWNER && role.module.as_deref() == module).collect();
    // Equals stay in the order of their keys.
    roles.sort_by_key(|(_, role)| role.rank);
    roles.into_iter().map(|(key, role)| AssignableRole { key: key.clone(), name: role.name.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Document {
        serde_json::from_value(serde_json::json!({
            "modules": [{ "slug": "sales", "title": "Sales" }, { "slug": "empty", "title": "Empty" }, { "slug": "mail", "title": "Mail" }],
            "roles": {
                "owner": { "name": "Owner", "everything": true },
                "a-reader": { "name": "Reader", "module": "sales", "rank": 4 },
                "b-manager": { "name": "Manager", "module": "sales", "rank": 1 },
                "postman": { "name": "Postman", "module": "mail" },
                "stray": { "name": "Stray" }
            }
        }))
        .unwrap()
    }

    #[test]
    fn groups_follow_the_modules_and_roles_their_rank() {
        let groups = role_groups(&document());
        let shape: Vec<(&str, &str, Vec<&str>)> =
            groups.iter().map(|group| (group.title.as_str(), group.module.as_str(), group.roles.iter().map(|role| role.key.as_str()).collect())).collect();
        assert_eq!(shape, [("Sales", "sales", vec!["b-manager", "a-reader"]), ("Mail", "mail", vec!["postman"]), ("Roles", "roles", vec!["stray"])]);
        assert!(groups.iter().all(|group| group.multi));
    }
}
