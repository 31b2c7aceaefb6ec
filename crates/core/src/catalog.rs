//! The catalog in force: what is built in, a preset, and the operator's own, laid one over the other.

mod change;
mod comparison;

pub(crate) use change::ensure;
pub(crate) use comparison::held_by;

use crate::{Core, Error};
use keywright_protocol::{
    Catalog, Position,
    catalog::{Document, Role},
    claims::CATALOG_TYPE,
};
use keywright_store::catalogs;
use serde::Serialize;
use std::sync::Arc;

const BUILT_IN: &str = include_str!("../catalogs/built-in.toml");
const APPCIRCLE: &str = include_str!("../catalogs/appcircle.toml");

/// A catalog that comes with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// The thirteen modules of the Appcircle API.
    Appcircle,
}

impl Preset {
    /// By the name that stands in the configuration.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "appcircle" => Some(Self::Appcircle),
            _ => None,
        }
    }

    /// The same name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Appcircle => "appcircle",
        }
    }
}

/// The catalog of an installation with the position from which it holds.
pub struct CatalogInForce {
    /// Since when.
    pub position: Position,
    /// Checked and indexed.
    pub catalog: Arc<Catalog>,
    /// As it is published: a JWS over it.
    pub signed: String,
}

/// The payload of the published catalog.
#[derive(Serialize)]
struct Published<'a> {
    iss: &'a str,
    iat: i64,
    history: i64,
    revision: i64,
    catalog: &'a Document,
}

/// Lays what is built in, a preset, and the operator's own TOML over each other.
///
/// # Errors
/// [`Error::Invalid`] if the operator's text is no catalog, [`Error::Catalog`] if the whole is not usable.
pub fn assemble(preset: Option<Preset>, own: Option<&str>) -> Result<Document, Error> {
    let mut document = read(BUILT_IN)?;
    if let Some(Preset::Appcircle) = preset {
        lay_over(&mut document, read(APPCIRCLE)?);
    }
    if let Some(own) = own {
        lay_over(&mut document, read(own)?);
    }
    Catalog::new(document.clone())?;
    Ok(document)
}

fn read(text: &str) -> Result<Document, Error> {
    toml::from_str(text).map_err(|error| Error::Invalid { field: "catalog", reason: explain(text, &error) })
}

/// A mistake in one line: where it is, and what.
fn explain(text: &str, error: &toml::de::Error) -> String {
    let what = error.message().lines().collect::<Vec<_>>().join(" ");
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(above) => format!("line {}: {what}", above.matches('\n').count() + 1),
        None => what,
    }
}

/// APIs and roles of the same name are united; what the upper one says about a name or an audience holds.
fn lay_over(lower: &mut Document, upper: Document) {
    lower.default_audience = upper.default_audience.or(lower.default_audience.take());
    for (name, api) in upper.apis {
        let known = lower.apis.entry(name).or_default();
        known.audience = api.audience.or(known.audience.take());
        known.permissions.extend(api.permissions);
    }
    for module in upper.modules {
        lower.modules.retain(|known| known.slug != module.slug);
        lower.modules.push(module);
    }
    for (key, role) in upper.roles {
        match lower.roles.entry(key) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(role);
            }
            std::collections::btree_map::Entry::Occupied(mut known) => unite(known.get_mut(), role),
        }
    }
    lower.conditions.extend(upper.conditions);
}

fn unite(known: &mut Role, more: Role) {
    known.name = more.name;
    known.module = more.module.or(known.module.take());
    known.rank = more.rank;
    known.everything |= more.everything;
    known.permissions.extend(more.permissions);
    known.permissions.sort_unstable();
    known.permissions.dedup();
}

impl Core {
    /// The catalog in force, at this moment.
    #[must_use]
    pub fn catalog(&self) -> Arc<CatalogInForce> {
        self.catalog.load_full()
    }

    /// A catalog's row, checked, indexed and signed.
    pub(crate) fn publish(
        issuer: &str,
        keyring: &crate::keyring::Keyring,
        row: &catalogs::CatalogRow,
        now: keywright_protocol::Time,
    ) -> Result<CatalogInForce, Error> {
        let document: Document = serde_json::from_str(&row.document).map_err(|_| Error::Internal("the stored catalog cannot be read"))?;
        let published = Published { iss: issuer, iat: now.as_seconds(), history: row.position.history, revision: row.position.n, catalog: &document };
        let payload = serde_json::to_vec(&published).map_err(|_| Error::Internal("the catalog cannot be written"))?;
        let signed = keyring.document().sign_document(CATALOG_TYPE, &payload)?;
        Ok(CatalogInForce { position: row.position, catalog: Arc::new(Catalog::new(document)?), signed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_installation_has_no_word_of_the_preset() {
        let own = r#"
            [apis.invoices]
            audience = "https://api.example.com"
            permissions = { "invoices.read" = "See invoices", "invoices.write" = "Create and change invoices" }
            [roles.accountant]
            name = "Accountant"
            permissions = ["invoices.read", "invoices.write"]
        "#;
        let document = assemble(None, Some(own)).unwrap();
        let text = serde_json::to_string(&document).unwrap();
        assert!(text.contains("accountant") && text.contains("view-organization"));
        for word in ["distribution", "codepush", "signing", "appcircle"] {
            assert!(!text.contains(word), "{word}");
        }
    }

    #[test]
    fn the_preset_is_usable_and_extends_what_is_built_in() {
        let bare = Catalog::new(assemble(None, None).unwrap()).unwrap();
        let preset = Catalog::new(assemble(Some(Preset::Appcircle), None).unwrap()).unwrap();
        let count = |catalog: &Catalog| catalog.ids(&catalog.permissions(&["manage-organization"])).count();
        assert!(count(&preset) > count(&bare));
        assert!(preset.has_role("operate-distribution-profile"));
    }

    #[test]
    fn a_catalog_with_a_mistake_is_refused() {
        assert!(matches!(assemble(None, Some("[roles.x]\nname = 'X'\npermissions = ['ghost']")), Err(Error::Catalog(_))));
        assert!(matches!(assemble(None, Some("roles = 7")), Err(Error::Invalid { .. })));
    }
}
