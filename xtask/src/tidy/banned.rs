//! Crates that must not be compiled into anything: the list of `deny.toml`.
//!
//! The lock file is no evidence: it names crates that only a feature nobody switches on would bring. What cargo would compile is.

use crate::process;
use anyhow::{Context, ensure};
use std::{collections::BTreeSet, fs, path::Path, process::Command};

/// Compares what cargo would compile for this machine, all features on, with the list.
pub(super) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let banned = banned(&fs::read_to_string(root.join("deny.toml")).context("deny.toml")?)?;
    let arguments = ["tree", "--workspace", "--all-features", "--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}"];
    let tree = process::output(Command::new("cargo").current_dir(root).args(arguments))?;
    Ok(faults(&banned, &tree))
}

fn banned(deny: &str) -> anyhow::Result<Vec<String>> {
    let deny: toml::Table = deny.parse().context("deny.toml")?;
    let list = deny.get("bans").and_then(|bans| bans.get("deny")).and_then(toml::Value::as_array).context("deny.toml has no bans.deny")?;
    let names = list.iter().map(|ban| ban.get("crate").unwrap_or(ban).as_str().map(str::to_owned).context("a ban without a crate"));
    let names = names.collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(!names.is_empty(), "deny.toml bans nothing");
    Ok(names)
}

fn faults(banned: &[String], tree: &str) -> Vec<String> {
    let compiled: BTreeSet<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let found = banned.iter().filter(|name| compiled.contains(name.as_str()));
    found.map(|name| format!("the banned crate {name} would be compiled; `cargo tree --workspace --all-features -i {name}` says for whom")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: &str = "[bans]\ndeny = [{ crate = \"ring\", reason = \"x\" }, \"rsa\"]\n";

    #[test]
    fn a_banned_crate_is_found_by_its_whole_name() {
        let banned = banned(DENY).unwrap();
        assert_eq!(banned, ["ring", "rsa"]);
        assert_eq!(faults(&banned, "serde v1.0.0\nring v0.17.14 (*)\n").len(), 1);
        assert_eq!(faults(&banned, "string v1.0.0\nring-buffer v1.0.0\nrsa-keys v1\n").len(), 0);
    }

    #[test]
    fn an_empty_list_is_no_list() {
        assert!(banned("[bans]\ndeny = []\n").is_err());
        assert!(banned("[licenses]\n").is_err());
    }
}
