//! TLS by rustls; certificate and key are read again when their files change.

use crate::{
    config::{ConfigError, Tls},
    tasks::Stop,
};
use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use std::{path::Path, sync::Arc, time::Duration, time::SystemTime};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// A TLS configuration that follows its files.
pub(crate) struct Reloading {
    pub(crate) config: Arc<ServerConfig>,
    current: Arc<Current>,
    files: Tls,
}

impl Reloading {
    /// Reads the files.
    pub(crate) fn open(files: &Tls) -> Result<Self, ConfigError> {
        let current = Arc::new(Current(ArcSwap::from_pointee(read(files)?)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| ConfigError(format!("tls: {error}")))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), current, files: files.clone() })
    }

    /// Looks at the files until it is told to stop. A pair that cannot be used leaves the old one in place.
    pub(crate) async fn follow(self, mut stop: Stop) {
        let mut known = changed_at(&self.files);
        loop {
            tokio::select! {
                () = stop.wait() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let now = changed_at(&self.files);
            if now == known {
                continue;
            }
            match read(&self.files) {
                Ok(key) => {
                    self.current.0.store(Arc::new(key));
                    known = now;
                    tracing::info!("the TLS certificate was read again");
                }
                Err(error) => tracing::warn!(%error, "the TLS files changed but cannot be used; the old certificate stays"),
            }
        }
    }
}

fn changed_at(files: &Tls) -> [Option<SystemTime>; 2] {
    [&files.cert, &files.key].map(|path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok())
}

fn read(files: &Tls) -> Result<CertifiedKey, ConfigError> {
    let wrong = |path: &Path, error: String| ConfigError(format!("tls: {}: {error}", path.display()));
    let chain =
        CertificateDer::pem_file_iter(&files.cert).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(|error| wrong(&files.cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(&files.cert, "there is no certificate in it".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong(&files.key, error.to_string()))?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|error| wrong(&files.key, error.to_string()))
}
