//! Rows 14 and 20: right header, right claims, another signature.

use super::{
    By, Class, class,
    forge::{Forge, object, set},
};
use crate::world::{Signer, base64url};
use keywright_protocol::jwk::Algorithm;

/// The order of P-256's group, big-endian (SEC 2, section 2.4.2).
pub(super) const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2,
    0xfc, 0x63, 0x25, 0x51,
];
/// The order of Ed25519's group, little-endian (RFC 8032, section 5.1).
const ED25519_ORDER: [u8; 32] =
    [0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10];

pub(super) const CLASSES: &[Class] = &[
    class("signed with another key under a known kid", &[By::Signature], |f| {
        let signer = f.signer();
        let header = f.header(signer);
        f.under(f.stranger_to(signer), &header)
    }),
    class("signed with another key under its own kid", &[By::Key], |f| {
        let signer = f.signer();
        let stranger = f.stranger_to(signer);
        f.under(stranger, &stranger.header())
    }),
    class("the signature of another token", &[By::Signature], |f| {
        let signer = f.signer();
        let header = f.header(signer);
        let (one, other) = (f.under(signer, &header), f.under(signer, &header));
        format!("{}.{}", one.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1)
    }),
    class("claims changed under a signature", &[By::Signature], |f| {
        let signer = f.signer();
        let mut claims = f.claims();
        let header = f.header(signer);
        let good = signer.jws(&header, &object(&claims));
        let (name, value) =
            [("roles", r#"["owner"]"#), ("email", r#""eve@example.com""#), ("exp", "253402300798"), ("scope", r#""reports.delete""#)][f.dice.below(4)];
        set(&mut claims, name, value);
        format!("{}.{}.{}", base64url(header), base64url(object(&claims)), good.rsplit_once('.').unwrap().1)
    }),
    class("header changed under a signature", &[By::Signature], |f| {
        let signer = f.signer();
        let claims = base64url(object(&f.claims()));
        let header = f.header(signer);
        let signature = base64url(signer.sign(format!("{}.{claims}", base64url(&header)).as_bytes()));
        format!("{}.{claims}.{signature}", base64url(format!("{header} ")))
    }),
    class("a signature of ES256 that is none", &[By::Signature], |f| signed(f, |f| &f.mint.es, of_p256)),
    class("a signature of EdDSA that is none", &[By::Signature], |f| signed(f, |f| &f.mint.ed, of_ed25519)),
    class("a signature of RS256 that is none", &[By::Signature], |f| signed(f, |f| &f.mint.rs, of_rsa)),
    class("a signature of chance", &[By::Signature], |f| {
        signed(f, Forge::signer, |f, signer, _| {
            let length = match f.dice.below(3) {
                0 => f.dice.below(600),
                _ if signer.algorithm == Algorithm::RS256 => 256,
                _ => 64,
            };
            f.dice.bytes(length)
        })
    }),
    class("a signature of another algorithm's key", &[By::Signature], |f| {
        let signer = f.signer();
        let other = if signer.algorithm == Algorithm::EdDSA { &f.mint.es } else { &f.mint.ed };
        let header = f.header(signer);
        f.under(other, &header)
    }),
];

/// A good token whose signature is replaced.
fn signed<'m>(f: &mut Forge<'m>, signer: impl Fn(&mut Forge<'m>) -> &'m Signer, replace: impl Fn(&mut Forge<'m>, &Signer, &[u8]) -> Vec<u8>) -> String {
    let signer = signer(f);
    let header = base64url(f.header(signer));
    let claims = f.claims();
    let signed = format!("{header}.{}", base64url(object(&claims)));
    let signature = replace(f, signer, signed.as_bytes());
    format!("{signed}.{}", base64url(signature))
}

fn number(value: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[31] = value;
    bytes
}

/// `a - b`, big-endian.
pub(super) fn minus(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0_i16;
    let mut difference: Vec<u8> = a
        .iter()
        .zip(b)
        .rev()
        .map(|(a, b)| {
            let digit = i16::from(*a) - i16::from(*b) - borrow;
            borrow = i16::from(digit < 0);
            u8::try_from(digit.rem_euclid(256)).unwrap()
        })
        .collect();
    difference.reverse();
    difference
}

/// `a + b`, little-endian, without what no longer fits.
fn plus(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0_u16;
    a.iter()
        .zip(b)
        .map(|(a, b)| {
            let digit = u16::from(*a) + u16::from(*b) + carry;
            carry = digit >> 8;
            digit.to_le_bytes()[0]
        })
        .collect()
}

fn of_p256(f: &mut Forge<'_>, signer: &Signer, message: &[u8]) -> Vec<u8> {
    let good = signer.sign(message);
    let (r, s) = good.split_at(32);
    let (zero, one, order) = (number(0), number(1), P256_ORDER);
    let pair = |r: &[u8], s: &[u8]| [r, s].concat();
    let der = |number: &[u8]| if number[0] < 128 { [&[2, 32], number].concat() } else { [&[2, 33, 0], number].concat() };
    match f.dice.below(18) {
        0 => pair(&zero, &zero),
        1 => pair(&order, &order),
        2 => pair(&one, &one),
        3 => pair(&zero, s),
        4 => pair(r, &zero),
        5 => pair(&order, s),
        6 => pair(r, &order),
        7 => pair(&order, &zero),
        8 => pair(&minus(&order, r), s),
        9 => pair(s, r),
        10 => pair(&[0xff; 32], &[0xff; 32]),
        11 => pair(&number(f.dice.bytes(1)[0]), &number(1)),
        12 => {
            let (r, s) = (der(r), der(s));
            [&[0x30, u8::try_from(r.len() + s.len()).unwrap()], r.as_slice(), &s].concat()
        }
        13 => [&[0], good.as_slice()].concat(),
        14 => [r, &[0], s].concat(),
        15 => [&[0], r, &[0], s].concat(),
        16 => good[..63].to_vec(),
        _ => [good.as_slice(), &[0]].concat(),
    }
}

fn of_ed25519(f: &mut Forge<'_>, signer: &Signer, message: &[u8]) -> Vec<u8> {
    let good = signer.sign(message);
    let (r, s) = good.split_at(32);
    let mut identity = [0; 32];
    identity[0] = 1;
    match f.dice.below(11) {
        0 => vec![0; 64],
        1 => [identity.as_slice(), &[0; 32]].concat(),
        2 => [identity.as_slice(), s].concat(),
        // S is below the order, or the signature would have several spellings (RFC 8032, section 5.1.7).
        3 => [r, &plus(s, &ED25519_ORDER)].concat(),
        4 => [r, &ED25519_ORDER].concat(),
        5 => [r, &[0; 32]].concat(),
        6 => [s, r].concat(),
        7 => {
            let mut other = good.clone();
            other[31] ^= 0x80;
            other
        }
        8 => {
            let mut other = good.clone();
            other[63] ^= 0xe0;
            other
        }
        9 => good[..63].to_vec(),
        _ => [good.as_slice(), &[0]].concat(),
    }
}

fn of_rsa(f: &mut Forge<'_>, signer: &Signer, message: &[u8]) -> Vec<u8> {
    // RSAPublicKey (RFC 8017, appendix A.1.1) with a modulus of 2048 bits has it at these bytes.
    let modulus = signer.public()[9..265].to_vec();
    let last = |value: u8| [vec![0; 255], vec![value]].concat();
    match f.dice.below(40) {
        0 => [vec![0], signer.sign(message)].concat(),
        1 => [signer.sign(message), vec![0]].concat(),
        2 => minus(&modulus, &signer.sign(message)),
        3 => signer.sign(message)[..255].to_vec(),
        4..=9 => last(0),
        10..=15 => last(1),
        16..=20 => modulus,
        21..=25 => minus(&modulus, &last(1)),
        26..=30 => vec![0xff; 256],
        31..=35 => [&[0, 1], vec![0xff; 202].as_slice(), &[0; 52]].concat(),
        _ => Vec::new(),
    }
}
