//! Which server, and how.

use reqwest::Url;
use std::{net::IpAddr, time::Duration};

/// Over what a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// `https`, and `http` on this machine.
    #[default]
    Tls,
    /// `http` too: for a network in which nobody else listens. Keys and passwords cross it in clear.
    PlainHttp,
}

/// How a client speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Over what. [`Transport::Tls`] by default.
    pub transport: Transport,
    /// What the program calls itself in `User-Agent`, and so in the logs of the server. This crate's name by default.
    pub user_agent: String,
    /// How long a request may take. 30 s by default.
    pub timeout: Duration,
    /// The longest `Retry-After` that is waited for, once a request. 5 s by default; zero waits for none.
    pub longest_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            transport: Transport::default(),
            user_agent: concat!("keywright-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeout: Duration::from_secs(30),
            longest_wait: Duration::from_secs(5),
        }
    }
}

/// Why there can be no client for a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Not a URL at which a server could be.
    #[error("the server must be an http or https URL without user, query and fragment, such as https://auth.example.com")]
    NotAUrl,
    /// Secrets would cross the network in clear.
    #[error("the server must be an https URL, or on this machine: keys and passwords would cross the network in clear")]
    PlainHttp,
    /// No HTTP client can be had.
    #[error("no HTTP client: {0}")]
    Client(String),
}

/// The URL of a server, which may be under a path, without a slash at its end.
pub(crate) fn base(text: &str, transport: Transport) -> Result<Url, BaseUrlError> {
    let url = Url::parse(text.trim_end_matches('/')).map_err(|_| BaseUrlError::NotAUrl)?;
    let plain = ["http", "https"].contains(&url.scheme()) && url.username().is_empty() && url.password().is_none();
    if !plain || url.query().is_some() || url.fragment().is_some() || url.host_str().is_none() {
        return Err(BaseUrlError::NotAUrl);
    }
    if url.scheme() == "http" && transport == Transport::Tls && !is_loopback(&url) {
        return Err(BaseUrlError::PlainHttp);
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_cross_no_network_in_clear_by_accident() {
        for good in ["https://auth.example.com", "https://example.com/auth/", "http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"] {
            assert!(base(good, Transport::Tls).is_ok(), "{good}");
        }
        for bad in ["http://auth.example.com", "http://10.0.0.1:8080", "http://127.0.0.1.example.com", "http://localhost.example.com"] {
            assert_eq!(base(bad, Transport::Tls), Err(BaseUrlError::PlainHttp), "{bad}");
            assert!(base(bad, Transport::PlainHttp).is_ok(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused() {
        for bad in [
            "",
            "auth.example.com",
            "ftp://example.com",
            "https://me@example.com",
            "https://me:pw@example.com",
            "https://example.com?a=b",
            "https://example.com#a",
        ] {
            assert_eq!(base(bad, Transport::Tls), Err(BaseUrlError::NotAUrl), "{bad}");
        }
    }
}
