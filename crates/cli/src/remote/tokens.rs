//! Access tokens that are kept until near their end: `tokens.json`, beside the credentials.

use super::{
    Failure,
    files::{self, Then},
    profiles::Store,
};
use keywright_client::Wanted;
use keywright_protocol::{OrganizationId, Time};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};
use zeroize::Zeroizing;

/// A token is not handed out any more in the last part of its life, and never in the last seconds.
const LAST_PART: u32 = 10;
const LAST_SECONDS: Duration = Duration::from_secs(30);

/// To what a token is narrowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Narrowing {
    /// Another organization than the credential's own.
    pub(super) organization: Option<OrganizationId>,
    /// Another audience than the default one.
    pub(super) audience: Option<String>,
    /// These permissions alone; empty for all that there are.
    pub(super) scope: Vec<String>,
}

impl Narrowing {
    /// The same as the client has it.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted { organization: self.organization, audience: self.audience.clone(), scope: self.scope.clone(), expires_in: None }
    }

    /// What stands for it in the file. The order of permissions does not matter.
    fn name(&self) -> String {
        let organization = self.organization.map(|id| id.to_string()).unwrap_or_default();
        let mut scope = self.scope.clone();
        scope.sort();
        scope.dedup();
        format!("{organization}|{}|{}", self.audience.as_deref().unwrap_or_default(), scope.join(" "))
    }
}

/// An access token.
#[derive(Serialize, Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
pub(super) struct Token {
    /// The token itself. Secret as long as it lives.
    pub(super) access_token: Zeroizing<String>,
    /// When it ends.
    pub(super) expires_at: Time,
    /// Until when it is handed out.
    renew_at: Time,
}

impl Token {
    /// One that was given now.
    pub(super) fn new(access_token: String, lives: Duration, now: Time) -> Self {
        let expires_at = now.plus(lives);
        let renew_at = expires_at.minus((lives / LAST_PART).max(LAST_SECONDS));
        Self { access_token: Zeroizing::new(access_token), expires_at, renew_at }
    }

    pub(super) fn is_near_its_end(&self, now: Time) -> bool {
        self.renew_at <= now
    }
}

type Kept = BTreeMap<String, BTreeMap<String, Token>>;

/// The file, for one profile.
pub(super) struct Tokens {
    file: PathBuf,
    profile: String,
}

impl Tokens {
    pub(super) fn of(store: &Store, profile: &str) -> Self {
        Self { file: store.folder().join("tokens.json"), profile: profile.to_owned() }
    }

    pub(super) fn find(&self, narrowing: &Narrowing, now: Time) -> Result<Option<Token>, Failure> {
        let mut all: Kept = files::read(&self.file)?.unwrap_or_default();
        let found = all.get_mut(&self.profile).and_then(|tokens| tokens.remove(&narrowing.name()));
        Ok(found.filter(|token| !token.is_near_its_end(now)))
    }

    pub(super) fn keep(&self, narrowing: &Narrowing, token: Token, now: Time) -> Result<(), Failure> {
        files::change(&self.file, |all: &mut Kept| {
            for tokens in all.values_mut() {
                tokens.retain(|_, token| !token.is_near_its_end(now));
            }
            all.entry(self.profile.clone()).or_default().insert(narrowing.name(), token);
            Then::Keep
        })
    }

    /// All of the profile's.
    pub(super) fn forget(&self) -> Result<(), Failure> {
        files::change(&self.file, |all: &mut Kept| {
            all.remove(&self.profile);
            if all.is_empty() { Then::Delete } else { Then::Keep }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_handed_out_until_near_its_end() {
        let now = Time::from_seconds(1_000_000);
        let at = |seconds: u64| now.plus(Duration::from_secs(seconds));
        for (life, last) in [(3600, 3239), (300, 269), (60, 29)] {
            let token = Token::new("token".to_owned(), Duration::from_secs(life), now);
            assert_eq!(token.expires_at, at(life));
            assert!(!token.is_near_its_end(at(last)), "{life}");
            assert!(token.is_near_its_end(at(last + 1)), "{life}");
        }
        assert!(Token::new("token".to_owned(), Duration::from_secs(20), now).is_near_its_end(now), "hardly worth keeping");
    }

    #[test]
    fn each_narrowing_has_a_token_of_its_own() {
        let of = |scope: &[&str], audience: Option<&str>| Narrowing {
            organization: None,
            audience: audience.map(str::to_owned),
            scope: scope.iter().map(|id| (*id).to_owned()).collect(),
        };
        assert_eq!(of(&["a", "b"], None).name(), of(&["b", "a", "b"], None).name());
        let names = [of(&[], None), of(&["a"], None), of(&["a", "b"], None), of(&[], Some("a")), of(&[], Some("https://a.example"))].map(|n| n.name());
        assert!((1..names.len()).all(|at| !names[..at].contains(&names[at])), "{names:?}");
    }
}
