//! How the actions of the log of changes are called in what webhooks get: `Module|Event`.

use crate::{Error, log::Action};

/// A trial of a webhook, which is in no log.
pub const PING: &str = "Webhook|Ping";

/// How an action is called.
#[must_use]
pub const fn name_of(action: Action) -> &'static str {
    match action {
        Action::OrganizationCreate => "Organization|Create",
        Action::OrganizationUpdate => "Organization|Update",
        Action::OrganizationSuspend => "Organization|Suspend",
        Action::OrganizationResume => "Organization|Resume",
        Action::OrganizationDelete => "Organization|Delete",
        Action::PolicyUpdate => "Policy|Update",
        Action::RevokeAll => "Policy|RevokeAll",
        Action::InviteCreate => "Invite|Create",
        Action::InviteReInvite => "Invite|ReInvite",
        Action::InviteDelete => "Invite|Delete",
        Action::InviteAccept => "Invite|Accept",
        Action::MemberAssign => "Member|Assign",
        Action::MemberRemove => "Member|Remove",
        Action::MemberLeave => "Member|Leave",
        Action::MemberRoleUpdate => "Member|RoleUpdate",
        Action::RoleCreate => "Role|Create",
        Action::RoleUpdate => "Role|Update",
        Action::RoleDelete => "Role|Delete",
        Action::PatCreate => "PersonalAccessKey|Create",
        Action::PatRevoke => "PersonalAccessKey|Revoke",
        Action::PatRename => "PersonalAccessKey|Rename",
        Action::ApiKeyCreate => "ApiKey|Create",
        Action::ApiKeyUpdate => "ApiKey|Update",
        Action::ApiKeyRotate => "ApiKey|Rotate",
        Action::ApiKeySuspend => "ApiKey|Suspend",
        Action::ApiKeyResume => "ApiKey|Resume",
        Action::ApiKeyRevoke => "ApiKey|Revoke",
        Action::OperatorKeyCreate => "OperatorKey|Create",
        Action::OperatorKeyRotate => "OperatorKey|Rotate",
        Action::OperatorKeyRevoke => "OperatorKey|Revoke",
        Action::UserCreate => "User|Create",
        Action::UserDisable => "User|Disable",
        Action::UserEnable => "User|Enable",
        Action::WebhookCreate => "Webhook|Create",
        Action::WebhookUpdate => "Webhook|Update",
        Action::WebhookRotate => "Webhook|Rotate",
        Action::WebhookDelete => "Webhook|Delete",
        Action::CatalogApply => "Catalog|Apply",
        Action::SigningKeyRotate => "SigningKey|Rotate",
        Action::SigningKeyRevoke => "SigningKey|Revoke",
        Action::Login => "Session|Login",
        Action::Logout => "Session|Logout",
        Action::SwitchOrganization => "Session|SwitchOrganization",
        Action::PasswordChange => "Session|PasswordChange",
        Action::SecondFactorEnable => "SecondFactor|Enable",
        Action::SecondFactorDisable => "SecondFactor|Disable",
        Action::SecondFactorReset => "SecondFactor|Reset",
        Action::RecoveryCodesCreate => "RecoveryCodes|Create",
        Action::RecoveryCodeUse => "RecoveryCodes|Use",
        Action::TokenExchange => "Token|Exchange",
        Action::KeyCheck => "Key|Check",
        Action::TokenRevoke => "Token|Revoke",
        Action::LogGap => "Log|Gap",
        Action::LogPrune => "Log|Prune",
        Action::Restore => "Installation|Restore",
        Action::Move => "Installation|Move",
    }
}

/// Whether an action happens in an organization and stands in the log of changes, so that a webhook can hear of it.
#[must_use]
pub const fn is_heard(action: Action) -> bool {
    match action {
        // What concerns the installation as a whole, and what is in the log of access.
        Action::OperatorKeyCreate
        | Action::OperatorKeyRotate
        | Action::OperatorKeyRevoke
        | Action::UserCreate
        | Action::UserDisable
        | Action::UserEnable
        | Action::SecondFactorReset
        | Action::CatalogApply
        | Action::SigningKeyRotate
        | Action::SigningKeyRevoke
        | Action::TokenExchange
        | Action::KeyCheck
        | Action::LogGap
        | Action::Restore
        | Action::Move => false,
        Action::OrganizationCreate
        | Action::OrganizationUpdate
        | Action::OrganizationSuspend
        | Action::OrganizationResume
        | Action::OrganizationDelete
        | Action::PolicyUpdate
        | Action::RevokeAll
        | Action::InviteCreate
        | Action::InviteReInvite
        | Action::InviteDelete
        | Action::InviteAccept
        | Action::MemberAssign
        | Action::MemberRemove
        | Action::MemberLeave
        | Action::MemberRoleUpdate
        | Action::RoleCreate
        | Action::RoleUpdate
        | Action::RoleDelete
        | Action::PatCreate
        | Action::PatRevoke
        | Action::PatRename
        | Action::ApiKeyCreate
        | Action::ApiKeyUpdate
        | Action::ApiKeyRotate
        | Action::ApiKeySuspend
        | Action::ApiKeyResume
        | Action::ApiKeyRevoke
        | Action::WebhookCreate
        | Action::WebhookUpdate
        | Action::WebhookRotate
        | Action::WebhookDelete
        | Action::Login
        | Action::Logout
        | Action::SwitchOrganization
        | Action::PasswordChange
        | Action::SecondFactorEnable
        | Action::SecondFactorDisable
        | Action::RecoveryCodesCreate
        | Action::RecoveryCodeUse
        | Action::TokenRevoke
        | Action::LogPrune => true,
    }
}

/// Which actions a webhook hears of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard(Vec<&'static str>);

impl Heard {
    /// These; none for all.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that is no action's.
    pub fn parse(names: &[String]) -> Result<Self, Error> {
        let unknown = |name: &String| {
            let known: Vec<&str> = Action::ALL.into_iter().filter(|action| is_heard(*action)).map(name_of).collect();
            let shown: String = name.chars().filter(|character| !character.is_control()).take(64).collect();
            Error::Invalid { field: "actions", reason: format!("there is no `{shown}` to hear of; there are: {}; an empty list is for all", known.join(", ")) }
        };
        let find = |name: &String| Self::find(name).ok_or_else(|| unknown(name));
        let mut found = names.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        found.sort_unstable();
        found.dedup();
        Ok(Self(found))
    }

    /// As they are stored. Of what another release wrote, those that this one knows.
    pub(crate) fn stored(text: &str) -> Self {
        Self(text.split_whitespace().filter_map(Self::find).collect())
    }

    fn find(name: &str) -> Option<&'static str> {
        Action::ALL.into_iter().filter(|action| is_heard(*action)).map(name_of).find(|known| *known == name)
    }

    /// As they are stored.
    pub(crate) fn to_stored(&self) -> String {
        self.0.join(" ")
    }

    /// Their names; none for all.
    #[must_use]
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }
}

/// Whether an action is among those that a row names.
pub(crate) fn names(stored: &str, name: &str) -> bool {
    stored.is_empty() || stored.split(' ').any(|known| known == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Reddens when two actions have one name, or a name has another shape.
    #[test]
    fn every_action_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = Action::ALL.into_iter().map(name_of).chain([PING]).collect();
        assert_eq!(names.len(), Action::ALL.len() + 1);
        for name in names {
            let (module, event) = name.split_once('|').unwrap();
            assert!([module, event].iter().all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphabetic())), "{name}");
        }
    }

    #[test]
    fn what_is_heard_is_read_and_compared() {
        let heard = |names: &[&str]| Heard::parse(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let (all, one, two) = (heard(&[]).unwrap(), heard(&["ApiKey|Create"]).unwrap(), heard(&["Member|Assign", "ApiKey|Create", "ApiKey|Create"]).unwrap());
        assert_eq!(two.names(), ["ApiKey|Create", "Member|Assign"]);
        for known in [&all, &one, &two] {
            assert_eq!(&Heard::stored(&known.to_stored()), known);
        }
        for bad in ["", "apikey|create", "ApiKey Create", "ApiKey|Create ", "Token|Exchange", "Webhook|Ping", "a\u{7}|b"] {
            let told = heard(&[bad]).unwrap_err().to_string();
            assert!(told.contains("there are: Organization|Create") && !told.contains('\u{7}'), "{bad}: {told}");
        }
        assert!(names("", "Log|Prune") && names("A|B Log|Prune", "Log|Prune") && !names("A|B Log|Prune", "Log|Pru"));
    }
}
