//! A PostgreSQL of the drill's own, which it may stop, suspend and start again: in a temporary folder, on this machine's loopback address
//! alone, durable as PostgreSQL is by itself.

use super::signals::{self, Signal};
use crate::world::Process;
use anyhow::{Context as _, bail, ensure};
use std::{
    fs,
    io::Read as _,
    net::{SocketAddr, TcpListener},
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{process::Command, time::Instant};

const USER: &str = "postgres";
const LIMIT: Duration = Duration::from_secs(60);
/// Answers to questions about the database itself must come within this, else it does not answer.
const QUERY: Duration = Duration::from_secs(20);

/// A server that ends with this, also when it is suspended.
pub(crate) struct Postgres {
    process: Option<Process>,
    programs: PathBuf,
    password: String,
    port: u16,
    folder: TempDir,
}

impl Postgres {
    /// Makes a cluster and starts it.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let programs = programs().context("PostgreSQL's initdb was not found; on Debian: apt-get install postgresql")?;
        let folder = tempfile::Builder::new().prefix("keywright-drill-postgres-").tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700))?;
        let password = made_up_password()?;
        let password_file = folder.path().join("password");
        fs::write(&password_file, &password)?;
        if is_root().await? {
            let (uid, gid) = (id("-u").await?, id("-g").await?);
            chown(folder.path(), Some(uid), Some(gid))?;
            chown(&password_file, Some(uid), Some(gid))?;
        }
        let mut initdb = unprivileged(&programs.join("initdb")).await?;
        initdb.args(["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--pwfile"]);
        let made = initdb.arg(&password_file).arg("--pgdata").arg(folder.path().join("data")).stdout(Stdio::null()).status().await?;
        ensure!(made.success(), "initdb failed: {made}");
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut postgres = Self { process: None, programs, password, port, folder };
        postgres.launch().await?;
        for (setting, wanted) in [("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on")] {
            let is = postgres.query(&format!("SHOW {setting}")).await?.concat();
            ensure!(is == wanted, "{setting} must be {wanted} and is {is}");
        }
        Ok(postgres)
    }

    /// Starts it, or starts it again, and waits until it answers.
    pub(crate) async fn launch(&mut self) -> anyhow::Result<()> {
        let mut postgres = unprivileged(&self.programs.join("postgres")).await?;
        postgres.arg("-D").arg(self.folder.path().join("data")).args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        postgres.args(["-c", "unix_socket_directories=", "-c", "max_connections=200"]);
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        postgres.stderr(log);
        self.process = Some(Process::start(&mut postgres)?);
        let started = Instant::now();
        while !self.is_ready().await? {
            ensure!(started.elapsed() < LIMIT, "PostgreSQL does not start:\n{}", self.end_of_log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Of a superuser, by way of an address: its own, or that of a proxy, which must be able to read what is said.
    pub(crate) fn url(&self, by: SocketAddr) -> String {
        format!("postgres://{USER}:{}@{by}/postgres?sslmode=disable", self.password)
    }

    /// Asks it to end, whoever is connected.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("it does not run")?;
        signals::send(process.id()?, Signal::Interrupt).await?;
        process.ended(LIMIT).await.context("PostgreSQL does not end")?;
        Ok(())
    }

    /// Suspends it and all its children. The system goes on accepting connections for it.
    pub(crate) async fn pause(&self) -> anyhow::Result<()> {
        let main = self.process.as_ref().context("it does not run")?.id()?;
        // The first one first, so that it makes no more.
        signals::send(main, Signal::Stop).await?;
        for child in signals::children(main)? {
            // One that has just ended needs no more.
            let _ = signals::send(child, Signal::Stop).await;
        }
        Ok(())
    }

    /// Lets it go on.
    pub(crate) async fn resume(&self) -> anyhow::Result<()> {
        let main = self.process.as_ref().context("it does not run")?.id()?;
        for child in signals::children(main)? {
            let _ = signals::send(child, Signal::Continue).await;
        }
        signals::send(main, Signal::Continue).await
    }

    async fn is_ready(&self) -> anyhow::Result<bool> {
        let mut is_ready = Command::new(self.programs.join("pg_isready"));
        is_ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(is_ready.status().await?.success())
    }

    /// The rows of a query, each a line, columns between `|`; asked beside all replicas and proxies.
    pub(crate) async fn query(&self, sql: &str) -> anyhow::Result<Vec<String>> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", USER, "-d", "postgres", "-At", "-c", sql]);
        psql.env("PGPASSWORD", &self.password).current_dir("/").stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
        let output = tokio::time::timeout(QUERY, psql.output()).await.context("PostgreSQL does not answer")??;
        ensure!(output.status.success(), "psql failed: {sql}");
        Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn end_of_log(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // What is suspended would not see that the first one has ended. Nothing of it is needed any more.
        if let Some(Ok(main)) = self.process.as_ref().map(Process::id) {
            signals::kill_family(main);
        }
    }
}

/// The folder with the server's programs: that of the `initdb` in the search path, else Debian's newest.
fn programs() -> Option<PathBuf> {
    let has_all = |folder: &PathBuf| ["initdb", "postgres", "pg_isready", "psql"].iter().all(|program| folder.join(program).is_file());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).filter_map(|folder| fs::canonicalize(folder.join("initdb")).ok()?.parent().map(Path::to_owned)).find(has_all);
    let versions = || fs::read_dir("/usr/lib/postgresql").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    found.or_else(|| Some(PathBuf::from(format!("/usr/lib/postgresql/{}/bin", versions()?))).filter(has_all))
}

/// A program as the user `postgres` when we are root, which PostgreSQL refuses to run as; else as ourselves.
async fn unprivileged(program: &Path) -> anyhow::Result<Command> {
    let mut command = if is_root().await? {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", USER, "--regid", USER, "--init-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    // A folder that every user may enter.
    command.current_dir("/");
    Ok(command)
}

async fn is_root() -> anyhow::Result<bool> {
    let output = Command::new("id").arg("-u").output().await?;
    Ok(String::from_utf8(output.stdout)?.trim() == "0")
}

async fn id(which: &str) -> anyhow::Result<u32> {
    let output = Command::new("id").args([which, USER]).output().await?;
    String::from_utf8(output.stdout)?.trim().parse().with_context(|| format!("`id` knows no number for {USER}"))
}

fn made_up_password() -> anyhow::Result<String> {
    let mut random = [0_u8; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    if text.len() != 32 {
        bail!("the password must have 32 digits");
    }
    Ok(text)
}
