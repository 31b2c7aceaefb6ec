//! Where mail goes: to an SMTP server, or without one into a folder.

use super::ConfigError;
use lettre::{Address, message::Mailbox, transport::smtp::client::Certificate};
use serde::{Deserialize, Serialize};
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Mail.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// `smtp://host:port` or `smtps://host:port`.
    pub smtp: Option<String>,
    /// Who signs in there.
    pub user: Option<String>,
    /// Where his password is.
    pub password_file: Option<PathBuf>,
    /// Who mail is from.
    pub from: Option<String>,
    /// Certificates that the server's may hang on, besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether mail goes to a server that others reach without TLS.
    pub insecure_smtp: bool,
}

/// How mail leaves, checked and read.
pub struct MailRoute {
    /// Who it is from.
    pub from: Mailbox,
    /// The host that names it: the issuer's.
    pub host: String,
    /// Where it goes.
    pub to: MailTarget,
}

/// Where mail goes.
pub enum MailTarget {
    /// Into a folder, a file each.
    Folder(PathBuf),
    /// To a server.
    Smtp(SmtpServer),
}

/// A mail server.
pub struct SmtpServer {
    /// Its name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is protected.
    pub security: Security,
    /// Who signs in, and with what.
    pub credentials: Option<(String, Zeroizing<String>)>,
    /// Certificates that its own may hang on, besides the system's.
    pub authorities: Vec<Certificate>,
}

/// How the way to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte (RFC 8314, section 3.3).
    Tls,
    /// STARTTLS, and nothing without it (RFC 3207).
    StartTls,
    /// Not at all.
    Clear,
}

impl Mail {
    /// Checks what can be checked without reading files.
    ///
    /// # Errors
    /// [`ConfigError`] names the first thing that is wrong.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |sentence: &str| Err(ConfigError(sentence.to_owned()));
        self.sender("localhost")?;
        let Some(url) = &self.smtp else {
            let others = [self.user.is_some(), self.password_file.is_some(), self.ca_file.is_some(), self.insecure_smtp];
            if others.contains(&true) {
                return wrong("mail.user, mail.password_file, mail.ca_file and mail.insecure_smtp are about a mail server; name it with mail.smtp");
            }
            return Ok(());
        };
        self.place(url)?;
        if self.from.is_none() {
            return wrong(
                "mail.from is required with mail.smtp, for example \"Keywright <auth@example.com>\": mail servers take mail from known senders alone",
            );
        }
        if self.user.is_some() != self.password_file.is_some() {
            return wrong("mail.user and mail.password_file belong together; set both, or neither");
        }
        Ok(())
    }

    /// How mail leaves. Reads the files that are named.
    ///
    /// # Errors
    /// [`ConfigError`] for a file that cannot be read.
    pub fn route(&self, issuer: &str, folder: PathBuf) -> Result<MailRoute, ConfigError> {
        let host = issuer.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_else(|| "localhost".to_owned());
        let from = self.sender(&host)?;
        let Some(url) = &self.smtp else { return Ok(MailRoute { from, host, to: MailTarget::Folder(folder) }) };
        let (server, port, security) = self.place(url)?;
        let credentials = match (&self.user, &self.password_file) {
            (Some(user), Some(path)) => Some((user.clone(), password(path)?)),
            (_, _) => None,
        };
        let authorities = self.ca_file.as_deref().map_or_else(|| Ok(Vec::new()), authorities)?;
        Ok(MailRoute { from, host, to: MailTarget::Smtp(SmtpServer { host: server, port, security, credentials, authorities }) })
    }

    /// Host, port and protection by a URL. On this host mail goes in clear, unless its server's certificate is to be checked.
    fn place(&self, url: &str) -> Result<(String, u16, Security), ConfigError> {
        let unusable = || ConfigError(format!("mail.smtp: `{url}` must be smtp://host:port or smtps://host:port"));
        // A password in it shows in no error.
        if url.contains('@') {
            return Err(ConfigError("mail.smtp must not contain a user or a password; they go into mail.user and mail.password_file".to_owned()));
        }
        let uri: http::Uri = url.parse().map_err(|_| unusable())?;
        let host = uri.host().ok_or_else(unusable)?.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(unusable());
        }
        let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let (port, security) = match uri.scheme_str() {
            Some("smtps") => (465, Security::Tls),
            Some("smtp") if self.insecure_smtp || (is_here && self.ca_file.is_none()) => (587, Security::Clear),
            Some("smtp") => (587, Security::StartTls),
            Some(_) | None => return Err(unusable()),
        };
        Ok((host, uri.port_u16().unwrap_or(port), security))
    }

    /// The one that is set, or one at the issuer's host.
    fn sender(&self, host: &str) -> Result<Mailbox, ConfigError> {
        const USER: &str = "keywright";
        if let Some(from) = &self.from {
            return from.parse().map_err(|_| ConfigError(format!("mail.from: `{from}` must be an address such as \"Keywright <auth@example.com>\"")));
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let host = if bare.parse::<IpAddr>().is_ok() { "localhost" } else { host };
        let address = Address::new(USER, host).map_err(|_| ConfigError(format!("mail.from is required: {host} is no host of an address")))?;
        Ok(Mailbox::new(Some("Keywright".to_owned()), address))
    }
}

fn password(path: &Path) -> Result<Zeroizing<String>, ConfigError> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| ConfigError(format!("mail.password_file: {}: {error}", path.display())))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(ConfigError(format!("mail.password_file: {} is empty; write the password of mail.user into it", path.display())));
    }
    Ok(Zeroizing::new(password.to_owned()))
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, ConfigError> {
    use rustls_pki_types::{CertificateDer, pem::PemObject as _};
    let unusable = |reason: String| ConfigError(format!("mail.ca_file: {}: {reason}", path.display()));
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(|error| unusable(error.to_string()))?;
    if read.is_empty() {
        return Err(unusable("there is no certificate in it; it must be PEM".to_owned()));
    }
    read.into_iter().map(|der| Certificate::from_der(der.to_vec()).map_err(|_| unusable("a certificate in it cannot be used".to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_the_host_in_clear_by_accident() {
        for (url, insecure, expected) in [
            ("smtp://mail.example.com", false, ("mail.example.com", 587, Security::StartTls)),
            ("smtp://mail.example.com:25", true, ("mail.example.com", 25, Security::Clear)),
            ("smtps://mail.example.com", false, ("mail.example.com", 465, Security::Tls)),
            ("smtps://mail.example.com:4650/", true, ("mail.example.com", 4650, Security::Tls)),
            ("smtp://localhost:25", false, ("localhost", 25, Security::Clear)),
            ("smtp://127.0.0.1:2525", false, ("127.0.0.1", 2525, Security::Clear)),
            ("smtp://[::1]:2525", false, ("::1", 2525, Security::Clear)),
            ("smtp://[2001:db8::1]", false, ("2001:db8::1", 587, Security::StartTls)),
            ("smtp://localhost.example.com", false, ("localhost.example.com", 587, Security::StartTls)),
        ] {
            let (host, port, security) = Mail { insecure_smtp: insecure, ..Mail::default() }.place(url).unwrap();
            assert_eq!((host.as_str(), port, security), expected, "{url}");
        }
        let checked = Mail { ca_file: Some(PathBuf::from("ca.pem")), ..Mail::default() };
        assert_eq!(checked.place("smtp://localhost").unwrap().2, Security::StartTls);
        for bad in ["mail.example.com:25", "http://mail.example.com", "smtp://", "smtp://a/b", "smtp://a?b=c", "smtp://user:hunter2@a", ""] {
            let error = Mail::default().place(bad).unwrap_err().to_string();
            assert!(error.contains("mail.smtp") && !error.contains("hunter2"), "{bad}: {error}");
        }
    }

    #[test]
    fn mail_is_from_the_issuer_s_host_if_nobody_says_otherwise() {
        let from = |issuer: &str| Mail::default().route(issuer, PathBuf::from("mail")).unwrap().from.to_string();
        assert_eq!(from("https://auth.example.com"), "Keywright <keywright@auth.example.com>");
        assert_eq!(from("http://127.0.0.1:8080"), "Keywright <keywright@localhost>");
        assert_eq!(from("http://[::1]:8080"), "Keywright <keywright@localhost>");
    }

    #[test]
    fn a_password_is_what_stands_in_its_file() {
        let folder = std::env::temp_dir().join(format!("keywright-mail-{}", std::process::id()));
        std::fs::write(&folder, "correct horse\n").unwrap();
        let with = |path: &Path| Mail {
            smtp: Some("smtps://a.example".to_owned()),
            user: Some("u".to_owned()),
            password_file: Some(path.to_owned()),
            from: Some("a@a.example".to_owned()),
            ..Mail::default()
        };
        let MailTarget::Smtp(server) = with(&folder).route("https://a.example", PathBuf::new()).unwrap().to else { panic!("a server") };
        assert_eq!(server.credentials.unwrap().1.as_str(), "correct horse");
        std::fs::remove_file(&folder).unwrap();
        let error = with(&folder).route("https://a.example", PathBuf::new()).err().unwrap().to_string();
        assert!(error.contains("mail.password_file"), "{error}");
    }
}
