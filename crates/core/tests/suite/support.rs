//! A whole core with the demo's world, on the database it is given, with a clock to step.

use keywright_core::{Context, Core, Credential, Error, IssuedToken, KeyFile, Settings, catalog::Preset, demo, demo::DemoWorld};
use keywright_db::Db;
use keywright_protocol::{Clock, OrganizationId, Time};
use std::sync::Arc;

pub(crate) const ISSUER: &str = "https://auth.example.com";

pub(crate) struct World {
    pub(crate) core: Arc<Core>,
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
    let core = Core::start_on(db, KeyFile::generate().unwrap(), settings, clock.clone()).await.unwrap();
    let demo = demo::build(&core, &Context::system(clock.now()).unwrap()).await.unwrap();
    World { core, clock, demo }
}

impl World {
    pub(crate) fn host(&self) -> Context {
        Context::system(self.clock.now()).unwrap()
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
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let payload = token.access_token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// What an exchange was refused with: its code, or `accepted`.
pub(crate) fn outcome(result: &Result<IssuedToken, Error>) -> &'static str {
    match result {
        Ok(_) => "accepted",
        Err(error) => error.code(),
    }
}
