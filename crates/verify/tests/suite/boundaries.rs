//! Row 17: each second of two minutes before and after `exp`, `nbf` and `iat`, for three verifiers.

use crate::world::{NOW, World, claims};
use keywright_protocol::Time;
use keywright_verify::VerifyError;
use serde_json::json;

/// Leeways as configured for `exp` and for `nbf` and `iat`, and what they come to.
const LEEWAYS: [((i64, i64), (i64, i64)); 3] = [((0, 0), (0, 0)), ((30, 30), (30, 30)), ((86_400, -86_400), (30, 0))];
/// So far from the time that is swept over that it does not matter.
const FAR: i64 = 40_000_000;

/// Reddens when a leeway is not clamped or left out, `>=` becomes `>` at `exp` or the other way round at the others, or `iat` is not looked at.
#[test]
fn every_second_around_a_boundary_is_decided_by_one_line() {
    let world = World::new();
    // Each time alone with the others far away, then all three at once.
    let tokens: Vec<[i64; 3]> =
        vec![[NOW, NOW - FAR, NOW - FAR], [NOW + FAR, NOW, NOW - FAR], [NOW + FAR, NOW - FAR, NOW], [NOW + 60, NOW, NOW], [NOW, NOW, NOW - 15]];
    let (mut accepted, mut refused) = (0, 0);
    for [exp, nbf, iat] in tokens {
        let mut payload = claims();
        (payload["exp"], payload["nbf"], payload["iat"]) = (json!(exp), json!(nbf), json!(iat));
        let token = world.ed.token(&payload);
        for ((after, before), (leeway, ahead)) in LEEWAYS {
            for capacity in [0, 100] {
                let verifier = world.verifier_with(|config| {
                    (config.leeway_seconds, config.not_before_leeway_seconds, config.cache_capacity) = (after, before, capacity);
                    config.status = keywright_verify::StatusPolicy::Lenient;
                });
                for now in NOW - 120..=NOW + 120 {
                    let good = now < exp + leeway && nbf <= now + ahead && iat <= now + ahead;
                    for _ in 0..2 {
                        let error = verifier.verify(&token, Time::from_seconds(now)).err();
                        assert_eq!(error.is_none(), good, "leeways {after} and {before}, exp {exp}, nbf {nbf}, iat {iat}, at {now}: {error:?}");
                        assert!(matches!(error, None | Some(VerifyError::Expired | VerifyError::NotYetValid)), "{error:?}");
                        accepted += usize::from(good);
                        refused += usize::from(!good);
                    }
                }
            }
        }
    }
    println!("{accepted} accepted, {refused} refused");
    assert!(accepted > 1000 && refused > 1000, "{accepted} accepted, {refused} refused");
}
