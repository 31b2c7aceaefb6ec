//! Bodies of the identity API that no other crate needs, and from what the service knows to the others, which are in
//! `keywright_protocol::identity`. What clients send is read with all of its tolerances; unknown members are ignored, except where a body
//! is our own.

use keywright_core::{
    acceptance::Offer,
    explain::{Explanation, Kind, Me},
    invitations::Invitation,
    members::Member,
    organizations::Organization,
};
use keywright_protocol::{
    Time, UserId,
    identity::{InvitationItem, MeBody, OrganizationAndRoles, OrganizationDetail, OrganizationItem, UserItem, UserRoles},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An organization in a list.
pub(crate) fn organization(Organization { row, root_name }: Organization) -> OrganizationItem {
    OrganizationItem {
        id: row.id,
        root_organization_id: (!row.is_root()).then_some(row.root_id),
        name: row.name,
        given_id: None,
        sso_enabled: false,
        disabled: row.suspended_at.is_some(),
        root_organization_name: root_name,
        created_date: row.created_at,
    }
}

/// One organization.
pub(crate) fn organization_detail(found: Organization, member_count: i64) -> OrganizationDetail {
    OrganizationDetail { item: organization(found), member_count, logo_url: None }
}

/// A sub-organization to make.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewSubOrganization {
    /// Its name, unique among its siblings.
    pub(crate) name: String,
}

/// A member in a list.
pub(crate) fn member(Member { user, .. }: Member) -> UserItem {
    UserItem { id: user.id, username: user.email.clone(), email: user.email, full_name: user.name }
}

/// A member's roles; in a root nobody is a member of a sub-organization.
pub(crate) fn member_roles(member: Member, place: Place) -> UserRoles {
    let is_sub_organization_member = place == Place::SubOrganization && member.own.is_some();
    UserRoles { roles: member.own.unwrap_or_default(), inherited_roles: member.inherited.unwrap_or_default(), is_sub_organization_member }
}

/// On which of the two levels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Root,
    SubOrganization,
}

/// A pending invitation.
pub(crate) fn invitation(Invitation { row, grants }: Invitation) -> InvitationItem {
    let grants = grants.into_iter().map(|grant| OrganizationAndRoles { organization_id: grant.organization_id, roles: grant.roles });
    InvitationItem {
        user_email: row.email,
        root_organization_id: row.root_id,
        status: "Pending".into(),
        organizations_and_roles: grants.collect(),
        invited_by: row.created_by,
        expires_at: row.expires_at,
    }
}

/// The secret of an invitation's link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InvitationToken {
    /// As it stands in the mail.
    pub(crate) token: String,
}

/// What a link offers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InvitationOffer {
    /// Who is invited.
    pub(crate) user_email: String,
    /// Names of the organizations.
    pub(crate) organizations: Vec<String>,
    /// Roles by organization.
    pub(crate) organizations_and_roles: Vec<OrganizationAndRoles>,
    /// When the link stops working.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) expires_at: Time,
    /// Whether the account's password is asked for; otherwise name and password are chosen.
    pub(crate) has_account: bool,
}

impl From<Offer> for InvitationOffer {
    fn from(offer: Offer) -> Self {
        let roles = offer.grants.into_iter().map(|grant| OrganizationAndRoles { organization_id: grant.organization_id, roles: grant.roles });
        Self {
            user_email: offer.email,
            organizations: offer.organizations,
            organizations_and_roles: roles.collect(),
            expires_at: offer.expires_at,
            has_account: offer.has_account,
        }
    }
}

/// How an invitation is accepted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acceptance {
    /// As it stands in the mail.
    pub(crate) token: String,
    /// The name of a new account.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// The account's password, or the one chosen for a new account: at least 12 characters.
    pub(crate) password: String,
}

/// Who became a member.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Accepted {
    /// The user's id.
    pub(crate) user_id: UserId,
}

/// Who holds the token.
pub(crate) fn me(me: Me) -> MeBody {
    let kind = match me.kind {
        Kind::Person => "person",
        Kind::ApiKey => "api-key",
    };
    let (id, organization) = (me.id.hyphenated().to_string(), organization(me.organization));
    MeBody { kind: kind.into(), id, email: me.email, name: me.name, organization, roles: me.roles, permissions: me.permissions }
}

/// Yes or no, and why.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExplanationBody {
    /// Whether the holder of the token has the permission.
    allowed: bool,
    /// The sentence that decided.
    reason: String,
    /// Everything that was asked, in order. It is allowed when every link holds.
    chain: Vec<ChainLink>,
}

/// One link of the chain that decides.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChainLink {
    /// What it is about: `credential`, `roles`, `permission`, `condition`, `audience` or `token`.
    rule: &'static str,
    /// Whether it is met.
    holds: bool,
    /// What was found, as a sentence.
    text: String,
}

impl From<Explanation> for ExplanationBody {
    fn from(Explanation { allowed, reason, chain }: Explanation) -> Self {
        let chain = chain.into_iter().map(|step| ChainLink { rule: step.rule.as_str(), holds: step.holds, text: step.text });
        Self { allowed, reason, chain: chain.collect() }
    }
}

/// Done, and nothing more to say.
#[derive(Serialize, ToSchema)]
pub(crate) struct Done {
    /// A sentence.
    pub(crate) message: &'static str,
}
