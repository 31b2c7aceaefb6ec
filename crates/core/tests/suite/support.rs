//! A whole core with the demo's world, on the database it is given, with a clock to step.

use keywright_core::{
    Actor, Context, Core, Credential, Error, IssuedToken, KeyFile, PersonActor, Settings, catalog::Preset, demo, demo::DemoWorld, sessions::SignIn,
};
use keywright_db::Db;
use keywright_protocol::{Clock, OrganizationId, SessionId, Time, UserId};
use keywright_store::sessions::{self, NewSession};
use std::sync::Arc;
use zeroize::Zeroizing;

pub(crate) const ISSUER: &str = "https://auth.example.com";

pub(crate) struct World {
    pub(crate) core: Arc<Core>,
    pub(crate) key_file: String,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) demo: DemoWorld,
}

pub(crate) async fn world(db: Db) -> World {
    world_with(db, |_| {}).await
}

/// The same with other settings.
pub(crate) async fn world_with(db: Db, set: impl FnOnce(&mut Settings)) -> World {
    let clock = Clock::stepped(Time::from_seconds(1_800_000_000));
    let mut settings = Settings { preset: Some(Preset::Appcircle), ..Settings::new(ISSUER) };
    set(&mut settings);
    let key_file = KeyFile::generate().unwrap().to_text().unwrap().to_string();
    let core = Core::start_on(db, KeyFile::parse(&key_file).unwrap(), settings.clone(), clock.clone()).await.unwrap();
    let demo = demo::build(&core, &Context::system(clock.now()).unwrap()).await.unwrap();
    World { core, key_file, settings, clock, demo }
}

impl World {
    /// Nobody, from somewhere.
    pub(crate) fn anonymous(&self) -> Context {
        Context { actor: Actor::Anonymous, ..self.host() }
    }

    /// Signs somebody of the demo in, with his own password.
    pub(crate) async fn sign_in(&self, part: &str) -> String {
        self.try_sign_in(&self.demo.users[part].email, &self.demo.users[part].password).await.unwrap()
    }

    pub(crate) async fn try_sign_in(&self, email: &str, password: &str) -> Result<String, Error> {
        let attempt = SignIn { email: email.to_owned(), password: Zeroizing::new(password.to_owned()), organization: None, new_password: None, code: None };
        Ok(self.core.sign_in(&self.anonymous(), attempt).await?.value.secret.reveal().to_owned())
    }

    /// Whoever holds the secret of a session, now.
    pub(crate) async fn holder(&self, secret: &str) -> Result<Context, Error> {
        let session = self.core.find_session(self.clock.now(), secret).await?;
        let person = PersonActor { user_id: session.user_id, session_id: session.id, confirmed_at: session.confirmed_at };
        Ok(Context { actor: Actor::Person(person), ..self.host() })
    }

    /// A person with a session, who gave his password `ago` seconds before now.
    pub(crate) async fn person(&self, part: &str, ago: i64) -> Context {
        let user = &self.demo.users[part];
        let attempt = SignIn { email: user.email.clone(), password: user.password.clone(), organization: None, new_password: None, code: None };
        let then = Context { now: Time::from_millis(self.clock.now().as_millis() - ago * 1000), ..self.anonymous() };
        let signed_in = self.core.sign_in(&then, attempt).await.unwrap().value;
        self.holder(signed_in.secret.reveal()).await.unwrap()
    }

    pub(crate) fn host(&self) -> Context {
        Context::system(self.clock.now()).unwrap()
    }

    /// Another process on the same database, after this one.
    pub(crate) async fn restart(&self, db: Db) -> Arc<Core> {
        Core::start_on(db, KeyFile::parse(&self.key_file).unwrap(), self.settings.clone(), self.clock.clone()).await.unwrap()
    }

    pub(crate) async fn exchange(&self, who: &str, target: Option<OrganizationId>) -> Result<IssuedToken, Error> {
        let key = Credential::PersonalAccessKey(&self.demo.personal_access_keys[who]);
        self.core.exchange(&self.host(), key, target).await
    }

    pub(crate) async fn exchange_api_key(&self, label: &str, target: Option<OrganizationId>) -> Result<IssuedToken, Error> {
        let key = &self.demo.api_keys[label];
        self.core.exchange(&self.host(), Credential::ApiKey { name: &key.name, secret: &key.secret }, target).await
    }
}

/// The claims of a token, unverified.
pub(crate) fn claims(token: &IssuedToken) -> serde_json::Value {
    payload(&token.access_token)
}

/// The payload of something signed, unverified.
pub(crate) fn payload<T: serde::de::DeserializeOwned>(jws: &str) -> T {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jws.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// What an exchange was refused with: its code, or `accepted`.
pub(crate) fn outcome(result: &Result<IssuedToken, Error>) -> &'static str {
    match result {
        Ok(_) => "accepted",
        Err(error) => error.code(),
    }
}

/// What an environment variable says, if it is a number.
pub(crate) fn variable(name: &str) -> Option<u64> {
    std::env::vars().find(|(known, _)| known == name).and_then(|(_, value)| value.parse().ok())
}

/// How much is done of what can be done more or less of: in the short form, and in the full one.
pub(crate) fn extent(short: usize, full: usize) -> usize {
    let is_full = std::env::vars().any(|(name, value)| name == "TEST_EXTENT" && value == "full");
    if is_full { full } else { short }
}

/// A session of somebody who gave his password at a time, without the work of a password.
pub(crate) async fn open_session(db: &Db, user_id: UserId, since: Time) -> SessionId {
    let id: SessionId = keywright_core::chance::id().unwrap();
    let new = NewSession {
        id,
        digest: keywright_core::chance::bytes().unwrap(),
        user_id,
        organization_id: None,
        created_at: since,
        expires_at: since.plus(keywright_core::sessions::LIFE),
        address: String::new(),
        user_agent: String::new(),
    };
    db.write(move |tx| Box::pin(async move { sessions::insert(tx, &new).await })).await.unwrap();
    id
}

/// Whether a root's chain of the logs is whole.
pub(crate) async fn is_whole(tx: &mut keywright_db::Tx, root: keywright_protocol::OrganizationId) -> Result<bool, Error> {
    Ok(keywright_core::log::chain::check(tx, root).await?.is_ok())
}
