//! The gateways: programs of Debian's, with the configurations in deploy/gateways and nothing in these but what is to be filled in.

use crate::process::{Process, free};
use anyhow::Context as _;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

/// A program with one of the configurations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Nginx,
    Caddy,
    HaproxyLua,
    HaproxyOffline,
    ApacheAsking,
    ApacheOffline,
}

/// Whom it asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asks {
    Server,
    Sidecar,
    /// The server, about the credential alone.
    Introspection,
    Nobody,
}

/// A gateway that runs.
pub(crate) struct Gateway {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) asks: Asks,
    pub(crate) address: SocketAddr,
    _process: Process,
}

/// What is filled in.
pub(crate) struct Places<'a> {
    pub(crate) templates: &'a Path,
    pub(crate) folder: &'a Path,
    pub(crate) issuer: &'a str,
    pub(crate) upstream: SocketAddr,
    /// Who is asked.
    pub(crate) check: SocketAddr,
    /// Keywright by https.
    pub(crate) https: SocketAddr,
    /// Id and secret of the API Key by which it is asked about tokens.
    pub(crate) client: (&'a str, &'a str),
}

impl Gateway {
    pub(crate) fn start(kind: Kind, asks: Asks, places: &Places<'_>) -> anyhow::Result<Self> {
        let (name, address) = (format!("{kind:?}-{asks:?}").to_lowercase(), free()?);
        let folder = places.folder.join(&name);
        fs::create_dir(&folder)?;
        let (template, file) = match kind {
            Kind::Nginx => ("nginx.conf", "api.conf"),
            Kind::Caddy => ("Caddyfile", "Caddyfile"),
            Kind::HaproxyLua => ("haproxy.cfg", "haproxy.cfg"),
            Kind::HaproxyOffline => ("haproxy-offline.cfg", "haproxy.cfg"),
            Kind::ApacheAsking => ("apache.conf", "api.conf"),
            Kind::ApacheOffline => ("apache-offline.conf", "api.conf"),
        };
        let text = fs::read_to_string(places.templates.join(template)).with_context(|| template.to_owned())?;
        let text = filled(&text, places, (address, &folder));
        let left: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#') && has_place(line)).collect();
        anyhow::ensure!(left.is_empty(), "{template}: not filled in: {left:?}");
        let config = folder.join(file);
        fs::write(&config, text)?;
        let mut command = command(kind, &folder, &config)?;
        let mut process = Process::start(&name, command.current_dir(&folder), places.folder)?;
        process.until_listening(address)?;
        Ok(Self { name, kind, asks, address, _process: process })
    }
}

/// Keywright by https, for what takes it in no other way: nginx with a certificate of its own, in `tls.pem` of the folder.
pub(crate) fn https(folder: &Path, server: SocketAddr) -> anyhow::Result<(Process, SocketAddr)> {
    let (address, own) = (free()?, folder.join("https"));
    fs::create_dir(&own)?;
    let (certificate, key) = (folder.join("tls.pem"), own.join("key.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
    ]);
    let made = openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate).output().context("openssl")?;
    anyhow::ensure!(made.status.success(), "openssl made no certificate: {}", String::from_utf8_lossy(&made.stderr));
    let config = own.join("api.conf");
    let (certificate, key) = (certificate.display(), key.display());
    fs::write(
        &config,
        format!("server {{ listen {address} ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; location / {{ proxy_pass http://{server}; }} }}\n"),
    )?;
    let mut process = Process::start("https", &mut command(Kind::Nginx, &own, &config)?, folder)?;
    process.until_listening(address)?;
    Ok((process, address))
}

fn filled(text: &str, places: &Places<'_>, (address, folder): (SocketAddr, &Path)) -> String {
    let values: [(&str, String); 14] = [
        ("@LISTEN@", address.to_string()),
        ("@ADDRESS@", address.ip().to_string()),
        ("@PORT@", address.port().to_string()),
        ("@CHECK@", places.check.to_string()),
        ("@UPSTREAM@", places.upstream.to_string()),
        ("@FOLDER@", places.templates.display().to_string()),
        ("@STATE@", folder.display().to_string()),
        ("@ISSUER@", places.issuer.to_owned()),
        ("@AUDIENCE@", "https://invoices.example.com".to_owned()),
        ("@PEM@", places.folder.join("jwks.pem").display().to_string()),
        ("@CLIENT_ID@", places.client.0.to_owned()),
        ("@CLIENT_SECRET@", places.client.1.to_owned()),
        ("@JWKS@", format!("https://localhost:{}/.well-known/jwks.json", places.https.port())),
        ("@CA@", places.folder.join("tls.pem").display().to_string()),
    ];
    values.iter().fold(text.to_owned(), |text, (place, value)| text.replace(place, value))
}

fn has_place(line: &str) -> bool {
    line.split('@').skip(1).any(|word| word.len() > 2 && word.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_'))
}

fn command(kind: Kind, folder: &Path, config: &Path) -> anyhow::Result<Command> {
    Ok(match kind {
        Kind::Nginx => {
            let main = folder.join("nginx.conf");
            fs::write(&main, nginx(folder, config))?;
            let mut command = Command::new(found("nginx")?);
            command.arg("-p").arg(folder).arg("-c").arg(main);
            command
        }
        Kind::Caddy => {
            let mut command = Command::new(found("caddy")?);
            command
                .args(["run", "--adapter", "caddyfile", "--config"])
                .arg(config)
                .env("HOME", folder)
                .env("XDG_DATA_HOME", folder)
                .env("XDG_CONFIG_HOME", folder);
            command
        }
        Kind::HaproxyLua | Kind::HaproxyOffline => {
            let mut command = Command::new(found("haproxy")?);
            command.args(["-db", "-f"]).arg(config);
            command
        }
        Kind::ApacheAsking | Kind::ApacheOffline => {
            let main = folder.join("apache2.conf");
            // Not both of them: together they do not start.
            let module = if kind == Kind::ApacheAsking { "oauth2" } else { "auth_openidc" };
            fs::write(&main, apache(folder, config, module))?;
            let mut command = Command::new(found("apache2")?);
            command.args(["-D", "FOREGROUND", "-f"]).arg(main);
            command
        }
    })
}

/// Where Debian has it, also where a user's `PATH` does not lead.
fn found(program: &str) -> anyhow::Result<PathBuf> {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"].map(|folder| Path::new(folder).join(program));
    places.into_iter().find(|path| path.is_file()).with_context(|| format!("{program} is not installed; `cargo xtask test` does it on Debian"))
}

/// What Debian's nginx.conf has around the files of /etc/nginx/conf.d, in a folder of its own.
fn nginx(folder: &Path, config: &Path) -> String {
    let at = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("    {name}_temp_path {at}/{name};\n")).concat();
    format!(
        "daemon off;\nuser root;\nworker_processes 1;\npid {at}/nginx.pid;\nerror_log {at}/error.log;\nevents {{}}\nhttp {{\n    access_log off;\n{temporary}    include {};\n}}\n",
        config.display()
    )
}

/// What Debian's apache2.conf has around its sites, in a folder of its own.
fn apache(folder: &Path, config: &Path, module: &str) -> String {
    let at = folder.display();
    let modules = ["mpm_event", "authn_core", "authz_core", "authz_user", "headers", "proxy", "proxy_http", "env", "setenvif", module];
    let loaded: String = modules.map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n")).concat();
    format!(
        "ServerRoot {at}\nServerName localhost\nPidFile {at}/apache.pid\nDefaultRuntimeDir {at}\nErrorLog {at}/error.log\nMutex file:{at}\nUser www-data\nGroup www-data\n{loaded}Include {}\n",
        config.display()
    )
}
