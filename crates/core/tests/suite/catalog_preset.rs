//! What the built-in catalog and the preset `appcircle` say, taken from their own text and held against the contract's role
//! table, whose rows stand here as literals.
#![cfg(test)]

use keywright_protocol::catalog::{Catalog, Document};
use std::collections::{BTreeMap, BTreeSet};

const BUILT_IN: &str = include_str!("../../catalogs/built-in.toml");
const PRESET: &str = include_str!("../../catalogs/appcircle.toml");

/// Rows of the contract's role table.
const ROWS: usize = 197;
/// Rows that mean what a built-in permission means, and therefore are that permission.
const BUILT_IN_ROWS: [&str; 8] = [
    "organization.profile.manage",
    "organization.sub-organization.manage",
    "organization.member.manage",
    "organization.member.assign-role",
    "organization.member.view",
    "organization.member.export",
    "organization.api-key.view",
    "organization.api-key.manage",
];
/// Built-in permissions that the table has no row for.
const BUILT_IN_ONLY: [&str; 2] = ["organization.activity.view", "organization.policy.manage"];
/// Parts of a row with a condition of their own.
const PARTS: [&str; 2] = ["signing.certificate.delete", "signing.profile.delete"];
/// Rows that no Manager has.
const OWNER_ALONE: [&str; 11] = [
    "build.runner.manage",
    "build.runner-token.manage",
    "build.runner-token.view",
    "distribution.auth.select",
    "distribution.session.single",
    "organization.runner-token.manage",
    "organization.runner-token.view",
    "store.auth.select",
    "store.customization.update",
    "store.domain.update",
    "store.session.single",
];

/// Slug, the area its permission ids begin with, its columns, its rows.
const MODULES: [(&str, &str, &str, usize); 13] = [
    ("build", "build", "mov", 30),
    ("environment-variables", "environment-variables", "mv", 4),
    ("codepush", "codepush", "mov", 6),
    ("signing-identity", "signing", "mv", 19),
    ("distribution-profile", "distribution", "moev", 14),
    ("distribution-group", "distribution-group", "mv", 7),
    ("publish-ios", "publish-ios", "moev", 36),
    ("publish-android", "publish-android", "moev", 27),
    ("publish-environment-variables", "publish-environment", "mv", 4),
    ("enterprise-store", "store", "moev", 20),
    ("organization", "organization", "mv", 25),
    ("billing", "billing", "m", 1),
    ("integrations", "integrations", "mv", 4),
];

/// Rows of the table that each role has.
const ROWS_OF_ROLES: [(&str, usize); 35] = [
    ("manage-build", 27),
    ("operate-build", 18),
    ("view-build", 16),
    ("manage-environment-variables", 4),
    ("view-environment-variables", 2),
    ("manage-codepush", 6),
    ("operate-codepush", 4),
    ("view-codepush", 1),
    ("manage-signing-identity", 19),
    ("view-signing-identity", 7),
    ("manage-distribution-profile", 12),
    ("operate-distribution-profile", 9),
    ("external-operate-distribution-profile", 4),
    ("view-distribution-profile", 4),
    ("manage-distribution-group", 7),
    ("view-distribution-group", 3),
    ("manage-publish-ios", 36),
    ("operate-publish-ios", 23),
    ("external-operate-publish-ios", 14),
    ("view-publish-ios", 13),
    ("manage-publish-android", 27),
    ("operate-publish-android", 19),
    ("external-operate-publish-android", 11),
    ("view-publish-android", 10),
    ("manage-publish-environment-variables", 4),
    ("view-publish-environment-variables", 2),
    ("manage-enterprise-store", 16),
    ("operate-enterprise-store", 14),
    ("external-operate-enterprise-store", 5),
    ("view-enterprise-store", 7),
    ("manage-organization", 23),
    ("view-organization", 9),
    ("manage-billing", 1),
    ("manage-integrations", 4),
    ("view-integrations", 2),
];

/// Rows and the columns that have them: `m`anager, `o`perator, `e`xt. operator, `v`iewer. The Owner has all.
const SPOTS: [(&str, &str); 79] = [
    ("build.profile.manage", "m"),
    ("build.build.view", "mov"),
    ("build.build.start", "mo"),
    ("build.artifact.download", "mov"),
    ("build.artifact.distribute", "mo"),
    ("build.connection.manage", "mov"),
    ("build.runner.manage", ""),
    ("build.runner.view", "mov"),
    ("build.runner-token.manage", ""),
    ("build.runner-token.view", ""),
    ("environment-variables.group.manage", "m"),
    ("environment-variables.variable.view", "mv"),
    ("codepush.profile.manage", "m"),
    ("codepush.release.publish", "mo"),
    ("codepush.deployment-key.view", "mo"),
    ("codepush.release.view", "mov"),
    ("signing.certificate.manage", "m"),
    ("signing.csr.convert", "m"),
    ("signing.keystore.view", "mv"),
    ("distribution.profile.manage", "m"),
    ("distribution.profile.settings", "m"),
    ("distribution.profile.view", "moev"),
    ("distribution.app-version.manage", "moe"),
    ("distribution.app-version.send-to-testers", "moe"),
    ("distribution.app-version.send-to-store", "mo"),
    ("distribution.app-version.send-to-publish", "mo"),
    ("distribution.app-version.download", "moe"),
    ("distribution.auth.select", ""),
    ("distribution.auth.view", "mov"),
    ("distribution.session.single", ""),
    ("distribution.re-sign.manage", "m"),
    ("distribution.report.app-version", "mov"),
    ("distribution.report.sharing", "mov"),
    ("distribution-group.group.manage", "m"),
    ("distribution-group.tester.view", "mv"),
    ("publish-ios.profile.settings", "m"),
    ("publish-ios.app-version.manage", "moe"),
    ("publish-ios.flow.run", "mo"),
    ("publish-ios.metadata.update", "moe"),
    ("publish-ios.release-status.view", "moev"),
    ("publish-ios.beta-submission.submit", "m"),
    ("publish-ios.release-note.update", "moe"),
    ("publish-ios.history.download", "moev"),
    ("publish-ios.binary.download", "mov"),
    ("publish-ios.submission.cancel", "mo"),
    ("publish-android.console-info.manage", "m"),
    ("publish-android.app-version.view", "moev"),
    ("publish-android.metadata.update", "moe"),
    ("publish-android.metadata.view", "moev"),
    ("publish-android.release-note.update", "moe"),
    ("publish-android.binary.re-sign", "mo"),
    ("publish-android.activity-log.view", "mov"),
    ("publish-environment.variable.manage", "m"),
    ("publish-environment.group.view", "mv"),
    ("store.profile.manage", "mo"),
    ("store.app-version.manage", "moe"),
    ("store.app-version.download", "moe"),
    ("store.app-version.publish", "mo"),
    ("store.in-app-update.view", "moev"),
    ("store.domain.update", ""),
    ("store.customization.update", ""),
    ("store.auth.select", ""),
    ("store.auth.view", "mov"),
    ("store.re-sign.run", "mo"),
    ("store.re-sign.view", "m"),
    ("store.session.single", ""),
    ("organization.profile.manage", "m"),
    ("organization.member.assign-role", "m"),
    ("organization.member.view", "mv"),
    ("organization.member.export", "m"),
    ("organization.api-key.view", "mv"),
    ("organization.api-key.manage", "m"),
    ("organization.runner-token.view", ""),
    ("organization.runner-token.manage", ""),
    ("organization.domain.view", "mv"),
    ("organization.domain.view-verification", "m"),
    ("billing.subscription.view", "m"),
    ("integrations.credential.manage", "m"),
    ("integrations.notification.view", "mv"),
];

fn document(text: &str) -> Document {
    toml::from_str(text).unwrap()
}

/// The two as one: what stands in both is united.
fn merged() -> Document {
    let mut all = document(BUILT_IN);
    let preset = document(PRESET);
    for (name, api) in preset.apis {
        let into = all.apis.entry(name).or_default();
        into.permissions.extend(api.permissions);
    }
    for (key, role) in preset.roles {
        let into = all.roles.entry(key).or_default();
        let permissions = into.permissions.iter().chain(&role.permissions).cloned().collect();
        *into = keywright_protocol::catalog::Role { permissions, ..role };
    }
    all.modules = preset.modules;
    all.conditions.extend(preset.conditions);
    all
}

fn catalog() -> Catalog {
    Catalog::new(merged()).unwrap()
}

fn may(catalog: &Catalog, roles: &[&str], permission: &str) -> bool {
    catalog.permissions(roles).contains(catalog.index(permission).unwrap())
}

fn role_key(column: char, slug: &str) -> String {
    let verb = match column {
        'm' => "manage",
        'o' => "operate",
        'e' => "external-operate",
        'v' => "view",
        other => panic!("no column {other}"),
    };
    format!("{verb}-{slug}")
}

fn all_permissions(document: &Document) -> BTreeSet<&str> {
    document.apis.values().flat_map(|api| api.permissions.keys()).map(String::as_str).collect()
}

#[test]
fn every_row_is_one_permission() {
    let document = merged();
    let all = all_permissions(&document);
    let rows: BTreeSet<&str> = all.iter().copied().filter(|id| !PARTS.contains(id) && !BUILT_IN_ONLY.contains(id)).collect();
    assert_eq!(rows.len(), ROWS);
    assert_eq!(all.len(), ROWS + PARTS.len() + BUILT_IN_ONLY.len());
    assert!(all.iter().all(|id| id.len() <= 44 && id.split('.').count() == 3), "ids read <area>.<object>.<verb>");
    let mut rows_of_areas: BTreeMap<&str, usize> = BTreeMap::new();
    for id in &rows {
        *rows_of_areas.entry(id.split('.').next().unwrap()).or_default() += 1;
    }
    assert_eq!(rows_of_areas, MODULES.iter().map(|(_, area, _, rows)| (*area, *rows)).collect());
}

#[test]
fn rows_with_a_built_in_meaning_are_declared_once() {
    let built_in = document(BUILT_IN);
    let preset = document(PRESET);
    let built_in_ids = all_permissions(&built_in);
    assert_eq!(built_in_ids, BUILT_IN_ROWS.into_iter().chain(BUILT_IN_ONLY).collect());
    assert!(built_in_ids.is_disjoint(&all_permissions(&preset)));
    assert!(Catalog::new(built_in).is_ok(), "an installation without a preset has a catalog too");
    for id in BUILT_IN_ROWS {
        assert!(PRESET.contains(&format!("-> {id}\n")), "{id} is told of in the comment");
    }
}

#[test]
fn one_token_opens_both_apis() {
    assert!(merged().apis.values().all(|api| api.audience.is_none()));
}

#[test]
fn the_modules_and_their_roles_are_those_of_the_table() {
    let document = merged();
    let slugs: Vec<&str> = document.modules.iter().map(|module| module.slug.as_str()).collect();
    assert_eq!(slugs, MODULES.map(|(slug, ..)| slug));
    let mut expected = BTreeSet::from(["owner".to_owned()]);
    for (slug, _, columns, _) in MODULES {
        for (column, (name, rank)) in [('m', ("Manager", 1)), ('o', ("Operator", 2)), ('e', ("Ext. Operator", 3)), ('v', ("Viewer", 4))] {
            if columns.contains(column) {
                let key = role_key(column, slug);
                let role = document.roles.get(&key).unwrap_or_else(|| panic!("{key} is missing"));
                assert_eq!((role.name.as_str(), role.rank, role.module.as_deref(), role.everything), (name, rank, Some(slug), false), "{key}");
                expected.insert(key);
            }
        }
    }
    assert_eq!(document.roles.keys().cloned().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn the_owner_has_everything_and_lists_nothing() {
    let document = merged();
    let owner = document.roles.get("owner").unwrap();
    assert!(owner.everything && owner.permissions.is_empty() && owner.module.is_none());
    let catalog = catalog();
    let set = catalog.permissions(&["owner"]);
    assert_eq!(catalog.ids(&set).count(), all_permissions(&document).len());
}

#[test]
fn roles_have_as_many_rows_as_in_the_table() {
    let document = merged();
    assert_eq!(document.roles.len(), ROWS_OF_ROLES.len() + 1);
    for (key, rows) in ROWS_OF_ROLES {
        let role = document.roles.get(key).unwrap();
        let unique: BTreeSet<&str> = role.permissions.iter().map(String::as_str).collect();
        assert_eq!(unique.len(), role.permissions.len(), "{key} names a permission twice");
        let counted = unique.iter().filter(|id| !PARTS.contains(id) && !BUILT_IN_ONLY.contains(id)).count();
        assert_eq!(counted, rows, "{key}");
    }
}

#[test]
fn eleven_rows_are_the_owners_alone() {
    let document = merged();
    let managed: BTreeSet<&str> =
        document.roles.iter().filter(|(key, _)| key.starts_with("manage-")).flat_map(|(_, role)| role.permissions.iter().map(String::as_str)).collect();
    let unmanaged: BTreeSet<&str> = all_permissions(&document).difference(&managed).copied().collect();
    assert_eq!(unmanaged, BTreeSet::from(OWNER_ALONE));
    let others = document.roles.values().flat_map(|role| &role.permissions);
    assert!(others.into_iter().all(|id| !OWNER_ALONE.contains(&id.as_str())), "and no other role's");
}

#[test]
fn the_cells_are_those_of_the_table() {
    let document = merged();
    for column in ['m', 'o', 'e', 'v'] {
        assert!(SPOTS.iter().filter(|(_, columns)| columns.contains(column)).count() >= 15, "too few rows for {column}");
    }
    for (id, columns) in SPOTS {
        let area = id.split('.').next().unwrap();
        let (slug, _, offered, _) = MODULES.into_iter().find(|(_, its, ..)| *its == area).unwrap();
        let holders: String = offered.chars().filter(|column| document.roles[&role_key(*column, slug)].permissions.iter().any(|own| own == id)).collect();
        assert_eq!(holders, columns, "{id}");
        let elsewhere = document.roles.iter().any(|(_, role)| role.module.as_deref() != Some(slug) && role.permissions.iter().any(|own| own == id));
        assert!(!elsewhere, "{id} belongs to its own module's roles");
    }
}

/// Without the other role the permission is not there, with it it is; and the other role alone does not give it.
fn held_back(permission: &str, carriers: &[&str], missing: &[&[&str]], enough: &[&[&str]]) {
    let catalog = catalog();
    for carrier in carriers {
        for others in missing {
            let roles: Vec<&str> = std::iter::once(*carrier).chain(others.iter().copied()).collect();
            assert!(!may(&catalog, &roles, permission), "{roles:?} must not have {permission}");
        }
        for others in enough {
            let roles: Vec<&str> = std::iter::once(*carrier).chain(others.iter().copied()).collect();
            assert!(may(&catalog, &roles, permission), "{roles:?} must have {permission}");
            assert!(!may(&catalog, others, permission), "{others:?} alone must not have {permission}");
        }
    }
    assert!(may(&catalog, &["owner"], permission), "conditions do not bind the Owner");
}

#[test]
fn distributing_a_build_needs_testing_distribution() {
    held_back(
        "build.artifact.distribute",
        &["manage-build", "operate-build"],
        &[&[], &["view-distribution-profile"], &["external-operate-distribution-profile"], &["manage-publish-ios"]],
        &[&["manage-distribution-profile"], &["operate-distribution-profile"]],
    );
}

#[test]
fn sending_to_publish_needs_both_platforms() {
    held_back(
        "distribution.app-version.send-to-publish",
        &["manage-distribution-profile", "operate-distribution-profile"],
        &[&[], &["manage-publish-ios"], &["manage-publish-android"], &["operate-publish-ios", "view-publish-android"]],
        &[&["manage-publish-ios", "operate-publish-android"], &["operate-publish-ios", "manage-publish-android"]],
    );
}

#[test]
fn deleting_what_builds_are_signed_with_needs_the_build_manager() {
    for permission in PARTS {
        held_back(permission, &["manage-signing-identity"], &[&[], &["operate-build"], &["view-build"]], &[&["manage-build"]]);
    }
    let catalog = catalog();
    for rest in ["signing.certificate.manage", "signing.profile.manage"] {
        assert!(may(&catalog, &["manage-signing-identity"], rest), "the condition is on deleting alone");
    }
}

#[test]
fn sharing_needs_to_see_testing_groups() {
    held_back(
        "distribution.app-version.send-to-testers",
        &["manage-distribution-profile", "operate-distribution-profile", "external-operate-distribution-profile"],
        &[&[], &["manage-organization"]],
        &[&["view-distribution-group"], &["manage-distribution-group"]],
    );
}

#[test]
fn re_signing_needs_to_see_signing_identities() {
    for (permission, carrier) in [
        ("distribution.re-sign.manage", "manage-distribution-profile"),
        ("publish-ios.re-sign.manage", "manage-publish-ios"),
        ("publish-ios.binary.re-sign", "operate-publish-ios"),
        ("publish-android.re-sign.manage", "manage-publish-android"),
        ("publish-android.binary.re-sign", "operate-publish-android"),
        ("store.re-sign.run", "operate-enterprise-store"),
        ("store.re-sign.update", "manage-enterprise-store"),
    ] {
        held_back(permission, &[carrier], &[&[], &["manage-build"]], &[&["manage-signing-identity"], &["view-signing-identity"]]);
    }
}

#[test]
fn every_condition_is_tested_above() {
    let conditions = document(PRESET).conditions;
    let restricted: BTreeSet<&str> = conditions.iter().map(|condition| condition.permission.as_str()).collect();
    assert_eq!((conditions.len(), restricted.len()), (12, 12));
}

#[test]
fn the_built_in_roles_gain_the_presets_rows() {
    let catalog = catalog();
    for id in BUILT_IN_ROWS.into_iter().chain(BUILT_IN_ONLY) {
        assert!(may(&catalog, &["manage-organization"], id), "{id}");
    }
    assert!(may(&catalog, &["manage-organization"], "organization.sso.manage"));
    let set = catalog.permissions(&["view-organization"]);
    let viewed: Vec<&str> = catalog.ids(&set).collect();
    assert!(viewed.iter().all(|id| id.ends_with(".view")), "{viewed:?}");
    assert!(viewed.contains(&"organization.activity.view") && viewed.contains(&"organization.ldap.view"));
}
