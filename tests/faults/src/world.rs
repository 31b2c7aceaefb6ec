//! A server as a process, what its administrator does to it, and keys to be exchanged.

use anyhow::{Context as _, bail};
use keywright_protocol::{
    KeyId, OrganizationId, Position, UserId,
    admin::{AdminReply, AdminRequest, RolesIn},
};
use serde_json::Value;
use std::{path::Path, process::Stdio, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    process::{Child, Command},
};

/// What every key of the drills may do.
const ROLE: &str = "view-build";
/// What is less.
pub(crate) const LESS: &str = "view-organization";

/// A process that ends with this.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let name = format!("{command:?}");
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().context(name)?;
        Ok(Self(child))
    }

    /// Ends it without asking.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.0.kill().await?)
    }

    /// Its process id, as long as it was not waited for.
    pub(crate) fn id(&self) -> anyhow::Result<u32> {
        self.0.id().context("the process has ended")
    }

    /// How it ended, if it does within a time.
    pub(crate) async fn ended(&mut self, within: Duration) -> anyhow::Result<std::process::ExitStatus> {
        Ok(tokio::time::timeout(within, self.0.wait()).await.context("the process does not end")??)
    }
}

/// What follows `start` in the first line that begins with it. The rest of what the process says goes nowhere.
pub(crate) async fn first_line(process: &mut Process, start: &str) -> anyhow::Result<String> {
    let stdout = process.0.stdout.take().context("its output was taken already")?;
    let mut lines = BufReader::new(stdout).lines();
    let found = tokio::time::timeout(Duration::from_secs(60), async {
        while let Some(line) = lines.next_line().await? {
            if let Some((_, rest)) = line.split_once(start) {
                return Ok(rest.split_whitespace().next().unwrap_or_default().to_owned());
            }
        }
        bail!("it ended without saying `{start}`")
    });
    let line = found.await.context("it does not start")??;
    #[expect(clippy::disallowed_methods, reason = "ends with the process whose output it reads")]
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(line)
}

/// A server with one root organization.
pub(crate) struct World {
    pub(crate) issuer: String,
    pub(crate) client: reqwest::Client,
    organization: OrganizationId,
    folder: TempDir,
    process: Process,
    binary: std::path::PathBuf,
    settings: Vec<(&'static str, &'static str)>,
}

/// A key that was made for the drill.
pub(crate) enum Key {
    Personal { secret: String, user: UserId },
    Api { id: KeyId, name: String, secret: String },
}

impl World {
    pub(crate) async fn start(binary: &Path, settings: &[(&'static str, &'static str)]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (process, issuer) = serve(binary, folder.path(), "127.0.0.1:0", settings).await?;
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build()?;
        let nobody: OrganizationId = "00000000-0000-0000-0000-000000000000".parse()?;
        let settings = settings.to_vec();
        let mut world = Self { issuer, client, organization: nobody, folder, process, binary: binary.to_owned(), settings };
        world.administer(AdminRequest::Bootstrap { owner_email: "owner@example.com".to_owned() }).await?;
        let AdminReply::Organization(row) = world.administer(AdminRequest::CreateOrganization { name: "Drill".to_owned(), parent: None }).await? else {
            bail!("an organization was expected")
        };
        world.organization = row.id;
        let owner = world.user("keeper@example.com").await?;
        world.set_member(owner, &["owner"]).await?;
        Ok(world)
    }

    /// Ends the server without asking.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill().await
    }

    /// Starts it again, on the same address and data.
    pub(crate) async fn start_again(&mut self) -> anyhow::Result<()> {
        let address = self.issuer.trim_start_matches("http://").to_owned();
        (self.process, _) = serve(&self.binary, self.folder.path(), &address, &self.settings).await?;
        Ok(())
    }

    /// One act of administration.
    pub(crate) async fn administer(&self, request: AdminRequest) -> anyhow::Result<AdminReply> {
        let mut stream = UnixStream::connect(self.folder.path().join("admin.sock")).await.context("the administration socket")?;
        stream.write_all(format!("{}\n", serde_json::to_string(&request)?).as_bytes()).await?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await?;
        let reply = serde_json::from_str(&reply)?;
        if let AdminReply::Refused { message, .. } = reply {
            bail!("{request:?}: {message}");
        }
        Ok(reply)
    }

    /// The same of a change, with its revision.
    pub(crate) async fn change(&self, request: AdminRequest) -> anyhow::Result<Position> {
        let AdminReply::Done { revision } = self.administer(request).await? else { bail!("a change was expected") };
        Ok(revision.parse()?)
    }

    async fn user(&self, email: &str) -> anyhow::Result<UserId> {
        let request = AdminRequest::CreateUser { email: email.to_owned(), name: "Drill".to_owned() };
        let AdminReply::User(row) = self.administer(request).await? else { bail!("a user was expected") };
        Ok(row.id)
    }

    async fn set_member(&self, user: UserId, roles: &[&str]) -> anyhow::Result<Position> {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        self.change(AdminRequest::SetMember { organization: self.organization, user, roles }).await
    }

    /// A Personal Access Key of a member of his own.
    pub(crate) async fn personal_key(&self, number: usize) -> anyhow::Result<Key> {
        let user = self.user(&format!("member-{number}@example.com")).await?;
        self.set_member(user, &[ROLE]).await?;
        let request = AdminRequest::CreatePersonalAccessKey { organization: self.organization, user, name: "drill".to_owned(), expires_at: None };
        let AdminReply::KeyCreated { secret, .. } = self.administer(request).await? else { bail!("a key was expected") };
        Ok(Key::Personal { secret, user })
    }

    /// An API Key.
    pub(crate) async fn api_key(&self, number: usize) -> anyhow::Result<Key> {
        let grants = vec![RolesIn { organization_id: self.organization, roles: vec![ROLE.to_owned()] }];
        let name = format!("drill-{number}");
        let request = AdminRequest::CreateApiKey { organization: self.organization, name: name.clone(), grants, expires_at: None };
        let AdminReply::KeyCreated { id, secret, .. } = self.administer(request).await? else { bail!("a key was expected") };
        Ok(Key::Api { id, name, secret })
    }

    /// A token for a key.
    pub(crate) async fn exchange(&self, key: &Key) -> anyhow::Result<String> {
        let request = match key {
            Key::Personal { secret, .. } => self.client.post(format!("{}/auth/v3/token", self.issuer)).form(&[("personalAccessKey", secret)]),
            Key::Api { name, secret, .. } => self.client.post(format!("{}/auth/v1/api-key/token", self.issuer)).form(&[("name", name), ("secret", secret)]),
        };
        let answer: Value = request.send().await?.json().await?;
        answer.get("access_token").and_then(Value::as_str).map(str::to_owned).with_context(|| format!("no token: {answer}"))
    }

    /// A token of an Owner.
    pub(crate) async fn owner_token(&self) -> anyhow::Result<String> {
        let AdminReply::Members { members } = self.administer(AdminRequest::ListMembers { organization: self.organization }).await? else { bail!("members") };
        let owner = members.iter().find(|member| member.roles.iter().any(|role| role == "owner")).context("there is an Owner")?.user_id;
        let request = AdminRequest::CreatePersonalAccessKey { organization: self.organization, user: owner, name: "drill".to_owned(), expires_at: None };
        let AdminReply::KeyCreated { secret, .. } = self.administer(request).await? else { bail!("a key was expected") };
        self.exchange(&Key::Personal { secret, user: owner }).await
    }

    /// The roles of a member become less.
    pub(crate) async fn weaken(&self, user: UserId) -> anyhow::Result<Position> {
        self.set_member(user, &[LESS]).await
    }

    /// A member is one no more.
    pub(crate) async fn remove(&self, user: UserId) -> anyhow::Result<Position> {
        self.change(AdminRequest::RemoveMember { organization: self.organization, user }).await
    }
}

async fn serve(binary: &Path, folder: &Path, listen: &str, settings: &[(&'static str, &'static str)]) -> anyhow::Result<(Process, String)> {
    let mut command = Command::new(binary);
    command.args(["serve", "--listen", listen, "--data-dir"]).arg(folder);
    command.env("KEYWRIGHT_CATALOG__PRESET", "appcircle").env("KEYWRIGHT_LOG__LEVEL", "warn").envs(settings.iter().copied());
    let mut process = Process::start(&mut command)?;
    let issuer = first_line(&mut process, "listening on ").await?;
    Ok((process, issuer))
}
