//! Three replicas as processes on one PostgreSQL, each by way of a proxy of its own.

use super::{
    calls::Caller,
    figures::Timeline,
    postgres::Postgres,
    proxy::Proxy,
    signals::{self, Signal},
};
use crate::world::{Process, first_line};
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{process::Command, task::JoinSet, time::Instant};

/// How many.
pub(crate) const REPLICAS: usize = 3;
/// Within this a replica must have started, or ended.
const LIMIT: Duration = Duration::from_secs(60);
/// How often a replica is started until it does.
const STARTS: usize = 5;
/// Much less than a password stays fresh.
const SIGNED_IN_EVERY: Duration = Duration::from_secs(120);
/// What would stand in the way of clients that ask all the time from one address.
const SETTINGS: [(&str, &str); 7] = [
    ("KEYWRIGHT_LOG__LEVEL", "warn"),
    ("KEYWRIGHT_KEYS__API_PER_ROOT", "1000000"),
    ("KEYWRIGHT_KEYS__PERSONAL_PER_MEMBER", "1000000"),
    ("KEYWRIGHT_LIMITS__KEY_PER_SECOND", "0"),
    ("KEYWRIGHT_LIMITS__ORGANIZATION_PER_SECOND", "0"),
    ("KEYWRIGHT_LIMITS__REFUSED_KEYS_PER_MINUTE", "0"),
    ("KEYWRIGHT_LIMITS__SIGN_IN_PER_MINUTE", "0"),
];

/// A replica, running or not.
pub(crate) struct Node {
    /// Where it answers, whenever it runs.
    pub(crate) url: String,
    process: Option<Process>,
    binary: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
}

impl Node {
    /// Starts it, at the address that it had before. One that finds the database away ends and says so, and is started again, as service
    /// managers do.
    pub(crate) async fn start(&mut self) -> anyhow::Result<()> {
        let mut started = self.try_start().await;
        for _ in 1..STARTS {
            if started.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            started = self.try_start().await;
        }
        started
    }

    async fn try_start(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(&self.binary);
        let listen = self.url.trim_start_matches("http://");
        command.arg("serve").args(&self.arguments).args(["--listen", if listen.is_empty() { "127.0.0.1:0" } else { listen }]);
        command.envs(SETTINGS).stderr(fs::OpenOptions::new().create(true).append(true).open(&self.log)?);
        let mut process = Process::start(&mut command)?;
        let url = first_line(&mut process, "listening on ").await.with_context(|| self.end_of_log())?;
        (self.url, self.process) = (url, Some(process));
        Ok(())
    }

    /// Ends it without asking.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.take().context("it does not run")?.kill().await
    }

    /// Asks it to end, as service managers do, and waits.
    pub(crate) async fn terminate(&mut self) -> anyhow::Result<ExitStatus> {
        let mut process = self.process.take().context("it does not run")?;
        signals::send(process.id()?, Signal::Terminate).await?;
        process.ended(LIMIT).await
    }

    /// It stands still until [`Self::resume`].
    pub(crate) async fn pause(&self) -> anyhow::Result<()> {
        signals::send(self.id()?, Signal::Stop).await
    }

    /// It goes on.
    pub(crate) async fn resume(&self) -> anyhow::Result<()> {
        signals::send(self.id()?, Signal::Continue).await
    }

    /// Its memory that is not on disk, in KiB.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        signals::resident(self.id()?)
    }

    fn id(&self) -> anyhow::Result<u32> {
        self.process.as_ref().context("it does not run")?.id()
    }

    /// The last lines of its log.
    pub(crate) fn end_of_log(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(8)..).unwrap_or_default().join("\n")
    }
}

/// All of it. It ends with this.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) postgres: Postgres,
    /// Who owns the organization of the drill.
    pub(crate) owner: Caller,
    _signs_in: JoinSet<()>,
    _folder: TempDir,
}

impl Cluster {
    /// Starts PostgreSQL, has the demo fill the database, and starts three replicas.
    pub(crate) async fn start(binary: &Path) -> anyhow::Result<Self> {
        let postgres = Postgres::start().await?;
        let folder = tempfile::Builder::new().prefix("keywright-drill-replicas-").tempdir()?;
        let (data, credentials) = (folder.path().join("data"), folder.path().join("credentials.json"));
        let mut demo = Command::new(binary);
        demo.args(["demo", "--listen", "127.0.0.1:0", "--database-url", &postgres.url(postgres.address()), "--data-dir"]).arg(&data);
        demo.arg("--credentials-file").arg(&credentials).stderr(fs::File::create(folder.path().join("demo.log"))?);
        let mut demo = Process::start(&mut demo)?;
        first_line(&mut demo, "listening on ").await.context("the demo does not start")?;
        signals::send(demo.id()?, Signal::Terminate).await?;
        ensure!(demo.ended(LIMIT).await?.success(), "the demo did not end well");
        let credentials: Value = serde_json::from_str(&fs::read_to_string(&credentials)?)?;
        let (mut nodes, mut proxies) = (Vec::new(), Vec::new());
        for number in 0..REPLICAS {
            let proxy = Proxy::start(postgres.address()).await?;
            let config = data.join("keywright.toml").to_string_lossy().into_owned();
            let arguments = vec!["--config".to_owned(), config, "--database-url".to_owned(), postgres.url(proxy.address())];
            let log = folder.path().join(format!("replica-{number}.log"));
            let mut node = Node { url: String::new(), process: None, binary: binary.to_owned(), arguments, log };
            node.start().await?;
            proxies.push(proxy);
            nodes.push(node);
        }
        let owner = sign_in(&nodes.first().context("there are replicas")?.url, &credentials).await?;
        let mut signs_in = JoinSet::new();
        signs_in.spawn(sign_in_again(owner.clone(), nodes.iter().map(|node| node.url.clone()).collect()));
        let cluster = Self { nodes, proxies, postgres, owner, _signs_in: signs_in, _folder: folder };
        cluster.until_ready(LIMIT).await?;
        Ok(cluster)
    }

    /// Where they answer.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.url.clone()).collect()
    }

    /// A replica with its proxy.
    pub(crate) fn pair(&mut self, number: usize) -> anyhow::Result<(&mut Node, &Proxy)> {
        Ok((self.nodes.get_mut(number).context("there is such a replica")?, self.proxies.get(number).context("and its proxy")?))
    }

    /// Waits until all of them are ready.
    pub(crate) async fn until_ready(&self, limit: Duration) -> anyhow::Result<()> {
        for node in &self.nodes {
            until_ready(&self.owner, node, limit).await?;
        }
        Ok(())
    }

    /// The ends of their logs, for who has to find out what was wrong.
    pub(crate) fn logs(&self) -> String {
        self.nodes.iter().enumerate().map(|(number, node)| format!("--- log of replica {number}\n{}\n", node.end_of_log())).collect()
    }
}

/// Waits until a replica is ready.
pub(crate) async fn until_ready(caller: &Caller, node: &Node, limit: Duration) -> anyhow::Result<()> {
    let started = Instant::now();
    while caller.get(&node.url, "/readyz").await.status != Some(200) {
        ensure!(started.elapsed() < limit, "{} does not become ready\n{}", node.url, node.end_of_log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// The owner signs in again now and then, at whichever replica takes it: whoever makes keys has given the password within five minutes.
async fn sign_in_again(owner: Caller, urls: Vec<String>) {
    tokio::time::sleep(SIGNED_IN_EVERY).await;
    for url in urls.iter().cycle() {
        let is_done = owner.sign_in(url).await.status.is_some_and(|status| status < 300);
        tokio::time::sleep(if is_done { SIGNED_IN_EVERY } else { SIGNED_IN_EVERY / 120 }).await;
    }
}

async fn sign_in(url: &str, credentials: &Value) -> anyhow::Result<Caller> {
    let text =
        |pointer: &str| credentials.pointer(pointer).and_then(Value::as_str).map(str::to_owned).with_context(|| format!("no {pointer} in the credentials"));
    let caller = Caller {
        client: reqwest::Client::builder().no_proxy().build()?,
        timeline: Timeline::start(),
        person: Arc::new(json!({ "email": text("/users/owner/email")?, "password": text("/users/owner/password")? })),
        session: Arc::default(),
        organization: text("/rootOrganization/id")?,
        patience: Duration::from_secs(2),
        patience_of_changes: Duration::from_secs(8),
    };
    caller.sign_in(url).await.done("the owner cannot sign in")?;
    Ok(caller)
}
