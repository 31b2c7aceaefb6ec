//! Row 16: what is meant for one API, one issuer or one purpose is nothing anywhere else. To leave nothing but that in the way, everything here
//! is signed by keys of one set and has all the members that any of the readers wants.

use crate::world::{AUDIENCE, ISSUER, NOW, Shelf, Signer, claims, good_status, now, snapshot};
use keywright_protocol::{
    Catalog,
    claims::{ACCESS_TOKEN_TYPE, CATALOG_TYPE, IDENTITY_TOKEN_TYPE},
    jwk::{Algorithm, Purpose},
    status::{News, RECEIPT_TYPE, STATUS_LIST_TYPE, STATUS_NEWS_TYPE},
};
use keywright_verify::{CatalogDocument, Config, DocumentError, Snapshot, Source, Verifier, VerifyError, signed_document};
use serde_json::{Value, json};
use std::sync::Arc;

/// Begins like the other one.
const BILLING: &str = "https://reports.example.com/billing";
const OTHER_ISSUER: &str = "https://auth.example.net";

fn catalog() -> Value {
    json!({
        "apis": {
            "reports": { "audience": AUDIENCE, "permissions": { "reports.view": "read", "reports.edit": "write" } },
            "billing": { "audience": BILLING, "permissions": { "billing.view": "read", "billing.pay": "pay" } },
            "identity": { "permissions": { "members.list": "see members" } },
        },
        "roles": {
            "viewer": { "name": "Viewer", "permissions": ["reports.view", "billing.view", "members.list"] },
            "owner": { "name": "Owner", "everything": true },
        },
    })
}

/// An issuer's keys, one for each algorithm and purpose.
struct Keys {
    all: Vec<(Purpose, Signer)>,
    shelf: Arc<Shelf>,
}

impl Keys {
    fn new() -> Self {
        let key = |kid, algorithm, purpose| (purpose, Signer::new(kid, algorithm, Some(purpose)));
        let all = vec![
            key("token-es", Algorithm::ES256, Purpose::AccessToken),
            key("token-ed", Algorithm::EdDSA, Purpose::AccessToken),
            key("doc", Algorithm::ES256, Purpose::Document),
            key("status", Algorithm::ES256, Purpose::StatusList),
            key("identity", Algorithm::ES256, Purpose::Identity),
        ];
        let signers: Vec<&Signer> = all.iter().map(|(_, signer)| signer).collect();
        let catalog = Arc::new(Catalog::new(serde_json::from_value(catalog()).unwrap()).unwrap());
        let shelf = Shelf::of(Snapshot { catalog, status: Some(good_status()), ..snapshot(&signers, 1) });
        Self { all, shelf }
    }

    fn verifier(&self, issuer: &str, audience: &str) -> Verifier {
        Verifier::new(Config::new(issuer, audience), Arc::clone(&self.shelf) as Arc<dyn Source>)
    }
}

/// Claims of an access token that are the payload of every other kind too.
fn everything(issuer: &str, audience: &str) -> Value {
    let mut all = claims();
    let more = json!({
        "iss": issuer, "aud": audience, "history": 1, "revision": 42, "catalog": catalog(), "ttl": 5, "position": { "history": 1, "n": 42 }, "time": NOW * 1000,
        "keys_at": { "history": 1, "n": 1 }, "catalog_at": { "history": 1, "n": 1 }, "ended": [], "revoked_keys": [], "status_list": { "bits": 1, "lst": "" },
        "status": { "status_list": { "idx": 1, "uri": format!("{issuer}/status/v1/lists/0") } },
    });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

fn signed(signer: &Signer, typ: &str, payload: &Value) -> String {
    signer.jws(&format!(r#"{{"alg":"{}","kid":"{}","typ":"{typ}"}}"#, signer.algorithm.as_str(), signer.kid), &payload.to_string())
}

/// Reddens when `aud` is not compared, is compared by prefix, or a good token is remembered for all verifiers of a source.
#[test]
fn of_a_thousand_tokens_none_crosses_from_one_api_to_another() {
    let keys = Keys::new();
    let apis = [(AUDIENCE, "reports.edit", "billing.pay"), (BILLING, "billing.pay", "reports.edit")];
    let verifiers = apis.map(|(audience, ..)| keys.verifier(ISSUER, audience));
    for number in 0..1000_usize {
        let (home, away) = (number % 2, 1 - number % 2);
        let (audience, own, others) = apis[home];
        let mut payload = everything(ISSUER, audience);
        payload["jti"] = json!(format!("j-{number}"));
        let role = ["viewer", "owner"][number / 2 % 2];
        payload["roles"] = json!([role]);
        payload["status"]["status_list"]["idx"] = json!(number);
        if number % 3 == 0 {
            payload["scope"] = json!(format!("{own} {others} members.list"));
        }
        let token = signed(&keys.all[number / 4 % 2].1, ACCESS_TOKEN_TYPE, &payload);
        // Also right after its own API has seen it, and the other has refused it.
        for _ in 0..2 {
            assert_eq!(verifiers[away].verify(&token, now()).unwrap_err(), VerifyError::WrongAudience, "token {number}");
            let verified = verifiers[home].verify(&token, now()).unwrap();
            assert_eq!(verified.may(own), number % 3 == 0 || number / 2 % 2 == 1, "token {number}");
            assert!(!verified.may(others) && !verified.may("members.list"), "token {number} carries permissions of another API");
        }
    }
}

/// Reddens when `typ`, the key's purpose, `iss` or `aud` is not looked at, or not as a whole.
#[test]
fn only_an_access_token_of_this_issuer_for_this_audience_is_one() {
    let keys = Keys::new();
    let kinds = [ACCESS_TOKEN_TYPE, CATALOG_TYPE, STATUS_LIST_TYPE, STATUS_NEWS_TYPE, RECEIPT_TYPE, IDENTITY_TOKEN_TYPE];
    let (issuers, audiences) = ([ISSUER, OTHER_ISSUER], [AUDIENCE, BILLING, ISSUER, OTHER_ISSUER]);
    let configs: Vec<(&str, &str)> = issuers.iter().flat_map(|issuer| audiences.map(|audience| (*issuer, audience))).collect();
    let verifiers: Vec<((&str, &str), Verifier)> = configs.iter().map(|config| (*config, keys.verifier(config.0, config.1))).collect();
    let (mut accepted, mut tried) = (0, 0);
    for (typ, (purpose, signer), (issuer, audience)) in
        kinds.iter().flat_map(|typ| keys.all.iter().map(move |key| (*typ, key))).flat_map(|(typ, key)| configs.iter().map(move |config| (typ, key, *config)))
    {
        for (config, verifier) in &verifiers {
            let mut payload = everything(issuer, audience);
            // The status list is this verifier's issuer's in any case.
            payload["status"]["status_list"]["uri"] = json!(format!("{}/status/v1/lists/0", config.0));
            let jws = signed(signer, typ, &payload);
            let is_one = typ == ACCESS_TOKEN_TYPE && *purpose == Purpose::AccessToken && *config == (issuer, audience);
            let result = verifier.verify(&jws, now());
            assert_eq!(result.is_ok(), is_one, "{typ} by {} of {issuer} for {audience} at {config:?}: {:?}", signer.kid, result.err());
            tried += 1;
            accepted += usize::from(is_one);
        }
    }
    // Two keys for access tokens, each configuration once.
    assert_eq!((accepted, tried), (2 * configs.len(), kinds.len() * keys.all.len() * configs.len() * configs.len()));
}

/// Reddens when `signed_document` does not look at `typ`, or at the key's purpose.
#[test]
fn a_document_is_of_one_type_and_of_a_key_for_it() {
    let keys = Keys::new();
    let known = keys.shelf.snapshot().unwrap();
    let kinds = [
        (ACCESS_TOKEN_TYPE, Purpose::AccessToken),
        (CATALOG_TYPE, Purpose::Document),
        (STATUS_LIST_TYPE, Purpose::StatusList),
        (STATUS_NEWS_TYPE, Purpose::StatusList),
        (RECEIPT_TYPE, Purpose::StatusList),
        (IDENTITY_TOKEN_TYPE, Purpose::Identity),
    ];
    let payload = everything(ISSUER, AUDIENCE);
    let mut accepted = 0;
    for (typ, _) in kinds {
        for (purpose, signer) in &keys.all {
            let jws = signed(signer, typ, &payload);
            for reader in kinds {
                let read = signed_document::<Value>(&jws, reader, &known.keys);
                let expected = match reader {
                    (wanted, _) if wanted != typ => Err(DocumentError::WrongType),
                    (_, wanted) if wanted != *purpose => Err(DocumentError::UnknownKey),
                    _ => Ok(payload.clone()),
                };
                accepted += usize::from(expected.is_ok());
                assert_eq!(read, expected, "{typ} by {} read as {reader:?}", signer.kid);
            }
        }
    }
    // Access tokens by two keys, the others by one.
    assert_eq!(accepted, 7);
    // The payload is one that each of these readers would take, were it signed for it.
    let document = |typ, purpose: Purpose| signed(&keys.all.iter().find(|(known, _)| *known == purpose).unwrap().1, typ, &payload);
    let catalog = document(CATALOG_TYPE, Purpose::Document);
    let news = document(STATUS_NEWS_TYPE, Purpose::StatusList);
    signed_document::<CatalogDocument>(&catalog, (CATALOG_TYPE, Purpose::Document), &known.keys).unwrap();
    signed_document::<News>(&news, (STATUS_NEWS_TYPE, Purpose::StatusList), &known.keys).unwrap();
    assert_eq!(signed_document::<News>(&catalog, (STATUS_NEWS_TYPE, Purpose::StatusList), &known.keys).unwrap_err(), DocumentError::WrongType);
}
