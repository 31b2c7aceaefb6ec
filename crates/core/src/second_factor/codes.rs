//! What somebody gives as his second factor: the code of his device, or a recovery code.

use super::totp::{DIGITS, base32};
use crate::{Error, chance, secret::Pepper};
use keywright_protocol::UserId;
use zeroize::Zeroizing;

/// Recovery codes that are made together.
pub const RECOVERY_CODES: usize = 10;
/// Random bytes of one: 80 bits, which nobody guesses, and 16 letters.
const RECOVERY_BYTES: usize = 10;
const RECOVERY_LETTERS: usize = 16;
const GROUP: usize = 4;

/// A code as it was given, without what people put between its parts. Has no `Debug`.
pub enum GivenCode {
    /// Six digits of a device.
    Device(Zeroizing<String>),
    /// A recovery code.
    Recovery(Zeroizing<String>),
}

impl GivenCode {
    /// Reads one. Spaces and hyphens mean nothing, nor does case.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what has the shape of neither.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let kept: Zeroizing<String> =
            Zeroizing::new(text.chars().filter(|letter| !matches!(letter, ' ' | '-')).map(|letter| letter.to_ascii_uppercase()).collect());
        if kept.len() == DIGITS && kept.chars().all(|letter| letter.is_ascii_digit()) {
            return Ok(Self::Device(kept));
        }
        if kept.len() == RECOVERY_LETTERS && kept.chars().all(|letter| matches!(letter, 'A'..='Z' | '2'..='7')) {
            return Ok(Self::Recovery(kept));
        }
        let reason = "must be the six digits that your authenticator app shows, or one of your recovery codes, such as ABCD-EFGH-IJKL-MNOP".to_owned();
        Err(Error::Invalid { field: "code", reason })
    }
}

/// New recovery codes, with the digests under which they are kept.
pub(super) struct NewCodes {
    pub(super) shown: Vec<Zeroizing<String>>,
    pub(super) digests: Vec<[u8; 32]>,
}

impl NewCodes {
    pub(super) fn generate(pepper: &Pepper, user: UserId) -> Result<Self, Error> {
        let mut codes = Self { shown: Vec::with_capacity(RECOVERY_CODES), digests: Vec::with_capacity(RECOVERY_CODES) };
        for _ in 0..RECOVERY_CODES {
            let random = Zeroizing::new(chance::bytes::<RECOVERY_BYTES>()?);
            let letters = base32(random.as_slice());
            codes.digests.push(pepper.recovery_digest(user, &letters));
            codes.shown.push(grouped(&letters));
        }
        Ok(codes)
    }
}

/// With a hyphen behind each fourth letter, for people.
fn grouped(letters: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(letters.len() + letters.len() / GROUP));
    for (at, letter) in letters.chars().enumerate() {
        if at > 0 && at % GROUP == 0 {
            text.push('-');
        }
        text.push(letter);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match GivenCode::parse(text) {
            Ok(GivenCode::Device(code)) => format!("device {}", code.as_str()),
            Ok(GivenCode::Recovery(code)) => format!("recovery {}", code.as_str()),
            Err(error) => error.to_string(),
        }
    }

    /// Reddens when a shape is taken for the other one, or what is neither is taken.
    #[test]
    fn codes_are_read_as_people_write_them() {
        assert_eq!(read("123456"), "device 123456");
        assert_eq!(read(" 123 456 "), "device 123456");
        assert_eq!(read("abcd-efgh-2345-6723"), "recovery ABCDEFGH23456723");
        assert_eq!(read("ABCDEFGH23456723"), "recovery ABCDEFGH23456723");
        for bad in ["", "12345", "1234567", "１２３４５６", "ABCD-EFGH-2345-672", "ABCD-EFGH-2345-6718", "123456\n"] {
            assert!(read(bad).starts_with("code: must be the six digits"), "{bad}: {}", read(bad));
        }
    }

    /// Reddens when a code is bound to nobody, or is not what is shown.
    #[test]
    fn ten_codes_are_shown_once_and_kept_as_digests_of_their_owner() {
        let (pepper, user, other) = (Pepper::new(&[1; 32]), UserId::from(uuid::Uuid::from_u128(1)), UserId::from(uuid::Uuid::from_u128(2)));
        let codes = NewCodes::generate(&pepper, user).unwrap();
        assert_eq!((codes.shown.len(), codes.digests.len()), (10, 10));
        for (shown, digest) in codes.shown.iter().zip(&codes.digests) {
            assert_eq!(shown.len(), 19);
            let Ok(GivenCode::Recovery(given)) = GivenCode::parse(&shown.to_lowercase()) else { panic!("{}", shown.as_str()) };
            assert_eq!(&pepper.recovery_digest(user, &given), digest);
            assert_ne!(&pepper.recovery_digest(other, &given), digest);
        }
        let mut all: Vec<&str> = codes.shown.iter().map(|code| code.as_str()).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 10);
    }
}
