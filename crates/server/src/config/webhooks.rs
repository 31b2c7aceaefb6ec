//! Where webhooks may go besides public addresses.

use super::ConfigError;
use ipnet::IpNet;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Webhooks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhooks {
    /// Networks whose addresses are sent to although they are not public, and without TLS if the webhook says so.
    pub allow_networks: Vec<IpNet>,
    /// Certificates that receivers' may hang on, besides the system's.
    pub ca_file: Option<PathBuf>,
}

impl Webhooks {
    /// Reads the file that is named.
    ///
    /// # Errors
    /// [`ConfigError`] if it has no certificate that can be read.
    pub(crate) fn authorities(&self) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
        let Some(path) = &self.ca_file else { return Ok(Vec::new()) };
        let unusable = |reason: &str| ConfigError(format!("webhooks.ca_file: {}: {reason}", path.display()));
        let read = CertificateDer::pem_file_iter(path).and_then(|found| found.collect::<Result<Vec<_>, _>>());
        let read = read.map_err(|error| unusable(&error.to_string()))?;
        if read.is_empty() { Err(unusable("there is no certificate in it; it must be PEM")) } else { Ok(read) }
    }
}
