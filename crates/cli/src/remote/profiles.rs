//! Keys and sessions that are kept: `credentials.json`.

use super::{
    Failure,
    environment::Environment,
    files::{self, Then},
};
use keywright_protocol::Time;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// What is meant without a name.
pub(super) const DEFAULT: &str = "default";

/// A server and what one is there.
#[derive(Serialize, Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
pub(super) struct Profile {
    /// Where the server is.
    pub(super) url: String,
    /// How to get there.
    #[serde(default, skip_serializing_if = "Over::is_tls")]
    pub(super) over: Over,
    /// What it calls itself in tokens.
    pub(super) issuer: String,
    /// What opens it.
    pub(super) credential: Credential,
}

/// Over what.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Over {
    /// TLS, or this machine.
    #[default]
    Tls,
    /// A network in clear.
    PlainHttp,
}

impl Over {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_tls(&self) -> bool {
        *self == Self::Tls
    }
}

/// Something secret.
#[derive(Serialize, Deserialize, Clone)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Credential {
    /// Of a person, in one organization.
    PersonalAccessKey {
        /// The key.
        secret: Zeroizing<String>,
    },
    /// Of an organization.
    ApiKey {
        /// The key's secret.
        secret: Zeroizing<String>,
    },
    /// Of a person who has signed in.
    Session {
        /// The session's secret.
        secret: Zeroizing<String>,
        /// When it ends at the latest.
        expires_at: Time,
    },
}

impl Credential {
    /// What it is, in the words of the product.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::PersonalAccessKey { .. } => "Personal Access Key",
            Self::ApiKey { .. } => "API Key",
            Self::Session { .. } => "session",
        }
    }
}

#[derive(Serialize, Deserialize, Default)]
struct Profiles {
    profiles: BTreeMap<String, Profile>,
}

/// The file.
#[derive(Clone)]
pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(super) fn of(environment: &Environment) -> Result<Self, Failure> {
        let folder = environment.folder.clone();
        folder.map(|folder| Self { folder }).ok_or_else(|| Failure::failed("there is no place for keys: set HOME or XDG_CONFIG_HOME"))
    }

    /// The folder of this program's files.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file itself, for whoever is told of it.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.join("credentials.json")
    }

    pub(super) fn find(&self, name: &str) -> Result<Option<Profile>, Failure> {
        let all: Option<Profiles> = files::read(&self.file())?;
        Ok(all.and_then(|mut all| all.profiles.remove(name)))
    }

    pub(super) fn keep(&self, name: &str, profile: Profile) -> Result<(), Failure> {
        files::change(&self.file(), |all: &mut Profiles| {
            all.profiles.insert(name.to_owned(), profile);
            Then::Keep
        })
    }

    pub(super) fn forget(&self, name: &str) -> Result<(), Failure> {
        files::change(&self.file(), |all: &mut Profiles| {
            all.profiles.remove(name);
            if all.profiles.is_empty() { Then::Delete } else { Then::Keep }
        })
    }
}
