//! Somebody's authenticator app, written down once more from the standards (RFC 6238, RFC 4226, RFC 4648), so that a mistake in the
//! server's own is seen.

use aws_lc_rs::hmac;
use keywright_protocol::Time;

/// A device that was given a secret.
pub struct Device(hmac::Key);

impl Device {
    /// By the secret in base32.
    ///
    /// # Panics
    /// If that is no secret of 20 bytes.
    #[must_use]
    pub fn of(base32: &str) -> Self {
        let mut bits = String::new();
        for letter in base32.chars() {
            let value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).expect("base32");
            bits.push_str(&format!("{value:05b}"));
        }
        let bytes: Vec<u8> = bits.as_bytes().chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| (byte << 1) | (bit & 1))).collect();
        assert_eq!(bytes.len(), 20, "bytes of a secret");
        Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes))
    }

    /// What it shows at a time.
    #[must_use]
    pub fn code(&self, at: Time) -> String {
        let tag = hmac::sign(&self.0, &at.as_seconds().div_euclid(30).to_be_bytes());
        let offset = usize::from(tag.as_ref().last().copied().unwrap_or_default() & 0xf);
        let number = tag.as_ref().iter().skip(offset).take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte)) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}
