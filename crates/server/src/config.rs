//! Configuration: a TOML file, then the environment (`KEYWRIGHT_SECTION__KEY`), then flags. Unknown keys are refused.

mod backup;
mod database;
mod distribution;
mod limits;
mod mail;
mod members;
mod retention;
mod tokens;
mod webhooks;

pub use backup::Backup;
pub use database::Database;
pub use distribution::DistributionMount;
pub use limits::Limits;
pub use mail::{Mail, MailRoute, MailTarget, Security, SmtpServer};
pub use members::{BringingByKeys, Members, Organizations};
pub use retention::Retention;
pub use tokens::{SigningKeys, Tokens};
pub use webhooks::Webhooks;

use crate::gateway::Gateway;
use figment::{
    Figment, Source,
    error::Kind,
    providers::{Env, Format as _, Serialized, Toml},
};
use ipnet::IpNet;
use keywright_core::{KeysBring, RoleGiving, Settings, catalog::Preset};
use keywright_protocol::secret::is_prefix;
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

/// Every setting with its default and its meaning: what `keywright config reference` prints.
pub const REFERENCE: &str = include_str!("../config-reference.toml");
/// Where the file is looked for when no flag names one; it need not be there.
pub const DEFAULT_FILE: &str = "keywright.toml";

/// What is wrong with the configuration, in one sentence.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ConfigError(pub String);

/// The whole configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `iss` of every token and the base of every link.
    pub public_url: Option<String>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Database, key file and socket.
    pub data_dir: PathBuf,
    /// The database, if it is not in the data folder.
    pub database: Database,
    /// Plain HTTP on an address that others reach.
    pub insecure_http: bool,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Versions 1 and 2 of the exchange.
    pub legacy_endpoints: LegacyEndpoints,
    /// Certificate and key.
    pub tls: Option<Tls>,
    /// Long-lived keys.
    pub keys: Keys,
    /// Access tokens.
    pub tokens: Tokens,
    /// The keys that sign them.
    pub signing_keys: SigningKeys,
    /// Where the catalog comes from.
    pub catalog: CatalogFrom,
    /// Who may bring people in.
    pub members: Members,
    /// How large the tree of a root organization may grow.
    pub organizations: Organizations,
    /// Bounds of what is remembered.
    pub memory: MemoryBounds,
    /// Limits against guessing and floods.
    pub limits: Limits,
    /// Mail.
    pub mail: Mail,
    /// Webhooks.
    pub webhooks: Webhooks,
    /// Checks for gateways.
    pub gateway: Gateway,
    /// The distribution API in this process.
    pub distribution: DistributionMount,
    /// Pages of other origins.
    pub cors: Cors,
    /// The API page.
    pub openapi: OpenApiPage,
    /// `/metrics`.
    pub metrics: MetricsExposure,
    /// The log.
    pub log: Log,
    /// How long what happened is kept.
    pub retention: Retention,
    /// For whom backups are encrypted.
    pub backup: Backup,
}

/// Of `KEYWRIGHT_*` what is the business of commands that speak to a server: one that is started beside them must not take it for settings.
const OF_COMMANDS: &[&str] = &["key", "organization", "profile", "token", "url"];

impl Default for Config {
    fn default() -> Self {
        Self {
            public_url: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            data_dir: PathBuf::from("./keywright-data"),
            database: Database::default(),
            insecure_http: false,
            trusted_proxies: Vec::new(),
            legacy_endpoints: LegacyEndpoints::On,
            tls: None,
            keys: Keys::default(),
            tokens: Tokens::default(),
            signing_keys: SigningKeys::default(),
            catalog: CatalogFrom::default(),
            members: Members::default(),
            organizations: Organizations::default(),
            memory: MemoryBounds::default(),
            limits: Limits::default(),
            mail: Mail::default(),
            webhooks: Webhooks::default(),
            gateway: Gateway::default(),
            distribution: DistributionMount::default(),
            cors: Cors::default(),
            openapi: OpenApiPage::default(),
            metrics: MetricsExposure::default(),
            log: Log::default(),
            retention: Retention::default(),
            backup: Backup::default(),
        }
    }
}

/// What versions 1 and 2 of the exchange do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LegacyEndpoints {
    /// Answer, marked as deprecated.
    On,
    /// The same, and a line in the log each time.
    Warn,
    /// Answer 410.
    Off,
}

/// Certificate chain and private key, PEM. Both are read again when they change.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Path of the chain, leaf first.
    pub cert: PathBuf,
    /// Path of the private key.
    pub key: PathBuf,
}

/// Long-lived keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// First part of every key.
    pub prefix: String,
    /// Life in days when nobody says otherwise.
    pub default_days: u32,
    /// Longest life in days.
    pub ceiling_days: u32,
    /// Unrevoked Personal Access Keys of a member.
    pub personal_per_member: u32,
    /// Unrevoked API Keys of a root with its sub-organizations.
    pub api_per_root: u32,
}

impl Default for Keys {
    fn default() -> Self {
        Self { prefix: "kw".to_owned(), default_days: 182, ceiling_days: 365, personal_per_member: 25, api_per_root: 1_000 }
    }
}

/// Where the catalog comes from.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CatalogFrom {
    /// One that comes with the program.
    pub preset: Option<String>,
    /// The operator's own, TOML.
    pub file: Option<PathBuf>,
}

/// Bounds of what is remembered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryBounds {
    /// Keys remembered for exchanges.
    pub keys: usize,
}

impl Default for MemoryBounds {
    fn default() -> Self {
        Self { keys: 100_000 }
    }
}

/// Pages of other origins.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cors {
    /// Those that may call, without credentials.
    pub origins: Vec<String>,
}

/// The API page.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpenApiPage {
    /// Specs of other servers that it lists too.
    pub specs: Vec<RemoteSpec>,
}

/// A spec of another server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteSpec {
    /// As it is listed.
    pub name: String,
    /// Where its JSON is.
    pub url: String,
}

/// `/metrics`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsExposure {
    /// Whether it answers.
    pub enabled: bool,
}

impl Default for MetricsExposure {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// The log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a list such as `info,keywright_core=debug`.
    pub level: String,
    /// Lines for people or for programs.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// Lines for people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What flags say; `None` leaves file and environment.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Flags {
    /// `--public-url`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// `--listen`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// `--data-dir`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// `--insecure-http`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insecure_http: Option<bool>,
    /// `--database-url`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseFlags>,
}

/// What flags say of the database.
#[derive(Debug, Clone, Serialize)]
pub struct DatabaseFlags {
    /// `--database-url`
    pub url: String,
}

impl Config {
    /// Reads file, environment and flags, in this order, and checks the whole. A file that a flag names must be there; without one it is
    /// [`DEFAULT_FILE`] in the working folder, or else in the data folder that environment and flags name.
    ///
    /// # Errors
    /// [`ConfigError`] names the first thing that is wrong.
    pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Self, ConfigError> {
        let over = |file: Figment| -> Result<Self, ConfigError> {
            let all = file.merge(Env::prefixed("KEYWRIGHT_").ignore(OF_COMMANDS).split("__")).merge(Serialized::defaults(flags));
            all.extract().map_err(|error| ConfigError(explain(&error)))
        };
        let path = match file {
            Some(path) if !path.is_file() => return Err(ConfigError(format!("there is no file {}", path.display()))),
            Some(path) => Some(path.to_owned()),
            None => [PathBuf::from(DEFAULT_FILE), over(Figment::new())?.data_dir.join(DEFAULT_FILE)].into_iter().find(|path| path.exists()),
        };
        let config = over(path.map_or_else(Figment::new, |path| Figment::from(Toml::file_exact(path))))?;
        config.check()?;
        Ok(config)
    }

    /// The public URL: the one that is set, or for a loopback address the address itself.
    ///
    /// # Errors
    /// [`ConfigError`] if it is needed and not there, or no URL to build links on.
    pub fn issuer(&self, listening: SocketAddr) -> Result<String, ConfigError> {
        match &self.public_url {
            Some(url) => {
                let url = url.trim_end_matches('/');
                let uri: http::Uri = url.parse().map_err(|_| ConfigError(format!("public_url: `{url}` is no URL")))?;
                let usable = matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some() && uri.query().is_none();
                if !usable || !matches!(uri.path(), "" | "/") {
                    return Err(ConfigError(format!("public_url: `{url}` must be scheme, host and port alone, such as https://auth.example.com")));
                }
                Ok(url.to_owned())
            }
            None if listening.ip().is_loopback() => Ok(format!("{}://{listening}", if self.tls.is_some() { "https" } else { "http" })),
            None => Err(ConfigError("public_url is required when others reach this server; set it, for example https://auth.example.com".to_owned())),
        }
    }

    /// What `core` is told.
    ///
    /// # Errors
    /// [`ConfigError`] if the catalog's file cannot be read.
    pub fn settings(&self, issuer: String) -> Result<Settings, ConfigError> {
        const DAY: u64 = 24 * 60 * 60;
        let own_catalog = match &self.catalog.file {
            None => None,
            Some(path) => Some(std::fs::read_to_string(path).map_err(|error| ConfigError(format!("catalog.file: {}: {error}", path.display())))?),
        };
        Ok(Settings {
            key_prefix: self.keys.prefix.clone(),
            algorithm: self.tokens.algorithm()?,
            token_life: self.tokens.life(),
            signing_keys: self.signing_keys.times(),
            key_life_default: Duration::from_secs(u64::from(self.keys.default_days) * DAY),
            key_life_ceiling: Duration::from_secs(u64::from(self.keys.ceiling_days) * DAY),
            personal_access_keys_per_member: i64::from(self.keys.personal_per_member),
            api_keys_per_root: i64::from(self.keys.api_per_root),
            members_per_root: self.organizations.members_per_root.map(i64::from),
            sub_organizations_per_root: self.organizations.sub_organizations_per_root.map(i64::from),
            role_giving: if self.members.managers_give_any_role.unwrap_or(self.preset()?.is_some()) {
                RoleGiving::ManagersGiveAny
            } else {
                RoleGiving::WithinOwn
            },
            keys_bring: match self.members.keys_bring {
                BringingByKeys::WithinGrant => KeysBring::WithinGrant,
                BringingByKeys::Nobody => KeysBring::Nobody,
            },
            remembered_keys: self.memory.keys,
            limits: self.limits.rates(),
            keeping: self.retention.keeping()?,
            preset: self.preset()?,
            own_catalog,
            ..Settings::new(issuer)
        })
    }

    fn preset(&self) -> Result<Option<Preset>, ConfigError> {
        let unknown = |name: &String| ConfigError(format!("catalog.preset: there is no preset `{name}`; there is `appcircle`"));
        self.catalog.preset.as_ref().map(|name| Preset::from_name(name).ok_or_else(|| unknown(name))).transpose()
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |sentence: &str| Err(ConfigError(sentence.to_owned()));
        self.preset()?;
        self.database.check()?;
        self.distribution.check()?;
        self.tokens.check()?;
        self.signing_keys.check()?;
        if !is_prefix(&self.keys.prefix) {
            return wrong("keys.prefix must be 1 to 16 lower-case letters and digits");
        }
        if self.keys.default_days == 0 || self.keys.default_days > self.keys.ceiling_days {
            return wrong("keys.default_days must be at least 1 and at most keys.ceiling_days");
        }
        if self.memory.keys == 0 {
            return wrong("memory.keys must be at least 1");
        }
        self.limits.check()?;
        self.mail.check()?;
        self.gateway.table()?;
        if let Some(origin) = self.cors.origins.iter().find(|origin| !is_origin(origin)) {
            return Err(ConfigError(format!("cors.origins: `{origin}` must be scheme, host and port alone, such as https://app.example.com")));
        }
        Ok(())
    }

    /// Whether requests may come in without TLS: on loopback, behind trusted proxies, or because somebody insists.
    ///
    /// # Errors
    /// [`ConfigError`] if they may not.
    pub fn check_transport(&self, ip: IpAddr) -> Result<(), ConfigError> {
        if ip.is_loopback() || self.tls.is_some() || !self.trusted_proxies.is_empty() || self.insecure_http {
            return Ok(());
        }
        Err(ConfigError(format!(
            "{ip} is not a loopback address, so keys would travel in clear: set tls.cert and tls.key, or trusted_proxies, or insist with --insecure-http"
        )))
    }
}

fn is_origin(text: &str) -> bool {
    text.parse::<http::Uri>()
        .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some_and(|authority| text.ends_with(authority.as_str())))
}

/// The first thing that is wrong, with the place it comes from.
pub(crate) fn explain(error: &figment::Error) -> String {
    let path = error.path.join(".");
    let place = error.metadata.as_ref().map(|metadata| match metadata.source.as_ref().and_then(Source::file_path) {
        Some(file) => file.display().to_string(),
        None => metadata.name.to_string(),
    });
    let mut sentence = if let Kind::UnknownField(_, known) = &error.kind {
        format!("there is no such setting; there are {}", known.join(", "))
    } else {
        error.kind.to_string()
    };
    if !path.is_empty() {
        sentence = format!("{path}: {sentence}");
    }
    match place {
        Some(place) => format!("{sentence} (in {place}); `keywright config reference` lists every setting"),
        None => sentence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, ConfigError> {
        let config: Config = Figment::from(Toml::string(text)).extract().map_err(|error| ConfigError(explain(&error)))?;
        config.check().map(|()| config)
    }

    #[test]
    fn the_reference_names_every_setting_with_its_default() {
        // Taking the comment signs away from the settings gives a file that says the defaults.
        let uncommented: String = REFERENCE
            .lines()
            .map(|line| line.strip_prefix("#").filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
            .filter(|line| !line.starts_with("# "))
            .map(|line| format!("{line}\n"))
            .collect();
        let config = read(&uncommented).unwrap();
        // Optional ones have no default to compare; they must be named all the same.
        for name in [
            "public_url",
            "url",
            "cert",
            "preset",
            "file",
            "managers_give_any_role",
            "specs",
            "smtp",
            "user",
            "password_file",
            "from",
            "ca_file",
            "allow_networks",
            "files_dir",
        ] {
            assert!(REFERENCE.contains(&format!("#{name} =")), "{name}");
        }
        let named = Config {
            public_url: None,
            tls: None,
            database: Database { url: None, ..config.database.clone() },
            catalog: CatalogFrom::default(),
            distribution: DistributionMount { files_dir: None, ..config.distribution.clone() },
            openapi: OpenApiPage::default(),
            members: Members { managers_give_any_role: None, ..config.members.clone() },
            organizations: Organizations::default(),
            mail: Mail { insecure_smtp: config.mail.insecure_smtp, ..Mail::default() },
            webhooks: Webhooks { ca_file: None, ..config.webhooks.clone() },
            gateway: Gateway { peers: config.gateway.peers.clone(), ..Gateway::default() },
            ..config
        };
        assert_eq!(serde_json::to_value(&named).unwrap(), serde_json::to_value(Config::default()).unwrap());
        let serde_json::Value::Object(sections) = serde_json::to_value(Config::default()).unwrap() else { panic!("a table") };
        for (name, value) in sections {
            assert!(REFERENCE.contains(&format!("#{name} =")) || REFERENCE.contains(&format!("#[{name}]")), "{name} {value}");
            for key in value.as_object().into_iter().flatten().map(|(key, _)| key) {
                assert!(REFERENCE.contains(&format!("#{key} =")), "{name}.{key}");
            }
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("publik_url = 'x'", "publik_url"),
            ("[tokens]\nalgorithm = 'HS256'", "HS256"),
            ("[tokens]\nlife_minutes = 0", "life_minutes"),
            ("[signing_keys]\npublished_before_seconds = 86401", "published_before_seconds"),
            ("[keys]\nprefix = 'Kw_'", "prefix"),
            ("[keys]\ndefault_days = 400", "default_days"),
            ("[catalog]\npreset = 'other'", "other"),
            ("[cors]\norigins = ['https://a.example/path']", "origins"),
            ("legacy_endpoints = 'maybe'", "legacy_endpoints"),
            ("[limits]\nkey_per_second = 1000001", "limits.key_per_second"),
            ("[limits]\nkey_per_second = -1", "limits.key_per_second"),
            ("[limits]\nsign_in_burst = 0", "limits.sign_in_burst"),
            ("[limits]\naccount_failures_per_hour = 1", "limits.account_failures_per_hour"),
            ("[limits]\nbuckets = 999", "limits.buckets"),
            ("[limits]\nkeys = 5", "limits.keys"),
            ("trusted_proxies = ['10.0.0.0/99']", "trusted_proxies"),
            ("[mail]\nsmtp = 'mail.example.com'", "mail.smtp"),
            ("[mail]\nsmtp = 'smtps://mail.example.com'", "mail.from is required"),
            ("[mail]\nsmtp = 'smtps://mail.example.com'\nfrom = 'auth'", "mail.from"),
            ("[mail]\nsmtp = 'smtps://mail.example.com'\nfrom = 'a@b.example'\nuser = 'u'", "mail.password_file"),
            ("[mail]\nuser = 'u'", "mail.smtp"),
            ("[mail]\npassword = 'x'", "password"),
            ("[webhooks]\nallow_networks = ['10.0.0.0/99']", "allow_networks"),
            ("[webhooks]\nallow_networks = '10.0.0.0/8'", "allow_networks"),
            ("[webhooks]\nallow = []", "allow"),
            ("[gateway]\npeers = ['10.0.0.0/99']", "peers"),
            ("[gateway]\nkey_header = 'Cookie'", "gateway.key_header"),
            ("[[gateway.routes]]\npath = '/'", "gateway.routes[0]: permission"),
            ("[[gateway.routes]]\npath = '/'\npermission = 'a'\nskip = true", "skip"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn the_issuer_is_the_public_url_or_a_loopback_address() {
        let (loopback, open): (SocketAddr, SocketAddr) = ("127.0.0.1:80".parse().unwrap(), "0.0.0.0:80".parse().unwrap());
        let with = |url: &str| Config { public_url: Some(url.to_owned()), ..Config::default() };
        assert_eq!(Config::default().issuer(loopback).unwrap(), "http://127.0.0.1:80");
        assert!(Config::default().issuer(open).is_err());
        assert_eq!(with("https://auth.example.com/").issuer(open).unwrap(), "https://auth.example.com");
        for bad in ["auth.example.com", "ftp://a", "https://a/path", "https://a?x=1", ""] {
            assert!(with(bad).issuer(loopback).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_do_not_travel_in_clear_by_accident() {
        let open = IpAddr::from([0, 0, 0, 0]);
        assert!(Config::default().check_transport(open).is_err());
        assert!(Config::default().check_transport(IpAddr::from([127, 0, 0, 1])).is_ok());
        assert!(Config { insecure_http: true, ..Config::default() }.check_transport(open).is_ok());
        assert!(Config { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Config::default() }.check_transport(open).is_ok());
    }
}
