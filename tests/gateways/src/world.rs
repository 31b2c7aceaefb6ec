//! A server with a route table, and credentials that live and that are dead.

use crate::{
    http::{self, call, form},
    process::{Process, free},
};
use anyhow::{Context as _, ensure};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

pub(crate) const ROUTES: &str = include_str!("routes.toml");
const CATALOG: &str = include_str!("catalog.toml");

/// The server, its folder, and by name what can be presented to it.
pub(crate) struct World {
    pub(crate) binary: PathBuf,
    pub(crate) folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) credentials: BTreeMap<&'static str, String>,
    /// The key of the credentials `leaver` and `leaver-key`.
    leaver: String,
    /// Id and secret of an API Key that may ask about everybody's tokens and keys.
    pub(crate) client: (String, String),
    server: Option<Process>,
}

/// A key that was made here.
struct Key {
    id: String,
    secret: String,
}

impl World {
    pub(crate) fn start(binary: &Path) -> anyhow::Result<Self> {
        let (folder, address) = (tempfile::tempdir()?, free()?);
        fs::write(folder.path().join("catalog.toml"), CATALOG)?;
        fs::write(folder.path().join("routes.toml"), ROUTES)?;
        let settings =
            format!("listen = \"{address}\"\ndata_dir = {:?}\n[catalog]\nfile = {:?}\n", folder.path().join("data"), folder.path().join("catalog.toml"));
        // Dead keys come by the thousand, and all from one address.
        let limits = "[limits]\nrefused_keys_per_minute = 0\nkey_per_second = 0\norganization_per_second = 0\n";
        fs::write(folder.path().join("keywright.toml"), format!("{settings}{limits}{ROUTES}"))?;
        let mut world = Self {
            binary: binary.to_owned(),
            folder,
            address,
            credentials: BTreeMap::new(),
            client: (String::new(), String::new()),
            leaver: String::new(),
            server: None,
        };
        world.serve(&[])?;
        world.fill()?;
        Ok(world)
    }

    /// Starts the server, also again on the same data, with other settings from the environment.
    pub(crate) fn serve(&mut self, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        self.stop();
        let mut command = Command::new(&self.binary);
        command.arg("serve").arg("--config").arg(self.folder.path().join("keywright.toml")).env("KEYWRIGHT_LOG__LEVEL", "warn").envs(settings.iter().copied());
        let mut server = Process::start("keywright", &mut command, self.folder.path())?;
        server.until(|log| log.contains("listening on ").then_some(()))?;
        self.server = Some(server);
        Ok(())
    }

    /// Takes back what is to be taken back while gateways know it well.
    pub(crate) fn take_back(&self) -> anyhow::Result<()> {
        self.admin(&["key", "revoke", &self.leaver]).map(drop)
    }

    /// Ends the server.
    pub(crate) fn stop(&mut self) {
        self.server = None;
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A verifier beside, which answers gateways.
    pub(crate) fn sidecar(&self) -> anyhow::Result<(Process, SocketAddr)> {
        let address = free()?;
        let mut command = Command::new(&self.binary);
        command.args(["verifier", "--issuer", &self.issuer(), "--listen", &address.to_string(), "--gateway"]).arg(self.folder.path().join("routes.toml"));
        let mut sidecar = Process::start("sidecar", &mut command, self.folder.path())?;
        sidecar.until_listening(address)?;
        Ok((sidecar, address))
    }

    /// A credential by its name.
    pub(crate) fn credential(&self, name: &str) -> &str {
        self.credentials.get(name).map_or("", String::as_str)
    }

    fn admin(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let output = Command::new(&self.binary).args(["admin", "--json", "--data-dir"]).arg(self.folder.path().join("data")).args(arguments).output()?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn organization(&self, name: &str) -> anyhow::Result<String> {
        text(&self.admin(&["organization", "create", "--name", name])?, "id")
    }

    fn user(&self, name: &str) -> anyhow::Result<String> {
        text(&self.admin(&["user", "create", "--email", &format!("{name}@example.com"), "--name", name])?, "id")
    }

    /// A Personal Access Key of a new member.
    fn person(&self, organization: &str, name: &str, role: &str, more: &[&str]) -> anyhow::Result<(String, Key)> {
        let user = self.user(name)?;
        self.admin(&["member", "set", "--organization", organization, "--user", &user, "--role", role])?;
        let made = self.admin(&[&["key", "create-personal", "--organization", organization, "--user", &user, "--name", "gateways"], more].concat())?;
        Ok((user, Key { id: text(&made, "id")?, secret: text(&made, "secret")? }))
    }

    fn api_key(&self, organization: &str, name: &str, role: &str) -> anyhow::Result<Key> {
        let made = self.admin(&["key", "create-api", "--organization", organization, "--name", name, "--grant", &format!("{organization}={role}")])?;
        Ok(Key { id: text(&made, "id")?, secret: text(&made, "secret")? })
    }

    fn token(&self, key: &Key) -> anyhow::Result<String> {
        text(&form(self.address, "/auth/v3/token", &format!("personalAccessKey={}", key.secret))?, "access_token")
    }

    fn api_token(&self, name: &str, key: &Key) -> anyhow::Result<String> {
        text(&form(self.address, "/auth/v1/api-key/token", &format!("name={name}&secret={}", key.secret))?, "access_token")
    }

    /// Makes everybody, gives tokens, and takes back what is to be dead.
    fn fill(&mut self) -> anyhow::Result<()> {
        let operators = self.admin(&["bootstrap", "--owner-email", "operator@example.com"])?;
        self.client = self.asking_key(&operators)?;
        let (acme, globex, closed) = (self.organization("Acme")?, self.organization("Globex")?, self.organization("Closed")?);
        // First of all, so that it is over when it is needed.
        let (_, brief) = self.person(&acme, "brief", "writer", &["--expires-at", &in_a_moment()?])?;
        let expired = self.token(&brief)?;
        self.credentials.insert("expired", expired);
        let (_, reader) = self.person(&acme, "reader", "reader", &[])?;
        let (_, writer) = self.person(&acme, "writer", "writer", &[])?;
        let (_, owner) = self.person(&acme, "owner", "owner", &[])?;
        let (_, foreign) = self.person(&globex, "foreign", "reader", &[])?;
        let (_, revoked) = self.person(&acme, "revoked", "writer", &[])?;
        let (removed_user, removed) = self.person(&acme, "removed", "writer", &[])?;
        let (disabled_user, disabled) = self.person(&acme, "disabled", "writer", &[])?;
        let (demoted_user, demoted) = self.person(&acme, "demoted", "writer", &[])?;
        let (_, suspended) = self.person(&closed, "suspended", "writer", &[])?;
        let (ci, old_ci) = (self.api_key(&acme, "ci", "reader")?, self.api_key(&acme, "old-ci", "writer")?);
        for (name, key) in [
            ("reader", &reader),
            ("writer", &writer),
            ("owner", &owner),
            ("foreign", &foreign),
            ("revoked", &revoked),
            ("removed", &removed),
            ("disabled", &disabled),
            ("demoted", &demoted),
            ("suspended", &suspended),
        ] {
            let token = self.token(key)?;
            self.credentials.insert(name, token);
        }
        for (name, key) in [
            ("reader-key", reader),
            ("writer-key", writer),
            ("removed-key", removed),
            ("disabled-key", disabled),
            ("suspended-key", suspended),
            ("expired-key", brief),
            ("ci-key", Key { id: ci.id.clone(), secret: ci.secret.clone() }),
        ] {
            self.credentials.insert(name, key.secret);
        }
        let (ci_token, old_ci_token) = (self.api_token("ci", &ci)?, self.api_token("old-ci", &old_ci)?);
        self.credentials.extend([("ci", ci_token), ("old-ci", old_ci_token)]);
        self.admin(&["key", "revoke", &revoked.id])?;
        self.admin(&["key", "revoke", &old_ci.id])?;
        self.credentials.extend([("revoked-key", revoked.secret), ("old-ci-key", old_ci.secret)]);
        self.admin(&["member", "remove", "--organization", &acme, "--user", &removed_user])?;
        self.admin(&["user", "disable", &disabled_user])?;
        self.admin(&["member", "set", "--organization", &acme, "--user", &demoted_user, "--role", "reader"])?;
        self.admin(&["organization", "suspend", &closed])?;
        let (_, leaver) = self.person(&acme, "leaver", "reader", &[])?;
        let token = self.token(&leaver)?;
        self.leaver = leaver.id;
        self.credentials.extend([("leaver", token), ("leaver-key", leaver.secret)]);
        self.counterfeits()
    }

    /// An API Key of the operator organization that may introspect, made by its Owner.
    fn asking_key(&self, operators: &Value) -> anyhow::Result<(String, String)> {
        let (organization, password) = (text(operators, "organizationId")?, text(operators, "oneTimePassword")?);
        let sign_in = json!({ "email": "operator@example.com", "password": password, "newPassword": "a password for gateways" });
        let session = text(&self.json("/auth/v1/sessions", "", &sign_in)?, "sessionToken")?;
        let key = json!({ "name": "gateways", "introspect": true, "grants": [{ "organizationId": organization, "roles": ["reader"] }] });
        let path = format!("/identity/v1/organizations/{organization}/api-keys");
        let made = self.json(&path, &format!("Authorization: Bearer {session}\r\n"), &key)?;
        Ok((text(&made, "id")?, text(&made, "secret")?))
    }

    fn json(&self, path: &str, more: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, text) = call(self.address, "POST", path, &format!("Content-Type: application/json\r\n{more}"), &body.to_string())?;
        ensure!(matches!(status, 200 | 201), "{path}: {status} {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// What looks like a credential.
    fn counterfeits(&mut self) -> anyhow::Result<()> {
        let reader = self.credential("writer").to_owned();
        let parts: Vec<&str> = reader.split('.').collect();
        let [header, payload, signature] = parts.as_slice() else { anyhow::bail!("a token has three parts") };
        let changed: String = signature.chars().rev().collect();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"1","typ":"at+jwt"}"#);
        let mut other: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
        if let Some(members) = other.as_object_mut() {
            members.insert("scope".to_owned(), Value::from("invoices.read invoices.write billing.view admin"));
        }
        let (_, catalog) = call(self.address, "GET", "/.well-known/keywright-catalog", "", "")?;
        let key = self.credential("reader-key").to_owned();
        let (prefix, _) = key.rsplit_once('_').context("a key has a prefix")?;
        let instance = prefix.trim_end_matches("_pak");
        let whole = key.len() - prefix.len() - 1;
        let mut made: Vec<(&'static str, String)> = vec![
            ("tampered", format!("{header}.{payload}.{changed}")),
            ("other-payload", format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(other.to_string()))),
            ("none", format!("{none}.{payload}.")),
            ("none-signed", format!("{none}.{payload}.{signature}")),
            ("unsigned", format!("{header}.{payload}.")),
            ("document", catalog.trim().to_owned()),
            ("garbage", "garbage".to_owned()),
            ("unknown-key", format!("{instance}_pak_{}", "0".repeat(whole))),
            ("cut-off-key", key.chars().take(30).collect()),
            ("session", format!("{instance}_ses_{}", "a".repeat(whole))),
            ("operator-key", format!("{instance}_op_{}", "a".repeat(whole))),
        ];
        let more =
            format!("Authorization: Bearer {}\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Host: a\r\nX-Forwarded-Uri: /invoices\r\n", self.credential("writer"));
        let request = format!("GET /gateway/v1/check HTTP/1.1\r\nHost: a\r\n{more}\r\n");
        let answer = http::send(self.address, request.as_bytes())?;
        ensure!(answer.status == 200, "the writer is let through: {}", answer.head);
        made.push(("identity", answer.header("x-identity-jwt").to_owned()));
        self.credentials.extend(made);
        Ok(())
    }
}

/// A moment from now, by the clock that the server has too.
fn in_a_moment() -> anyhow::Result<String> {
    let output = Command::new("date").args(["-u", "-d", "+5 seconds", "+%Y-%m-%dT%H:%M:%SZ"]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// A member with this name, wherever it stands.
fn text(value: &Value, name: &str) -> anyhow::Result<String> {
    fn find<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
        match value {
            Value::Object(members) => members.get(name).and_then(Value::as_str).or_else(|| members.values().find_map(|member| find(member, name))),
            Value::Array(items) => items.iter().find_map(|item| find(item, name)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }
    find(value, name).map(str::to_owned).with_context(|| format!("there is no {name} in {value}"))
}
