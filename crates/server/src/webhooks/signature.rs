//! What a receiver knows this server by: the contract's signature of the body, and the one of Standard Webhooks, which covers id and
//! time as well, so that a replay can be told.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keywright_protocol::secret::WEBHOOK_PREFIX;

/// Lower-case hexadecimal HMAC-SHA256 of the body, under the secret as it is written.
pub(super) fn contract(secret: &str, body: &[u8]) -> String {
    sign(&Key::new(HMAC_SHA256, secret.as_bytes()), body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `v1,` and the base64 of HMAC-SHA256 over id, time in seconds and body, under the bytes that the secret stands for.
pub(super) fn standard(secret: &str, id: &str, seconds: i64, body: &str) -> String {
    let bytes = secret.strip_prefix(WEBHOOK_PREFIX).and_then(|text| STANDARD.decode(text).ok()).unwrap_or_else(|| secret.as_bytes().to_vec());
    let signed = sign(&Key::new(HMAC_SHA256, &bytes), format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(signed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification of Standard Webhooks' own libraries, and RFC 4231's second case.
    #[test]
    fn signatures_are_those_of_others() {
        let signature = standard("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(contract("Jefe", b"what do ya want for nothing?"), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
