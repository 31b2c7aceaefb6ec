//! Development only: a whole server in process with the demo's world, actors who call it, and a clock to step.
//!
//! What fails here fails the test: it panics with a sentence.

#![expect(clippy::expect_used, reason = "a test's support fails the test")]

pub mod device;

use keywright_core::{Context, Core, demo, demo::DemoWorld};
use keywright_distribution::{DEFAULT_MAX_FILE_BYTES, Distribution, FileSettings, brings_a_file, demo::DemoOrganizations};
use keywright_protocol::{Clock, Time, auth::TokenResponse, paths};
use keywright_server::{
    Mounted,
    config::{CatalogFrom, Config, Limits},
    data_dir::DataDir,
    gateway::{Gateway, GatewayRoute},
    mail::Courier,
    openapi::{Spec, SpecAt},
    run,
    webhooks::{Messenger, Names, SystemNames},
};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use std::{path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

/// A running server.
pub struct TestServer {
    /// Where it is, without a slash at the end.
    pub base: String,
    /// The service behind it, for acts of administration.
    pub core: Arc<Core>,
    /// What it takes for now.
    pub clock: Clock,
    /// Everything that was made.
    pub demo: DemoWorld,
    /// Sends what waits in the outbox when it is told to, and not by itself.
    pub courier: Courier,
    /// Delivers what waits for webhooks when it is told to, and not by itself.
    pub messenger: Messenger,
    client: reqwest::Client,
    running: run::Running,
    distribution: Distribution,
    folder: TempDir,
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Without a token.
    Anonymous,
    /// Owner of Acme.
    Owner,
    /// Every `manage-*` role in Acme.
    Manager,
    /// Every `view-*` role in Acme.
    Viewer,
    /// Direct member of Acme Mobile alone.
    Submember,
    /// Owner of another root.
    OtherOwner,
    /// The API Key `acme-ci`.
    ApiKey,
}

impl Actor {
    fn key_label(self) -> Option<&'static str> {
        match self {
            Self::Anonymous | Self::ApiKey => None,
            Self::Owner => Some("owner"),
            Self::Manager => Some("manager"),
            Self::Viewer => Some("viewer"),
            Self::Submember => Some("submember"),
            Self::OtherOwner => Some("globexowner"),
        }
    }
}

/// An answer that has been read to its end.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: reqwest::header::HeaderMap,
    /// Its body.
    pub text: String,
}

impl Answer {
    async fn read(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        if headers.get("content-type").is_some_and(|kind| kind == "text/event-stream") {
            // It never ends.
            return Self { status, headers, text: String::new() };
        }
        Self { status, headers, text: response.text().await.expect("the body is text") }
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("the body is JSON")
    }

    /// A member of the body, as text.
    #[must_use]
    pub fn member(&self, name: &str) -> String {
        self.json().get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// A header, as text; empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }
}

/// A gateway on this machine, before the distribution API: `/profiles` takes tokens, and what is below `/keys/` raw keys too.
fn gateway() -> Gateway {
    let route = |path: &str, methods: &[&str], permission: &str| GatewayRoute {
        path: path.to_owned(),
        methods: Some(methods.iter().map(|method| (*method).to_owned()).collect()),
        permission: permission.to_owned(),
        accept_keys: path.starts_with("/keys/"),
        ..GatewayRoute::default()
    };
    let routes = ["/profiles", "/profiles/{id}", "/keys/{*rest}"].map(|path| {
        let read = route(path, &["GET"], "distribution.profile.view");
        [read, route(path, &["POST", "PATCH"], "distribution.profile.manage")]
    });
    Gateway {
        peers: vec!["127.0.0.1/32".parse().expect("a network")],
        key_header: Some("X-API-Key".to_owned()),
        routes: routes.into_iter().flatten().collect(),
    }
}

impl TestServer {
    /// Starts one on a free port of 127.0.0.1, with the distribution API in it.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with another configuration than the demo's.
    pub async fn start_with(configure: impl FnOnce(&mut Config)) -> Self {
        Self::start_among(configure, Arc::new(SystemNames)).await
    }

    /// The same where the hosts of webhooks are found in another way.
    pub async fn start_among(configure: impl FnOnce(&mut Config), names: Arc<dyn Names>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = Clock::stepped(Time::from_seconds(1_800_000_000));
        let mut config = Config {
            listen: "127.0.0.1:0".parse().expect("an address"),
            catalog: CatalogFrom { preset: Some("appcircle".to_owned()), file: None },
            // Nothing comes back while the clock stands; the tests of limits set them.
            limits: Limits::off(),
            gateway: gateway(),
            ..Config::default()
        };
        configure(&mut config);
        let data_dir = DataDir::take(folder.path()).expect("the folder is free");
        let mut prepared = run::prepare_with(config, data_dir, clock.clone(), names).await.expect("the server can start");
        let ctx = Context::system(clock.now()).expect("randomness");
        let demo = demo::build(&prepared.core, &ctx).await.expect("the demo's world");
        let files = FileSettings { folder: prepared.data_dir.distribution_files(), max_bytes: DEFAULT_MAX_FILE_BYTES };
        let distribution = Distribution::open(&prepared.data_dir.distribution_database(), &files, clock.clone()).await.expect("the distribution database");
        let organizations = DemoOrganizations { root: demo.acme.id, sub: demo.mobile.id, other: demo.globex.id };
        keywright_distribution::demo::seed(&distribution, organizations, clock.now()).await.expect("profiles");
        let mounted = Mounted {
            router: distribution.router(Arc::clone(&prepared.app.verifier), prepared.core.issuer()),
            brings_files: brings_a_file,
            spec: Spec { name: "distribution".to_owned(), at: SpecAt::Here(Box::new(keywright_distribution::openapi())) },
        };
        let (base, core) = (format!("http://{}", prepared.address), Arc::clone(&prepared.core));
        let courier = prepared.courier.take().expect("a server sends mail");
        let messenger = prepared.messenger.take().expect("a server delivers to webhooks");
        let running = prepared.start(vec![mounted]).expect("the server starts");
        let client =
            reqwest::Client::builder().timeout(Duration::from_secs(20)).redirect(reqwest::redirect::Policy::none()).no_proxy().build().expect("a client");
        Self { base, core, clock, demo, courier, messenger, client, running, distribution, folder }
    }

    /// Stops it in good order.
    pub async fn end(self) {
        self.running.end().await.expect("it ends in good order");
        self.distribution.close().await;
    }

    /// Where the data is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The context of an act on the host.
    #[must_use]
    pub fn host(&self) -> Context {
        Context::system(self.clock.now()).expect("randomness")
    }

    /// A request to build on.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::read(request.send().await.expect("the server answers")).await
    }

    /// `GET` by an actor.
    pub async fn get(&self, actor: Actor, path: &str) -> Answer {
        self.call(actor, Method::GET, path, None).await
    }

    /// Any method by an actor, with a JSON body.
    pub async fn call(&self, actor: Actor, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.request(method, path);
        if actor != Actor::Anonymous {
            request = request.bearer_auth(self.token(actor).await);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(request).await
    }

    /// `POST` of a form, as it is.
    pub async fn form(&self, path: &str, body: &str) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(body.to_owned())).await
    }

    /// The secret of somebody's Personal Access Key, by its label in the demo.
    #[must_use]
    pub fn key(&self, label: &str) -> &str {
        self.demo.personal_access_keys.get(label).map(|key| key.as_str()).expect("the demo has this key")
    }

    /// The secret of an API Key, by its name in the demo.
    #[must_use]
    pub fn api_key(&self, name: &str) -> &str {
        self.demo.api_keys.get(name).map(|key| key.secret.as_str()).expect("the demo has this key")
    }

    /// Signs in and answers the session's secret.
    pub async fn sign_in(&self, email: &str, password: &str) -> String {
        let body = serde_json::json!({ "email": email, "password": password });
        let answer = self.send(self.request(Method::POST, "/auth/v1/sessions").json(&body)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.member("sessionToken")
    }

    /// Signs somebody of the demo in, by his part there.
    pub async fn session(&self, part: &str) -> String {
        let user = self.demo.users.get(part).expect("the demo has this person");
        self.sign_in(&user.email, &user.password).await
    }

    /// Any method by the holder of a session or a token, with a JSON body.
    pub async fn by(&self, bearer: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let request = self.request(method, path).bearer_auth(bearer);
        self.send(if let Some(body) = body { request.json(body) } else { request }).await
    }

    /// A fresh access token of an actor.
    pub async fn token(&self, actor: Actor) -> String {
        let answer = match actor.key_label() {
            Some(label) => self.form(paths::TOKEN_V3, &format!("personalAccessKey={}", self.key(label))).await,
            None => self.form(paths::API_KEY_TOKEN, &format!("name=acme-ci&secret={}", self.api_key("acme-ci"))).await,
        };
        let issued: TokenResponse = serde_json::from_str(&answer.text).expect("the exchange succeeds");
        issued.access_token
    }
}
