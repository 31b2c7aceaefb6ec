//! `keywright catalog`: what is in a catalog, what would change with it, and putting it in force.

use clap::{Args, Subcommand};
use keywright_protocol::{
    admin::{AudienceChange, CatalogDiff, CustomRoleDiff, HeldRole, HoldersIn, NamesDiff, RoleReplacement},
    catalog::Document,
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// An act about the catalog.
#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// Say whether a catalog can be used, and what is in it
    Check(CatalogSource),
    /// Say what would change, and who would gain and lose what
    Diff(CatalogSource),
    /// Put the configured catalog in force, without a restart
    Apply {
        /// What becomes of a role that is held and that the catalog does not have: OLD=NEW; repeat it for several
        #[arg(long = "replace", value_parser = parse_replacement)]
        replace: Vec<RoleReplacement>,
    },
}

/// Another catalog than the configured one.
#[derive(Debug, Args)]
pub struct CatalogSource {
    /// A catalog file, in place of the one that the configuration names
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// A catalog that comes with the program, in place of the one that the configuration names
    #[arg(long)]
    pub preset: Option<String>,
}

fn parse_replacement(text: &str) -> Result<RoleReplacement, String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => Ok(RoleReplacement { old: old.to_owned(), new: new.to_owned() }),
        _ => Err("must look like OLD=NEW, two role keys".to_owned()),
    }
}

/// How much is in a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    apis: usize,
    permissions: usize,
    modules: usize,
    roles: usize,
    conditions: usize,
    /// Absent: the issuer itself.
    default_audience: Option<String>,
}

impl Contents {
    /// Counted.
    #[must_use]
    pub fn of(document: &Document) -> Self {
        Self {
            apis: document.apis.len(),
            permissions: document.apis.values().map(|api| api.permissions.len()).sum(),
            modules: document.modules.len(),
            roles: document.roles.len(),
            conditions: document.conditions.len(),
            default_audience: document.default_audience.clone(),
        }
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "apis": self.apis,
            "permissions": self.permissions,
            "modules": self.modules,
            "roles": self.roles,
            "conditions": self.conditions,
            "defaultAudience": self.default_audience,
        })
    }

    /// In one line, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let counts = [
            amount(self.apis, "API", "APIs"),
            amount(self.permissions, "permission", "permissions"),
            amount(self.modules, "module", "modules"),
            amount(self.roles, "role", "roles"),
            amount(self.conditions, "condition", "conditions"),
        ];
        format!("the catalog can be used: {}; tokens are for {}", counts.join(", "), audience(self.default_audience.as_deref()))
    }
}

/// A difference as lines for people.
#[must_use]
pub fn lines(diff: &CatalogDiff) -> String {
    if diff.identical {
        return "nothing changes: this catalog is in force".to_owned();
    }
    let mut lines = Vec::new();
    names(&mut lines, "permissions", &diff.permissions);
    names(&mut lines, "roles", &diff.roles);
    if let Some(AudienceChange { before, after }) = &diff.default_audience {
        lines.push(format!("tokens are for {} instead of {}", audience(after.as_deref()), audience(before.as_deref())));
    }
    if lines.is_empty() {
        lines.push("nothing but modules or the order of things changes".to_owned());
    }
    for held in &diff.held {
        lines.push(format!("who holds {}: {}", held.role, fate(held)));
        lines.extend(held.holders.iter().map(place));
    }
    lines.extend(diff.custom_roles.iter().map(custom));
    lines.push(match diff.generations_ended {
        0 => "no token ends early".to_owned(),
        1 => "the tokens of one key for one organization end".to_owned(),
        many => format!("tokens end: those of {many} pairs of key and organization"),
    });
    lines.join("\n")
}

fn names(lines: &mut Vec<String>, kind: &str, names: &NamesDiff) {
    for (what, names) in [("added", &names.added), ("removed", &names.removed), ("changed", &names.changed)] {
        if !names.is_empty() {
            lines.push(format!("{kind} {what}: {}", names.join(", ")));
        }
    }
}

fn custom(diff: &CustomRoleDiff) -> String {
    let mut parts = Vec::new();
    gains_and_losses(&mut parts, &diff.gains, &diff.loses);
    format!("{} of {} \"{}\" {}", diff.role, diff.organization_id, diff.organization_name, parts.join("; "))
}

fn gains_and_losses(parts: &mut Vec<String>, gains: &[String], loses: &[String]) {
    for (what, ids) in [("gains", gains), ("loses", loses)] {
        if !ids.is_empty() {
            parts.push(format!("{what} {}", ids.join(", ")));
        }
    }
}

fn fate(held: &HeldRole) -> String {
    let mut parts = Vec::new();
    match &held.replaced_by {
        Some(new) => parts.push(format!("gets {new} instead")),
        None if held.vanishes => parts.push("it vanishes, so it must be put back or replaced".to_owned()),
        None => {}
    }
    gains_and_losses(&mut parts, &held.gains, &held.loses);
    parts.join("; ")
}

fn place(place: &HoldersIn) -> String {
    let counts: Vec<String> = [(place.memberships, "member", "members"), (place.keys, "API Key", "API Keys"), (place.invitations, "invitation", "invitations")]
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| amount(count, one, many))
        .collect();
    format!("  in {} \"{}\": {}", place.organization_id, place.organization_name, counts.join(", "))
}

fn amount<N: PartialEq + From<u8> + std::fmt::Display>(count: N, one: &str, many: &str) -> String {
    if count == N::from(1) { format!("1 {one}") } else { format!("{count} {many}") }
}

fn audience(audience: Option<&str>) -> &str {
    audience.unwrap_or("the issuer itself")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_are_read() {
        assert_eq!(parse_replacement("clerk=accountant"), Ok(RoleReplacement { old: "clerk".into(), new: "accountant".into() }));
        for bad in ["", "=", "clerk", "clerk=", "=accountant"] {
            assert!(parse_replacement(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_difference_says_who_gains_and_loses_what() {
        let organization_id = "6f9619ff-8b86-4011-b42d-00c04fc964ff".parse().unwrap();
        let place = HoldersIn { organization_id, organization_name: "Acme".into(), memberships: 2, keys: 1, invitations: 0 };
        let held = HeldRole {
            role: "clerk".into(),
            vanishes: true,
            replaced_by: Some("accountant".into()),
            gains: vec!["invoices.write".into()],
            loses: vec!["invoices.send".into()],
            holders: vec![place],
        };
        let mut diff = CatalogDiff { roles: NamesDiff { removed: vec!["clerk".into()], ..NamesDiff::default() }, held: vec![held], ..CatalogDiff::default() };
        diff.generations_ended = 3;
        let expected = "roles removed: clerk\n\
            who holds clerk: gets accountant instead; gains invoices.write; loses invoices.send\n  \
            in 6f9619ff-8b86-4011-b42d-00c04fc964ff \"Acme\": 2 members, 1 API Key\n\
            tokens end: those of 3 pairs of key and organization";
        assert_eq!(lines(&diff), expected);
        assert_eq!(lines(&CatalogDiff { identical: true, ..CatalogDiff::default() }), "nothing changes: this catalog is in force");
    }
}
