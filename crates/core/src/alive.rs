//! What is alive. One function decides, and every way in calls it.

use crate::Refusal;
use keywright_protocol::Time;
use keywright_store::{keys::CredentialRow, operator_keys::OperatorCredential, sessions::SessionRow};
use std::time::Duration;

/// A session that is not used for this long is over.
pub const SESSION_IDLE: Duration = Duration::from_secs(12 * 60 * 60);

/// Whether a credential authenticates at this moment: secret version active AND key active AND not before <= now < expires AND
/// organization and its root alive AND, for a Personal Access Key, holder enabled and membership alive and such keys taken by the
/// organization and its root. An API Key belongs to its organization; whoever made it is no part of this.
///
/// # Errors
/// The first [`Refusal`] that holds, most final first.
pub fn alive(credential: &CredentialRow, now: Time) -> Result<(), Refusal> {
    if let Some(at) = credential.revoked_at {
        return Err(Refusal::Revoked(at));
    }
    if let Some(at) = credential.version_ended_at.or(credential.version_ends_at.filter(|ends_at| *ends_at <= now)) {
        return Err(Refusal::Replaced(at));
    }
    if credential.expires_at <= now {
        return Err(Refusal::Expired(credential.expires_at));
    }
    if now < credential.not_before {
        return Err(Refusal::NotYetValid(credential.not_before));
    }
    if let Some(at) = credential.suspended_at {
        return Err(Refusal::Suspended(at));
    }
    if let Some(at) = credential.root_dead_at.or(credential.organization_dead_at) {
        return Err(Refusal::OrganizationDead(at));
    }
    if let Some(holder) = &credential.holder {
        if let Some(at) = holder.dead_at {
            return Err(Refusal::HolderDisabled(at));
        }
        if let Some(at) = holder.membership_ended_at {
            return Err(Refusal::MembershipEnded(at));
        }
        if let Some(at) = credential.personal_keys_off_at {
            return Err(Refusal::PersonalKeysOff(at));
        }
    }
    Ok(())
}

/// The same for an operator key, which belongs to no organization and to nobody: secret version active AND key active AND
/// not before <= now < expires.
///
/// # Errors
/// The first [`Refusal`] that holds, most final first.
pub fn alive_operator(OperatorCredential { key, version }: &OperatorCredential, now: Time) -> Result<(), Refusal> {
    if let Some(at) = key.revoked_at {
        return Err(Refusal::OperatorKeyRevoked(at));
    }
    if let Some(at) = version.ended_at.or(version.ends_at.filter(|ends_at| *ends_at <= now)) {
        return Err(Refusal::Replaced(at));
    }
    if key.expires_at <= now {
        return Err(Refusal::OperatorKeyExpired(key.expires_at));
    }
    if now < key.not_before {
        return Err(Refusal::NotYetValid(key.not_before));
    }
    Ok(())
}

/// The same for the session of a person who has signed in: not ended AND younger than 30 days AND used within 12 hours AND its user
/// enabled. What he may do where is asked besides, of his memberships.
///
/// # Errors
/// The first [`Refusal`] that holds, most final first.
pub fn alive_session(session: &SessionRow, now: Time) -> Result<(), Refusal> {
    if let Some(at) = session.user_dead_at {
        return Err(Refusal::UserDisabled(at));
    }
    if let Some(at) = session.ended_at {
        return Err(Refusal::SessionEnded(at));
    }
    let ends_at = session_ends_at(session);
    if ends_at <= now { Err(Refusal::SessionEnded(ends_at)) } else { Ok(()) }
}

/// When a session ends by itself, if it is not used again.
#[must_use]
pub fn session_ends_at(session: &SessionRow) -> Time {
    session.expires_at.min(session.used_at.plus(SESSION_IDLE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keywright_protocol::{KeyKind, Position};
    use keywright_store::{keys::Holder, managed_keys::VersionRow, operator_keys::OperatorKeyRow};
    use uuid::Uuid;

    const NOW: Time = Time::from_seconds(1_000);
    const THEN: Option<Time> = Some(Time::from_seconds(500));

    fn live() -> CredentialRow {
        CredentialRow {
            position: Position { history: 1, n: 1 },
            key_id: Uuid::from_u128(1).into(),
            kind: KeyKind::PersonalAccessKey,
            organization_id: Uuid::from_u128(2).into(),
            root_id: Uuid::from_u128(2).into(),
            name: "laptop".into(),
            names: vec!["laptop".into()],
            key_email: None,
            not_before: Time::from_seconds(0),
            expires_at: Time::from_seconds(2_000),
            suspended_at: None,
            revoked_at: None,
            allowed_addresses: String::new(),
            version: 1,
            digest: Vec::new(),
            tag: Vec::new(),
            version_ends_at: None,
            version_ended_at: None,
            organization_dead_at: None,
            root_dead_at: None,
            personal_keys_off_at: None,
            policy_addresses: Default::default(),
            introspects: false,
            holder: Some(Holder {
                user_id: Uuid::from_u128(3).into(),
                email: "a@example.com".into(),
                name: "A".into(),
                dead_at: None,
                membership_ended_at: None,
            }),
            target: None,
        }
    }

    /// A conjunct's name, the change that makes it false, and the code that must come.
    type Conjunct = (&'static str, fn(&mut CredentialRow), &'static str);

    #[test]
    fn the_truth_table() {
        assert_eq!(alive(&live(), NOW), Ok(()));
        // Each line makes one conjunct false; leaving that conjunct out of `alive` reddens its line.
        let dead: [Conjunct; 11] = [
            ("revoked", |row| row.revoked_at = THEN, "key_revoked"),
            ("version ended", |row| row.version_ended_at = THEN, "key_secret_replaced"),
            ("overlap over", |row| row.version_ends_at = Some(NOW), "key_secret_replaced"),
            ("expired now", |row| row.expires_at = NOW, "key_expired"),
            ("not yet", |row| row.not_before = Time::from_millis(NOW.as_millis() + 1), "key_not_yet_valid"),
            ("suspended", |row| row.suspended_at = THEN, "key_suspended"),
            ("organization", |row| row.organization_dead_at = THEN, "organization_disabled"),
            ("root", |row| row.root_dead_at = THEN, "organization_disabled"),
            ("holder", |row| row.holder.as_mut().unwrap().dead_at = THEN, "holder_disabled"),
            ("membership", |row| row.holder.as_mut().unwrap().membership_ended_at = THEN, "membership_ended"),
            ("both times", |row| (row.not_before, row.expires_at) = (NOW, NOW), "key_expired"),
        ];
        for (name, kill, code) in dead {
            let mut row = live();
            kill(&mut row);
            assert_eq!(alive(&row, NOW).unwrap_err().code(), code, "{name}");
        }
    }

    fn live_operator() -> OperatorCredential {
        let key = OperatorKeyRow {
            id: Uuid::from_u128(1).into(),
            name: "backend".into(),
            scopes: "keys".into(),
            allowed_addresses: String::new(),
            created_at: Time::from_seconds(0),
            created_by: "host".into(),
            not_before: NOW,
            expires_at: Time::from_millis(NOW.as_millis() + 1),
            revoked_at: None,
        };
        OperatorCredential { key, version: VersionRow { version: 1, digest: Vec::new(), tag: Vec::new(), ends_at: None, ended_at: None } }
    }

    /// A conjunct of an operator key's life, as above.
    type OperatorConjunct = (&'static str, fn(&mut OperatorCredential), &'static str);

    #[test]
    fn the_truth_table_of_operator_keys() {
        assert_eq!(alive_operator(&live_operator(), NOW), Ok(()), "in its only millisecond");
        // Each line makes one conjunct false; leaving that conjunct out of `alive_operator` reddens its line.
        let dead: [OperatorConjunct; 5] = [
            ("revoked", |row| row.key.revoked_at = THEN, "key_revoked"),
            ("version ended", |row| row.version.ended_at = THEN, "key_secret_replaced"),
            ("overlap over", |row| row.version.ends_at = Some(NOW), "key_secret_replaced"),
            ("expired now", |row| row.key.expires_at = NOW, "key_expired"),
            ("not yet", |row| row.key.not_before = Time::from_millis(NOW.as_millis() + 1), "key_not_yet_valid"),
        ];
        for (name, kill, code) in dead {
            let mut row = live_operator();
            kill(&mut row);
            assert_eq!(alive_operator(&row, NOW).unwrap_err().code(), code, "{name}");
        }
    }

    fn live_session() -> SessionRow {
        SessionRow {
            id: Uuid::from_u128(1).into(),
            user_id: Uuid::from_u128(3).into(),
            email: "a@example.com".into(),
            name: "A".into(),
            user_dead_at: None,
            organization_id: None,
            created_at: Time::from_seconds(0),
            confirmed_at: Time::from_seconds(0),
            used_at: NOW,
            expires_at: Time::from_seconds(2_000),
            ended_at: None,
            address: String::new(),
            user_agent: String::new(),
        }
    }

    /// A conjunct of a session's life, as above.
    type SessionConjunct = (&'static str, fn(&mut SessionRow), &'static str);

    #[test]
    fn the_truth_table_of_sessions() {
        assert_eq!(alive_session(&live_session(), NOW), Ok(()));
        let long_ago = |millis: i64| Time::from_millis(NOW.as_millis() - 12 * 60 * 60 * 1000 + millis);
        // Each line makes one conjunct false; leaving that conjunct out of `alive_session` reddens its line.
        let dead: [SessionConjunct; 4] = [
            ("ended", |row| row.ended_at = THEN, "session_ended"),
            ("too old", |row| row.expires_at = NOW, "session_ended"),
            ("idle", |row| row.used_at = Time::from_millis(NOW.as_millis() - 12 * 60 * 60 * 1000), "session_ended"),
            ("user", |row| row.user_dead_at = THEN, "user_disabled"),
        ];
        for (name, kill, code) in dead {
            let mut row = live_session();
            kill(&mut row);
            assert_eq!(alive_session(&row, NOW).unwrap_err().code(), code, "{name}");
        }
        let edge = SessionRow { used_at: long_ago(1), expires_at: Time::from_millis(NOW.as_millis() + 1), ..live_session() };
        assert_eq!(alive_session(&edge, NOW), Ok(()), "in its last millisecond");
    }

    #[test]
    fn edges_in_time_are_half_open() {
        let mut row = live();
        row.not_before = NOW;
        row.expires_at = Time::from_millis(NOW.as_millis() + 1);
        row.version_ends_at = Some(Time::from_millis(NOW.as_millis() + 1));
        assert_eq!(alive(&row, NOW), Ok(()));
    }
}
