//! The vectors of project Wycheproof for the three algorithms: signatures that were right and were bent, and keys on the edge. A token's
//! message is never any other than its first two parts, so what is judged here is what a key set makes of a key, and the algorithm that it
//! takes for it.

use crate::world::base64url;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use keywright_protocol::jwk::{Algorithm, Jwk, JwkSet};
use keywright_verify::KeySet;
use wycheproof::{EllipticCurve, HashFunction, TestResult, ecdsa, eddsa, rsa_pkcs1_verify as rsa};

fn jwk(algorithm: Algorithm, members: [Option<&[u8]>; 4]) -> Jwk {
    let (kty, crv) = match algorithm {
        Algorithm::ES256 => ("EC", Some("P-256")),
        Algorithm::EdDSA => ("OKP", Some("Ed25519")),
        Algorithm::RS256 => ("RSA", None),
    };
    let [x, y, n, e] = members.map(|number| number.map(base64url));
    Jwk {
        kty: kty.to_owned(),
        kid: "vector".to_owned(),
        alg: algorithm.as_str().to_owned(),
        usage: "sig".to_owned(),
        purpose: None,
        crv: crv.map(str::to_owned),
        x,
        y,
        n,
        e,
    }
}

fn is_key(jwk: &Jwk) -> bool {
    KeySet::from_jwks(&JwkSet { keys: vec![jwk.clone()] }).is_ok_and(|set| set.len() == 1)
}

/// The number without the zero bytes that some of the vectors begin with, filled up to `length`.
fn of_length(number: &[u8], length: usize) -> Vec<u8> {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let number = &number[start..];
    [vec![0; length - number.len()].as_slice(), number].concat()
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    keys: usize,
    right: usize,
    wrong: usize,
    odd: usize,
}

impl Counts {
    fn check(&mut self, key: &ParsedPublicKey, (id, comment): (usize, &str), result: TestResult, (message, signature): (&[u8], &[u8])) {
        let verifies = key.verify_sig(message, signature).is_ok();
        match result {
            TestResult::Valid => self.right += 1,
            TestResult::Invalid => self.wrong += 1,
            // Such as a padding of old that lacks its NULL (RFC 8017, section 8.2.2, note): there is one spelling here.
            TestResult::Acceptable => self.odd += 1,
        }
        assert_eq!(verifies, result == TestResult::Valid, "{id}: {comment}");
    }
}

/// Reddens when ECDSA signatures are read as DER, `r` or `s` of zero or beyond the order is let through, or another curve is read.
#[test]
fn es256() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut counts = Counts::default();
    for group in set.test_groups {
        assert_eq!((group.key.curve, group.hash), (EllipticCurve::Secp256r1, HashFunction::Sha2_256));
        let (x, y) = (of_length(&group.key.affine_x, 32), of_length(&group.key.affine_y, 32));
        assert!(is_key(&jwk(Algorithm::ES256, [Some(&x), Some(&y), None, None])));
        assert!(!is_key(&jwk(Algorithm::ES256, [Some(&y), Some(&x), None, None])), "a point that is not on the curve");
        let point = [&[4], x.as_slice(), &y].concat();
        assert_eq!(point, group.key.key.as_ref());
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).unwrap();
        counts.keys += 1;
        for test in &group.tests {
            counts.check(&key, (test.tc_id, &test.comment), test.result, (&test.msg, &test.sig));
        }
    }
    println!("ES256: {counts:?}");
    assert!(counts.right > 150 && counts.wrong > 80, "{counts:?}");
}

/// Reddens when an Ed25519 signature has several spellings, or is longer or shorter than 64 bytes.
#[test]
fn eddsa() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut counts = Counts::default();
    for group in set.test_groups {
        assert!(is_key(&jwk(Algorithm::EdDSA, [Some(&group.key.pk), None, None, None])));
        let key = ParsedPublicKey::new(&ED25519, &group.key.pk).unwrap();
        counts.keys += 1;
        for test in &group.tests {
            counts.check(&key, (test.tc_id, &test.comment), test.result, (&test.msg, &test.sig));
        }
    }
    println!("EdDSA: {counts:?}");
    assert!(counts.right > 80 && counts.wrong > 50, "{counts:?}");
}

/// Reddens when PKCS #1 padding is read leniently (Bleichenbacher's forgery), or another hash is taken.
#[test]
fn rs256() {
    let mut counts = Counts::default();
    for name in [rsa::TestName::Rsa2048Sha256, rsa::TestName::Rsa3072Sha256, rsa::TestName::Rsa4096Sha256] {
        for group in rsa::TestSet::load(name).unwrap().test_groups {
            assert_eq!(group.hash, HashFunction::Sha2_256);
            let (n, e) = (of_length(&group.key.n, group.key_size / 8), group.key.e.strip_prefix(&[0]).unwrap_or(&group.key.e).to_vec());
            assert!(is_key(&jwk(Algorithm::RS256, [None, None, Some(&n), Some(&e)])), "{name:?} with the exponent {e:?}");
            let key = RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).unwrap();
            counts.keys += 1;
            for test in &group.tests {
                counts.check(&key, (test.tc_id, &test.comment), test.result, (&test.msg, &test.sig));
            }
        }
    }
    println!("RS256: {counts:?}");
    assert!(counts.right > 20 && counts.wrong > 500, "{counts:?}");
}

/// Reddens when a key set asks for less than the curve: keys of others are left out by their names, and refused under the name of ours.
#[test]
fn keys_of_other_curves_are_none() {
    let left_out = |key: Jwk, crv: &str| KeySet::from_jwks(&JwkSet { keys: vec![Jwk { crv: Some(crv.to_owned()), ..key }] }).is_ok_and(|set| set.is_empty());
    for (name, crv) in [
        (ecdsa::TestName::EcdsaSecp256k1Sha256P1363, "secp256k1"),
        (ecdsa::TestName::EcdsaBrainpool256r1Sha256P1363, "brainpoolP256r1"),
        (ecdsa::TestName::EcdsaSecp384r1Sha384P1363, "P-384"),
    ] {
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let length = group.key.key_size / 8;
            let (x, y) = (of_length(&group.key.affine_x, length), of_length(&group.key.affine_y, length));
            let key = jwk(Algorithm::ES256, [Some(&x), Some(&y), None, None]);
            assert!(!is_key(&key), "a point of {crv} as one of P-256");
            assert!(left_out(key, crv), "{crv}");
        }
    }
    for group in eddsa::TestSet::load(eddsa::TestName::Ed448).unwrap().test_groups {
        let key = jwk(Algorithm::EdDSA, [Some(&group.key.pk), None, None, None]);
        assert!(!is_key(&key));
        assert!(left_out(key, "Ed448"));
    }
}
