//! A server and one's credential there: how commands get what they send.

use super::{
    Common, Failure,
    environment::{self, Environment},
    inspect,
    profiles::{self, Credential, Over, Profile, Store},
    secrets,
    tokens::{Narrowing, Token, Tokens},
};
use keywright_client::{Authorized, Client, ClientError, Options, Transport};
use keywright_protocol::{Clock, KeyKind, Time, secret};
use std::time::Duration;
use zeroize::Zeroizing;

/// What the server's logs call this program.
const USER_AGENT: &str = concat!("keywright/", env!("CARGO_PKG_VERSION"));
const NOT_FRESH: &str = "session_not_fresh";
/// What a wrong password is answered where nothing else can be wrong.
const WRONG_PASSWORD: &str = "invalid_request";

/// Whether a token that is kept will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// One that is kept, if there is one.
    Kept,
    /// One that is made now.
    New,
}

/// A server with one's credential.
pub(super) struct Connection {
    profile: Profile,
    client: Client,
    /// Where the profile is kept; a key from the environment is kept nowhere.
    kept: Option<(Store, String)>,
    /// What was made or found so far.
    tokens: Vec<(Narrowing, Token)>,
    clock: Clock,
    password: secrets::From,
}

impl Connection {
    /// By a key in the environment if no profile is named, else by the profile.
    pub(super) async fn open(common: &Common, environment: &Environment) -> Result<Self, Failure> {
        if let (None, Some(key)) = (&common.profile, &environment.key) {
            let missing = || Failure::usage(format!("say in {} where the server of {} is", environment::URL, environment::KEY));
            let url = environment.url.clone().ok_or_else(missing)?;
            let credential = credential(key)?;
            let issuer = client(&url, Over::Tls)?.metadata().await?.issuer;
            return Self::with(Profile { url, over: Over::Tls, issuer, credential }, None);
        }
        let store = Store::of(environment)?;
        let name = common.profile_name();
        let none = || {
            let how = if name == profiles::DEFAULT { String::new() } else { format!(" --profile {name}") };
            Failure::not_signed_in(format!("you are not signed in; `keywright login{how} --url https://...` keeps a key or a session"))
        };
        let profile = store.find(&name)?.ok_or_else(none)?;
        Self::with(profile, Some((store, name)))
    }

    /// With a profile that is not kept yet, or nowhere.
    pub(super) fn with(profile: Profile, kept: Option<(Store, String)>) -> Result<Self, Failure> {
        let client = client(&profile.url, profile.over)?;
        Ok(Self { profile, client, kept, tokens: Vec::new(), clock: Clock::System, password: secrets::From::Prompt })
    }

    /// Takes the password from there when the session is not fresh.
    pub(super) fn password_from(mut self, from: secrets::From) -> Self {
        self.password = from;
        self
    }

    pub(super) fn profile(&self) -> &Profile {
        &self.profile
    }

    pub(super) fn profile_name(&self) -> Option<&str> {
        self.kept.as_ref().map(|(_, name)| name.as_str())
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// An access token for APIs.
    pub(super) async fn token(&mut self, narrowing: &Narrowing, take: Take) -> Result<Token, Failure> {
        let now = self.clock.now();
        self.tokens.retain(|(known, token)| !token.is_near_its_end(now) && (take == Take::Kept || known != narrowing));
        if let Some((_, token)) = self.tokens.iter().find(|(known, _)| known == narrowing) {
            return Ok(token.clone());
        }
        let token = self.kept_or_new(narrowing, take, now).await?;
        self.tokens.push((narrowing.clone(), token.clone()));
        Ok(token)
    }

    async fn kept_or_new(&self, narrowing: &Narrowing, take: Take, now: Time) -> Result<Token, Failure> {
        let kept = self.kept.as_ref().map(|(store, name)| Tokens::of(store, name));
        if let (Some(kept), Take::Kept) = (&kept, take)
            && let Some(token) = kept.find(narrowing, now)?
        {
            return Ok(token);
        }
        let token = self.new_token(narrowing).await.map_err(|error| self.explained(error))?;
        if let Some(kept) = kept {
            kept.keep(narrowing, token.clone(), now)?;
        }
        Ok(token)
    }

    async fn new_token(&self, narrowing: &Narrowing) -> Result<Token, ClientError> {
        let now = self.clock.now();
        let (token, lives) = match &self.profile.credential {
            Credential::PersonalAccessKey { secret } | Credential::ApiKey { secret } => {
                let issued = self.client.exchange(secret, &narrowing.wanted()).await?;
                (issued.access_token, issued.expires_in)
            }
            Credential::Session { secret, .. } => {
                let token = self.client.with_token(secret).session_token(narrowing.audience.as_deref()).await?;
                if narrowing.organization.is_none() && narrowing.scope.is_empty() {
                    (token.access_token, token.expires_in)
                } else {
                    let narrowed = self.client.exchange(&token.access_token, &narrowing.wanted()).await?;
                    (narrowed.access_token, narrowed.expires_in)
                }
            }
        };
        Ok(Token::new(token, Duration::from_secs(lives.try_into().unwrap_or_default()), now))
    }

    /// What opens the identity API: the session itself, or a token of the key for the server itself.
    async fn authorized(&mut self, take: Take) -> Result<Authorized, Failure> {
        let token = match &self.profile.credential {
            Credential::Session { secret, .. } => secret.clone(),
            Credential::PersonalAccessKey { .. } | Credential::ApiKey { .. } => self.token(&self.own(), take).await?.access_token,
        };
        Ok(self.client.with_token(&token))
    }

    /// For the server itself, whatever the catalog's default audience is.
    pub(super) fn own(&self) -> Narrowing {
        Narrowing { audience: Some(self.profile.issuer.clone()), ..Narrowing::default() }
    }

    /// Asks the identity API, or changes something there. A kept token that is not good any more is replaced, and a session made fresh by
    /// the password where that is asked for, once each.
    pub(super) async fn ask<T>(&mut self, what: impl AsyncFn(&Authorized) -> Result<T, ClientError>) -> Result<T, Failure> {
        let mut answer = what(&self.authorized(Take::Kept).await?).await;
        let is_session = matches!(self.profile.credential, Credential::Session { .. });
        if !is_session && answer.as_ref().is_err_and(|error| error.status() == Some(401)) {
            answer = what(&self.authorized(Take::New).await?).await;
        }
        if is_session && answer.as_ref().is_err_and(|error| error.code() == Some(NOT_FRESH)) {
            self.confirm().await?;
            answer = what(&self.authorized(Take::Kept).await?).await;
        }
        answer.map_err(|error| self.explained(error))
    }

    /// The same of what takes a person; whoever has a key is told how to be one.
    pub(super) async fn ask_as_person<T>(&mut self, what: impl AsyncFn(&Authorized) -> Result<T, ClientError>) -> Result<T, Failure> {
        let answer = self.ask(what).await;
        let is_key = !matches!(self.profile.credential, Credential::Session { .. });
        answer.map_err(|failure| match is_key && failure.is_about_permission() {
            true => {
                failure.hinting(format!("sign in beside the key: keywright login --profile me --url {} --email ..., then add --profile me", self.profile.url))
            }
            false => failure,
        })
    }

    /// Makes the session fresh; its secret is another one afterwards.
    async fn confirm(&mut self) -> Result<(), Failure> {
        let Credential::Session { secret, .. } = &self.profile.credential else { return Ok(()) };
        let instead = "this needs your password once more: give it with --password-stdin";
        let password = secrets::ask("Password", self.password, instead)?;
        let confirmed = self.client.with_token(secret).confirm(&password).await.map_err(|error| match error.code() {
            Some(WRONG_PASSWORD) => Failure::from(error).about_the_credential(),
            Some(_) | None => Failure::from(error),
        })?;
        let expires_at = self.clock.now().plus(Duration::from_secs(confirmed.expires_in.try_into().unwrap_or_default()));
        self.profile.credential = Credential::Session { secret: confirmed.session_token, expires_at };
        match &self.kept {
            Some((store, name)) => store.keep(name, self.profile.clone()),
            None => Ok(()),
        }
    }

    /// An error, with what to do when one has to sign in again.
    fn explained(&self, error: ClientError) -> Failure {
        let failure = Failure::from(error);
        if !failure.is_about_the_credential() {
            return failure;
        }
        let profile = self.profile_name().filter(|name| *name != profiles::DEFAULT).map(|name| format!(" --profile {name}")).unwrap_or_default();
        match (&self.kept, &self.profile.credential) {
            (None, _) => failure.hinting(format!("{} is not accepted any more, or it is of another server than {}", environment::KEY, environment::URL)),
            (Some(_), Credential::Session { .. }) => failure.hinting(format!("sign in again: keywright login{profile} --url {} --email ...", self.profile.url)),
            (Some(_), Credential::PersonalAccessKey { .. } | Credential::ApiKey { .. }) => {
                failure.hinting(format!("sign in with another key: keywright login{profile} --url {}", self.profile.url))
            }
        }
    }

    /// The organization of a token, as it says itself.
    pub(super) fn organization_in(token: &Token) -> Result<String, Failure> {
        let claims = inspect::claims(&token.access_token).ok_or_else(|| Failure::failed("the access token cannot be read"))?;
        Ok(claims.get("currentOrganizationId").and_then(|id| id.as_str()).unwrap_or_default().to_owned())
    }
}

/// A client of the server at a URL.
pub(super) fn client(url: &str, over: Over) -> Result<Client, Failure> {
    let transport = match over {
        Over::Tls => Transport::Tls,
        Over::PlainHttp => Transport::PlainHttp,
    };
    Ok(Client::with(url, Options { transport, user_agent: USER_AGENT.to_owned(), ..Options::default() })?)
}

/// A key by its shape.
pub(super) fn credential(key: &str) -> Result<Credential, Failure> {
    let damaged = |damage: secret::Damage| Failure::usage(format!("this is no key of Keywright's: {damage}"));
    match secret::inspect(key).map_err(damaged)?.kind {
        KeyKind::PersonalAccessKey => Ok(Credential::PersonalAccessKey { secret: Zeroizing::new(key.to_owned()) }),
        KeyKind::ApiKey => Ok(Credential::ApiKey { secret: Zeroizing::new(key.to_owned()) }),
        KeyKind::OperatorKey => {
            Err(Failure::usage("this is an operator key, for programs of whoever runs the server; sign in with a key of yours, or with --email"))
        }
        KeyKind::Session => Err(Failure::usage("this is a session token; sign in with --email and the password, which gives one that is kept")),
    }
}
