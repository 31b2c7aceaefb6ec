//! Which room may name which other: the table of the house, against what the manifests declare.

use anyhow::Context;
use cargo_metadata::{DependencyKind, MetadataCommand};
use std::{fs, path::Path};

const APACHE: &str = "Apache-2.0";
const PUBLISHED: &str = "MIT OR Apache-2.0";

/// A room, its licence, and the rooms that it may name.
struct Room {
    name: &'static str,
    licence: &'static str,
    may_name: &'static [&'static str],
}

const ROOMS: &[Room] = &[
    Room { name: "protocol", licence: PUBLISHED, may_name: &[] },
    Room { name: "verify", licence: PUBLISHED, may_name: &["protocol"] },
    Room { name: "client", licence: PUBLISHED, may_name: &["protocol"] },
    Room { name: "db", licence: APACHE, may_name: &["protocol"] },
    Room { name: "store", licence: APACHE, may_name: &["db", "protocol"] },
    Room { name: "core", licence: APACHE, may_name: &["store", "db", "protocol"] },
    Room { name: "server", licence: APACHE, may_name: &["core", "verify", "protocol"] },
    Room { name: "distribution", licence: APACHE, may_name: &["verify", "db", "protocol"] },
    Room { name: "cli", licence: APACHE, may_name: &["client", "verify", "protocol"] },
    // `verify`: a distribution that runs by itself gets a verifier over HTTP, made where the binary is put together.
    Room { name: "keywright", licence: APACHE, may_name: &["server", "core", "distribution", "cli", "verify", "protocol"] },
    Room { name: "testkit", licence: APACHE, may_name: &["protocol", "verify", "client", "db", "store", "core", "server", "distribution"] },
    // `verify` and `protocol`: a limit program that checks and issues the same tokens as the service does. `core`: a day of exchanges
    // in process, with the time stepped.
    Room { name: "bench", licence: APACHE, may_name: &["client", "testkit", "core", "verify", "protocol"] },
    // `verify` and `protocol`: resource servers that use the library as strangers would, and what an administrator says to a server.
    Room { name: "faults", licence: APACHE, may_name: &["client", "verify", "protocol"] },
    Room { name: "gateways", licence: APACHE, may_name: &["client"] },
    // It stands beside the code, and compiles none of it.
    Room { name: "model", licence: APACHE, may_name: &[] },
    Room { name: "xtask", licence: APACHE, may_name: &["client"] },
];

/// Crates of others that only these rooms may name.
const RESERVED: &[(&str, &[&str])] = &[("sqlx", &["db"]), ("libsqlite3-sys", &["db"])];

/// Crates of others that these rooms must not name. `core` means something without HTTP and SMTP; `protocol` is compiled by strangers.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("core", &["axum", "http", "http-body-util", "hyper", "hyper-util", "lettre", "reqwest", "tower"]),
    ("store", &["axum", "http", "hyper", "reqwest"]),
    ("db", &["axum", "http", "hyper", "reqwest"]),
    ("protocol", &["tokio", "axum", "http", "hyper", "reqwest"]),
];

/// What a manifest of the workspace declares.
pub(super) struct Package {
    room: String,
    licence: Option<String>,
    manifest: std::path::PathBuf,
    names: Vec<(String, DependencyKind)>,
}

/// Reads the manifests of the workspace.
pub(super) fn packages(root: &Path) -> anyhow::Result<Vec<Package>> {
    let metadata = MetadataCommand::new().current_dir(root).no_deps().exec().context("cargo metadata")?;
    let packages = metadata.packages.into_iter().map(|package| Package {
        room: room_of(&package.name).to_owned(),
        licence: package.license,
        manifest: package.manifest_path.into_std_path_buf(),
        names: package.dependencies.into_iter().map(|dependency| (dependency.name, dependency.kind)).collect(),
    });
    Ok(packages.collect())
}

fn room_of(package: &str) -> &str {
    package.strip_prefix("keywright-").unwrap_or(package)
}

/// Arrows, reserved and forbidden crates, licences.
pub(super) fn check(packages: &[Package]) -> Vec<String> {
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<String> {
    let Some(room) = ROOMS.iter().find(|room| room.name == package.room) else {
        return vec![format!("{}: no such room in the house; xtask/src/tidy/arrows.rs has the list", package.room)];
    };
    let mut faults = Vec::new();
    if package.licence.as_deref() != Some(room.licence) {
        faults.push(format!("{}: its licence must be `{}`", room.name, room.licence));
    }
    for (name, kind) in &package.names {
        let fault = match ROOMS.iter().find(|other| other.name == room_of(name) && (name.starts_with("keywright") || name == "xtask")) {
            Some(other) => arrow_fault(room, other.name, *kind),
            None => crate_fault(room, name, *kind),
        };
        faults.extend(fault.map(|fault| format!("{}: {fault}", room.name)));
    }
    faults
}

fn arrow_fault(room: &Room, other: &str, kind: DependencyKind) -> Option<String> {
    // Tests may reach further than the code, but what they compile must still be acyclic, which cargo sees to.
    let is_for_tests = kind == DependencyKind::Development;
    if other == "testkit" {
        return (!is_for_tests && room.name != "bench").then(|| "names testkit outside its tests".to_owned());
    }
    (!is_for_tests && !room.may_name.contains(&other)).then(|| format!("must not name {other}"))
}

fn crate_fault(room: &Room, name: &str, kind: DependencyKind) -> Option<String> {
    let reserved = RESERVED.iter().any(|(reserved, rooms)| *reserved == name && !rooms.contains(&room.name));
    let is_for_tests = kind == DependencyKind::Development;
    let forbidden = !is_for_tests && FORBIDDEN.iter().any(|(by, crates)| *by == room.name && crates.contains(&name));
    (reserved || forbidden).then(|| format!("must not name the crate {name}"))
}

/// Every manifest takes the workspace's lints.
pub(super) fn check_manifests(packages: &[Package]) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    for package in packages {
        let manifest = fs::read_to_string(&package.manifest)?;
        faults.extend(lints_fault(&manifest)?.map(|fault| format!("{}: {fault}", package.room)));
    }
    Ok(faults)
}

fn lints_fault(manifest: &str) -> anyhow::Result<Option<&'static str>> {
    let manifest: toml::Table = manifest.parse()?;
    let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
    Ok((inherits != Some(true)).then_some("its Cargo.toml must have `[lints] workspace = true`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use DependencyKind::{Build, Development, Normal};

    fn package(room: &str, names: &[(&str, DependencyKind)]) -> Package {
        let licence = ROOMS.iter().find(|known| known.name == room).map_or(APACHE, |known| known.licence);
        Package {
            room: room.to_owned(),
            licence: Some(licence.to_owned()),
            manifest: std::path::PathBuf::new(),
            names: names.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect(),
        }
    }

    fn faults(room: &str, name: &str, kind: DependencyKind) -> usize {
        check(&[package(room, &[(name, kind)])]).len()
    }

    #[test]
    fn arrows_of_the_house_hold_and_others_do_not() {
        for room in ROOMS {
            for other in ROOMS.iter().filter(|other| other.name != "testkit" && other.name != "keywright" && other.name != "xtask") {
                let wrong = usize::from(!room.may_name.contains(&other.name));
                let name = format!("keywright-{}", other.name);
                assert_eq!(faults(room.name, &name, Normal), wrong, "{} -> {}", room.name, other.name);
                assert_eq!(faults(room.name, &name, Build), wrong);
                assert_eq!(faults(room.name, &name, Development), 0);
            }
        }
    }

    #[test]
    fn what_the_house_protects_above_all() {
        assert_eq!(faults("server", "keywright-store", Normal), 1);
        assert_eq!(faults("server", "sqlx", Normal), 1);
        assert_eq!(faults("server", "sqlx", Development), 1);
        assert_eq!(faults("db", "sqlx", Normal), 0);
        assert_eq!(faults("store", "sqlx", Normal), 1);
        assert_eq!(faults("store", "keywright-core", Normal), 1);
        assert_eq!(faults("verify", "keywright-db", Normal), 1);
        assert_eq!(faults("core", "axum", Normal), 1);
        assert_eq!(faults("core", "hyper", Build), 1);
        assert_eq!(faults("core", "tokio", Normal), 0);
        assert_eq!(faults("protocol", "tokio", Normal), 1);
    }

    #[test]
    fn the_testkit_is_for_tests() {
        assert_eq!(faults("server", "keywright-testkit", Development), 0);
        assert_eq!(faults("server", "keywright-testkit", Normal), 1);
        assert_eq!(faults("bench", "keywright-testkit", Normal), 0);
    }

    #[test]
    fn an_unknown_room_and_a_wrong_licence_are_told() {
        assert_eq!(check(&[package("cellar", &[])]).len(), 1);
        let mut wrong = package("verify", &[]);
        wrong.licence = Some(APACHE.to_owned());
        assert_eq!(check(&[wrong]).len(), 1);
        let mut none = package("db", &[]);
        none.licence = None;
        assert_eq!(check(&[none]).len(), 1);
    }

    #[test]
    fn lints_must_be_inherited() {
        assert_eq!(lints_fault("[lints]\nworkspace = true\n").unwrap(), None);
        assert!(lints_fault("[package]\nname = \"x\"\n").unwrap().is_some());
        assert!(lints_fault("[lints]\nworkspace = false\n").unwrap().is_some());
        assert!(lints_fault("no toml").is_err());
    }
}
