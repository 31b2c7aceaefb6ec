//! A PostgreSQL of our own for one run: in a temporary folder, on this machine's loopback address only, under a password made up
//! for it, as a user that is not root.

use crate::process::{self, Folder, Server, Signal};
use anyhow::{Context, ensure};
use std::{
    fs,
    io::Read,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// The user that Debian's package makes.
const USER: &str = "postgres";
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running server. It is stopped, and its folder removed, when this value goes.
pub(crate) struct Postgres {
    // In this order: the server goes before its folder.
    _server: Server,
    _folder: Folder,
    url: String,
}

impl Postgres {
    /// Makes a cluster and starts it. Durability is left as PostgreSQL has it: `fsync` on.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let programs = programs().context("PostgreSQL's initdb was not found")?;
        let folder = Folder::create(&std::env::temp_dir(), "keywright-postgres")?;
        let password = made_up_password()?;
        let (data, password_file) = (folder.path().join("data"), folder.path().join("password"));
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700))?;
        fs::write(&password_file, &password)?;
        if is_root()? {
            let (uid, gid) = (id("-u")?, id("-g")?);
            chown(folder.path(), Some(uid), Some(gid))?;
            chown(&password_file, Some(uid), Some(gid))?;
        }
        let mut initdb = unprivileged(&programs.join("initdb"))?;
        initdb.args(["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--pwfile"]);
        process::run(initdb.arg(&password_file).arg("--pgdata").arg(&data).stdout(Stdio::null()))?;

        let port = free_port()?;
        let mut postgres = unprivileged(&programs.join("postgres"))?;
        postgres.arg("-D").arg(&data).args(["-p", &port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200"]);
        let mut server = Server::start("PostgreSQL", &mut postgres, &folder.path().join("log"), Signal::Interrupt)?;
        let is_ready = programs.join("pg_isready");
        let is_ready = is_ready.to_string_lossy();
        server.await_answer(START_LIMIT, || Ok(process::works(&is_ready, &["-q", "-h", "127.0.0.1", "-p", &port]).then_some(())))?;
        Ok(Self { _server: server, _folder: folder, url: format!("postgres://{USER}:{password}@127.0.0.1:{port}/postgres") })
    }

    /// For `TEST_POSTGRES_URL`: a superuser of the whole server.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// The folder with the server's programs: that of the `initdb` in the search path, else Debian's newest.
pub(crate) fn programs() -> Option<PathBuf> {
    let found = Command::new("sh").args(["-c", "command -v initdb"]).stderr(Stdio::null()).output().ok()?;
    let found = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    let beside = |initdb: &Path| fs::canonicalize(initdb).ok()?.parent().map(Path::to_owned);
    if let Some(folder) = beside(Path::new(&found)).filter(|folder| folder.join("postgres").is_file()) {
        return Some(folder);
    }
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max()?;
    let folder = PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin"));
    folder.join("initdb").is_file().then_some(folder)
}

/// A program as the user `postgres` when we are root, which PostgreSQL refuses to run as; else as ourselves.
fn unprivileged(program: &Path) -> anyhow::Result<Command> {
    let mut command = if is_root()? {
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

/// Whether we are root.
pub(crate) fn is_root() -> anyhow::Result<bool> {
    Ok(process::output(Command::new("id").arg("-u"))?.trim() == "0")
}

fn id(which: &str) -> anyhow::Result<u32> {
    let text = process::output(Command::new("id").args([which, USER]))?;
    text.trim().parse().with_context(|| format!("`id` knows no number for {USER}"))
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string())
}

fn made_up_password() -> anyhow::Result<String> {
    let mut random = [0_u8; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(text.len() == 32, "the password must have 32 digits");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn it_listens_while_it_is_held_and_leaves_nothing_behind() {
        let postgres = Postgres::start().unwrap();
        let address = postgres.url().split(['@', '/']).nth(3).unwrap().to_owned();
        let folder = postgres._folder.path().to_owned();
        TcpStream::connect(&address).unwrap();
        drop(postgres);
        assert!(TcpStream::connect(&address).is_err());
        assert!(!folder.exists());
    }
}
