//! TLS: the server answers with its certificate, and with the new one after the files were replaced.

use crate::{
    http::{Answer, try_send},
    process::{Place, until},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::fs;

/// A certificate authority that somebody trusts, and a server's certificate by it.
struct Pair {
    authority: String,
    certificate: String,
    key: String,
}

impl Pair {
    fn make() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&authority_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &Issuer::new(params, authority_key)).unwrap().pem();
        Self { authority, certificate, key: key.serialize_pem() }
    }

    /// Puts both files where the server reads them, each whole at once.
    fn put(&self, place: &Place) {
        for (name, text) in [("cert.pem", &self.certificate), ("key.pem", &self.key)] {
            place.write("draft", text);
            fs::rename(place.path("draft"), place.path(name)).unwrap();
        }
    }

    /// Asks somebody who must have a certificate by this authority.
    async fn ask(&self, base: &str) -> Option<Answer> {
        let root = reqwest::Certificate::from_pem(self.authority.as_bytes()).unwrap();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([root]).build().unwrap();
        try_send(client.get(format!("{base}/healthz"))).await
    }
}

#[tokio::test]
async fn a_certificate_is_used_and_its_successor_follows() {
    let place = Place::new();
    let (first, second) = (Pair::make(), Pair::make());
    first.put(&place);
    let file = place.write("tls.toml", &format!("[tls]\ncert = '{}'\nkey = '{}'\n", place.text("cert.pem"), place.text("key.pem")));
    let server = place.serve(&["--config", &file], &[]).await;
    assert!(server.base.starts_with("https://"), "{}", server.base);
    assert_eq!(first.ask(&server.base).await.expect("a TLS connection").status, 200);
    assert!(second.ask(&server.base).await.is_none(), "a certificate by nobody");

    second.put(&place);
    let answer = until("the new certificate is served", async || second.ask(&server.base).await).await;
    assert_eq!(answer.status, 200);
    assert!(first.ask(&server.base).await.is_none(), "the old certificate is not served any more");
    server.end().await;
}
