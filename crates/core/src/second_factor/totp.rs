//! One-time codes by time (RFC 6238) over those by a counter (RFC 4226): HMAC-SHA-1, 30 seconds, 6 digits. That is what every
//! authenticator app does when it is told nothing else; SHA-1 is not weak in an HMAC of this use.

use crate::{Error, chance};
use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use keywright_protocol::Time;
use zeroize::Zeroizing;

/// Digits of a code.
pub const DIGITS: usize = 6;
/// Seconds of a step (RFC 6238, section 4.1).
pub const STEP_SECONDS: i64 = 30;
/// Bytes of a secret: as many as the hash has (RFC 4226, section 4, R6).
pub const SECRET_BYTES: usize = 20;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What a device and the server share. Has no `Debug` and no `Display`.
pub struct Secret(Zeroizing<Vec<u8>>);

/// What a code is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// It is the one of this step, which was not used yet.
    Right(i64),
    /// It is the one of a step that was used, or that is before one that was.
    Used,
    /// It is none of these.
    Wrong,
}

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system gives no randomness.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self(Zeroizing::new(chance::bytes::<SECRET_BYTES>()?.to_vec())))
    }

    pub(super) const fn of(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As people type it: base32 (RFC 4648, section 6) without padding.
    #[must_use]
    pub fn to_base32(&self) -> Zeroizing<String> {
        base32(&self.0)
    }

    /// Looks at a code at a time. One step before and one behind are taken too, since clocks differ and people type slowly (RFC 6238,
    /// section 5.2); the code of a step up to `last_used` is not.
    #[must_use]
    pub fn check(&self, code: &str, now: Time, last_used: i64) -> Code {
        let present = step_of(now);
        let mut found = Code::Wrong;
        // All three are compared, whichever it is.
        for step in [present.saturating_sub(1), present, present.saturating_add(1)] {
            if verify_slices_are_equal(self.code_of(step).as_bytes(), code.as_bytes()).is_ok() {
                found = match found {
                    Code::Right(_) => found,
                    Code::Used | Code::Wrong => {
                        if step > last_used {
                            Code::Right(step)
                        } else {
                            Code::Used
                        }
                    }
                };
            }
        }
        found
    }

    /// The code of a step.
    #[must_use]
    pub fn code_of(&self, step: i64) -> Zeroizing<String> {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        // RFC 4226, section 5.3: the last four bits say where the 31 bits stand.
        let offset = usize::from(tag.as_ref().last().copied().unwrap_or_default() & 0xf);
        let four = tag.as_ref().iter().skip(offset).take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
        let number = (four & 0x7fff_ffff) % 1_000_000;
        Zeroizing::new(format!("{number:0width$}", width = DIGITS))
    }
}

/// The step that a time lies in.
#[must_use]
pub fn step_of(at: Time) -> i64 {
    at.as_seconds().div_euclid(STEP_SECONDS)
}

/// Base32 (RFC 4648, section 6) without padding.
pub(super) fn base32(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().saturating_mul(8).div_ceil(5)));
    let (mut bits, mut held) = (0_u32, 0_u32);
    let mut put = |index: u32| text.extend(usize::try_from(index & 31).ok().and_then(|index| BASE32.get(index)).map(|letter| char::from(*letter)));
    for byte in bytes {
        bits = ((bits << 8) | u32::from(*byte)) & 0xfff;
        held += 8;
        while held >= 5 {
            held -= 5;
            put(bits >> held);
        }
    }
    if held > 0 {
        put(bits << (5 - held));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rfc() -> Secret {
        Secret(Zeroizing::new(b"12345678901234567890".to_vec()))
    }

    /// RFC 4226, appendix D. Reddens when the counter's bytes, the offset or the mask are others.
    #[test]
    fn the_codes_of_a_counter_are_those_of_the_rfc() {
        let expected = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (counter, code) in (0..).zip(expected) {
            assert_eq!(rfc().code_of(counter).as_str(), code, "{counter}");
        }
    }

    /// RFC 6238, appendix B, of whose eight digits the last six are ours. Reddens when the step is another one.
    #[test]
    fn the_codes_of_a_time_are_those_of_the_rfc() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let at = Time::from_seconds(seconds);
            assert_eq!(rfc().code_of(step_of(at)).as_str(), code, "{seconds}");
            assert_eq!(rfc().check(code, at, 0), Code::Right(step_of(at)), "{seconds}");
        }
    }

    /// RFC 4648, section 10. Reddens when the rest of bits is lost or the alphabet is another one.
    #[test]
    fn base32_is_that_of_the_rfc() {
        for (plain, text) in [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB"), ("foobar", "MZXW6YTBOI")] {
            assert_eq!(base32(plain.as_bytes()).as_str(), text, "{plain}");
        }
        assert_eq!(rfc().to_base32().as_str(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(base32(&[0xff; 5]).as_str(), "77777777");
    }

    /// Reddens when more than one step of drift is taken either way, or less.
    #[test]
    fn one_step_before_and_one_behind_are_taken_and_no_more() {
        let (secret, step) = (rfc(), 50_000_000);
        let first = Time::from_seconds(step * STEP_SECONDS);
        for (at, found) in [
            (first.minus(std::time::Duration::from_millis(30_001)), Code::Wrong),
            (first.minus(std::time::Duration::from_millis(30_000)), Code::Right(step)),
            (first, Code::Right(step)),
            (Time::from_millis(first.as_millis() + 59_999), Code::Right(step)),
            (Time::from_millis(first.as_millis() + 60_000), Code::Wrong),
        ] {
            assert_eq!(secret.check(&secret.code_of(step), at, 0), found, "{at}");
        }
    }

    /// Reddens when a used step is taken again, or one before it.
    #[test]
    fn a_step_that_was_used_is_used_up_with_those_before_it() {
        let (secret, step) = (rfc(), 50_000_000);
        let now = Time::from_seconds(step * STEP_SECONDS);
        for (of, last, found) in
            [(step, step, Code::Used), (step - 1, step, Code::Used), (step + 1, step, Code::Right(step + 1)), (step, step - 1, Code::Right(step))]
        {
            assert_eq!(secret.check(&secret.code_of(of), now, last), found, "{of} after {last}");
        }
        for wrong in ["", "12345", "1234567", "abcdef"] {
            assert_eq!(secret.check(wrong, now, 0), Code::Wrong, "{wrong}");
        }
    }
}
