//! `/roles.json` as the contract's clients read it.

use keywright_core::catalog::{Preset, assemble};
use keywright_protocol::{paths::ROLES, roles::RoleGroup};
use keywright_testkit::{Actor, TestServer};
use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeSet;

#[tokio::test]
async fn every_role_but_owner_stands_once_in_the_group_of_its_module() {
    let server = TestServer::start().await;
    let answer = server.get(Actor::Anonymous, &format!("{ROLES}?v=5")).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type").as_str()), (200, "application/json"));
    assert_eq!(answer.header("cache-control"), "public, max-age=60");
    let groups: Vec<RoleGroup> = serde_json::from_value(answer.json()).unwrap();
    let catalog = server.core.catalog();
    let document = catalog.catalog.document();
    let modules: Vec<(&str, &str)> = document.modules.iter().map(|module| (module.slug.as_str(), module.title.as_str())).collect();
    assert_eq!(groups.iter().map(|group| (group.module.as_str(), group.title.as_str())).collect::<Vec<_>>(), modules, "in the catalog's order");
    assert_eq!(groups.len(), 13);

    let keys: Vec<&str> = groups.iter().flat_map(|group| &group.roles).map(|role| role.key.as_str()).collect();
    let unique: BTreeSet<&str> = keys.iter().copied().collect();
    let expected: BTreeSet<&str> = document.roles.keys().map(String::as_str).filter(|key| *key != "owner").collect();
    assert_eq!((unique, keys.len()), (expected.clone(), expected.len()));
    for group in &groups {
        assert!(group.roles.iter().all(|role| document.roles[&role.key].module.as_deref() == Some(group.module.as_str())), "{}", group.module);
    }
    server.end().await;
}

/// Reddens when the rank is left out, or `multi`: the CLI keeps the first-listed of several roles where it is not said.
#[tokio::test]
async fn the_strongest_role_comes_first_and_several_can_be_chosen() {
    let server = TestServer::start().await;
    let groups = server.get(Actor::Anonymous, ROLES).await.json();
    let groups = groups.as_array().expect("a bare array");
    assert!(groups.iter().all(|group| group["multi"] == true && group["roles"].is_array()));
    let group = groups.iter().find(|group| group["module"] == "distribution-profile").unwrap();
    let roles: Vec<(&str, &str)> = group["roles"].as_array().unwrap().iter().map(|role| (text(&role["key"]), text(&role["name"]))).collect();
    let verbs: Vec<&str> = roles.iter().map(|(key, _)| key.strip_suffix("-distribution-profile").unwrap()).collect();
    assert_eq!(verbs, ["manage", "operate", "external-operate", "view"]);
    assert_eq!((roles[0].1, roles[3].1), ("Manager", "Viewer"));
    server.end().await;
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn another_catalog_shows_at_once() {
    let server = TestServer::start().await;
    let own = "[roles.auditor]\nname = \"Auditor\"\npermissions = [\"organization.activity.view\"]\n";
    let document = assemble(Some(Preset::Appcircle), Some(own)).unwrap();
    server.core.apply_catalog(&server.host(), document, Vec::new()).await.unwrap();
    let groups = server.call(Actor::Owner, Method::GET, ROLES, None).await.json();
    let last = groups.as_array().unwrap().last().unwrap().clone();
    let expected = serde_json::json!({ "title": "Roles", "module": "roles", "multi": true, "roles": [{ "key": "auditor", "name": "Auditor" }] });
    assert_eq!(last, expected, "roles without a module stand together");
    server.end().await;
}
