//! One conversation with a mail server (RFC 5321), for as much mail as there is.
//!
//! The steps are taken one by one, because what a refusal means depends on the step: of a recipient or of the content it is final for
//! this piece of mail; before that it is about us, the settings, or the server, and all mail waits. lettre's feature `tracing`
//! stays off: it writes whatever is sent, links and password included, into the log.

use super::message::Composed;
use crate::config::{ConfigError, Security, SmtpServer};
use lettre::{
    Address,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt, Rset},
        extension::ClientId,
    },
};
use std::{net::IpAddr, time::Duration};
use tokio::time::timeout;

/// For connecting, TLS and signing in together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// For one piece of mail. Some servers look at it for long.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);

/// A mail server as it is spoken to.
pub(super) struct Smtp {
    server: SmtpServer,
    hello: ClientId,
    tls: Option<TlsParameters>,
}

/// Why mail was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server cannot be reached or does not speak with us; that is so for all mail.
    Server(String),
    /// Not now.
    Later {
        /// The server's code.
        code: u16,
        /// What it said.
        text: String,
    },
    /// Never.
    Never {
        /// The server's code.
        code: u16,
        /// What it said.
        text: String,
    },
}

impl Smtp {
    /// With what TLS needs.
    ///
    /// # Errors
    /// [`ConfigError`] if the certificates cannot be used.
    pub(super) fn new(server: SmtpServer, host: &str) -> Result<Self, ConfigError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let hello = match bare.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
            Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
            Err(_) => ClientId::Domain(host.to_owned()),
        };
        let tls = match server.security {
            Security::Clear => None,
            Security::Tls | Security::StartTls => {
                let parameters = TlsParameters::builder(server.host.clone());
                let parameters = server.authorities.iter().cloned().fold(parameters, |parameters, authority| parameters.add_root_certificate(authority));
                Some(parameters.build().map_err(|error| ConfigError(format!("mail: TLS cannot be used: {}", described(&error))))?)
            }
        };
        Ok(Self { server, hello, tls })
    }

    /// A conversation that has not begun.
    pub(super) const fn conversation(&self) -> Conversation<'_> {
        Conversation { smtp: self, connection: None }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Fault> {
        let place = (self.server.host.as_str(), self.server.port);
        let connecting = async {
            let wrapped = self.tls.clone().filter(|_| self.server.security == Security::Tls);
            let mut connection = AsyncSmtpConnection::connect_tokio1(place, Some(CONNECT_TIMEOUT), &self.hello, wrapped, None).await?;
            if let (Security::StartTls, Some(tls)) = (self.server.security, &self.tls) {
                connection.starttls(tls.clone(), &self.hello).await?;
            }
            if let Some((user, password)) = &self.server.credentials {
                connection.auth(DEFAULT_MECHANISMS, &Credentials::new(user.clone(), password.to_string())).await?;
            }
            Ok::<_, Error>(connection)
        };
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(Fault::Server(described(&error))),
            Err(_) => Err(Fault::Server("no answer in time".to_owned())),
        }
    }
}

/// A connection that is made when it is needed, and made anew when the server has closed it.
pub(super) struct Conversation<'a> {
    smtp: &'a Smtp,
    connection: Option<AsyncSmtpConnection>,
}

impl Conversation<'_> {
    /// Hands one piece of mail over.
    pub(super) async fn send(&mut self, from: &Address, mail: &Composed) -> Result<(), Fault> {
        let mut connection = match self.left_over().await {
            Some(connection) => connection,
            None => self.smtp.connect().await?,
        };
        let sent = timeout(SEND_TIMEOUT, hand_over(&mut connection, from, mail)).await;
        let sent = sent.unwrap_or_else(|_| Err(Fault::Server("no answer in time".to_owned())));
        // After anything else the state of the connection is not known.
        if !matches!(sent, Err(Fault::Server(_))) {
            self.connection = Some(connection);
        }
        sent
    }

    /// The connection of the last piece of mail, unless the server has had enough of it since.
    async fn left_over(&mut self) -> Option<AsyncSmtpConnection> {
        let mut connection = self.connection.take()?;
        let reset = timeout(CONNECT_TIMEOUT, connection.command(Rset)).await;
        matches!(reset, Ok(Ok(_))).then_some(connection)
    }

    /// Takes leave.
    pub(super) async fn end(mut self) {
        if let Some(mut connection) = self.connection.take() {
            let _ = timeout(CONNECT_TIMEOUT, connection.quit()).await;
        }
    }
}

async fn hand_over(connection: &mut AsyncSmtpConnection, from: &Address, mail: &Composed) -> Result<(), Fault> {
    // Addresses are ASCII, and so is what is encoded.
    connection.command(Mail::new(Some(from.clone()), Vec::new())).await.map_err(|error| about_us(&error))?;
    connection.command(Rcpt::new(mail.to.clone(), Vec::new())).await.map_err(|error| about_mail(&error))?;
    connection.command(Data).await.map_err(|error| about_mail(&error))?;
    connection.message(&mail.bytes).await.map_err(|error| about_mail(&error))?;
    Ok(())
}

/// A refusal before the recipient was named.
fn about_us(error: &Error) -> Fault {
    match code(error) {
        Some(code) => Fault::Later { code, text: described(error) },
        None => Fault::Server(described(error)),
    }
}

/// A refusal of the recipient or the content. 421 is the server's farewell (RFC 5321, section 3.8).
fn about_mail(error: &Error) -> Fault {
    match code(error) {
        Some(421) | None => Fault::Server(described(error)),
        Some(code) if error.is_permanent() => Fault::Never { code, text: described(error) },
        Some(code) => Fault::Later { code, text: described(error) },
    }
}

fn code(error: &Error) -> Option<u16> {
    error.status().map(u16::from)
}

/// An error with what lies under it.
fn described(error: &Error) -> String {
    error.to_string()
}
