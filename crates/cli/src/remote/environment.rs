//! What these commands read of the environment: the one place that does, beside clap's own `--profile` and `--url`.

use std::{env, path::PathBuf};
use zeroize::Zeroizing;

/// A key for commands without `login`, or for `login` itself.
pub(super) const KEY: &str = "KEYWRIGHT_KEY";
/// The server of that key; `exec` sets it too.
pub(super) const URL: &str = "KEYWRIGHT_URL";
/// An access token, as `exec` sets it.
pub(super) const TOKEN: &str = "KEYWRIGHT_TOKEN";
/// The organization of that token.
pub(super) const ORGANIZATION: &str = "KEYWRIGHT_ORGANIZATION";

/// What stands there.
pub(super) struct Environment {
    /// A key. Secret.
    pub(super) key: Option<Zeroizing<String>>,
    /// The server.
    pub(super) url: Option<String>,
    /// The folder of this program's files; `None` if there is no home.
    pub(super) folder: Option<PathBuf>,
}

impl Environment {
    pub(super) fn read() -> Self {
        let home = || var("HOME").map(|home| PathBuf::from(home).join(".config"));
        // A relative path is to be ignored (XDG Base Directory Specification).
        let config = var("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home);
        Self { key: var(KEY).map(Zeroizing::new), url: var(URL), folder: config.map(|config| config.join("keywright")) }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one home of the environment of a person's commands")]
fn var(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
