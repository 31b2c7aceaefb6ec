//! Bodies of the identity API. What clients send is read with all of its tolerances; unknown members are ignored, except where
//! a body is our own.

use keywright_core::{
    acceptance::Offer,
    explain::{Explanation, Kind, Me},
    invitations::Invitation,
    members::Member,
    organizations::Organization,
};
use keywright_protocol::{OrganizationId, Time, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An organization in a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrganizationItem {
    /// Its id.
    id: OrganizationId,
    /// Its name.
    name: String,
    /// A name in other systems; there is none yet.
    given_id: Option<String>,
    /// Whether its members sign in elsewhere; not yet.
    sso_enabled: bool,
    /// Whether it is suspended.
    disabled: bool,
    /// The root it hangs under; null for a root.
    root_organization_id: Option<OrganizationId>,
    /// That root's name.
    root_organization_name: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_date: Time,
}

impl From<Organization> for OrganizationItem {
    fn from(Organization { row, root_name }: Organization) -> Self {
        Self {
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
}

/// One organization.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrganizationDetail {
    /// What a list says of it.
    #[serde(flatten)]
    item: OrganizationItem,
    /// How many direct members it has.
    member_count: i64,
    /// Where its logo is; there is none yet.
    logo_url: Option<String>,
}

impl OrganizationDetail {
    pub(crate) fn new(organization: Organization, member_count: i64) -> Self {
        Self { item: organization.into(), member_count, logo_url: None }
    }
}

/// A page of organizations.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrganizationPage {
    /// The organizations.
    pub(crate) data: Vec<OrganizationItem>,
    /// Which page, from 1.
    pub(crate) page: usize,
    /// How many a page.
    pub(crate) per_page: usize,
    /// How many there are in all.
    pub(crate) total: usize,
}

/// A sub-organization to make.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewSubOrganization {
    /// Its name, unique among its siblings.
    pub(crate) name: String,
}

/// A member in a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserItem {
    /// His id.
    id: UserId,
    /// His address.
    username: String,
    /// His address.
    email: String,
    /// His name.
    full_name: String,
}

impl From<Member> for UserItem {
    fn from(Member { user, .. }: Member) -> Self {
        Self { id: user.id, username: user.email.clone(), email: user.email, full_name: user.name }
    }
}

/// A member's roles in one organization.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserRoles {
    /// His own there.
    roles: Vec<String>,
    /// Those of the root, for a sub-organization.
    inherited_roles: Vec<String>,
    /// Whether he is a direct member of a sub-organization.
    is_sub_organization_member: bool,
}

impl UserRoles {
    /// Of a member; in a root nobody is a member of a sub-organization.
    pub(crate) fn new(member: Member, place: Place) -> Self {
        let is_sub_organization_member = place == Place::SubOrganization && member.own.is_some();
        Self { roles: member.own.unwrap_or_default(), inherited_roles: member.inherited.unwrap_or_default(), is_sub_organization_member }
    }
}

/// On which of the two levels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Root,
    SubOrganization,
}

/// Roles, as they are given and echoed.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Roles {
    /// Role keys, as in `/roles.json`.
    pub(crate) roles: Vec<String>,
}

/// Roles in one organization.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrganizationAndRoles {
    /// Where.
    pub(crate) organization_id: OrganizationId,
    /// Role keys, as in `/roles.json`.
    pub(crate) roles: Vec<String>,
}

/// Somebody to invite.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewInvitation {
    /// His address.
    pub(crate) user_email: String,
    /// What he gets where. Absent: a membership without roles in the organization of the query.
    #[serde(default)]
    pub(crate) organizations_and_roles: Vec<OrganizationAndRoles>,
}

/// Whose invitation.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserEmail {
    /// His address.
    pub(crate) user_email: String,
}

/// A pending invitation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InvitationItem {
    /// Who is invited.
    user_email: String,
    /// The root it is to.
    root_organization_id: OrganizationId,
    /// `Pending`.
    status: &'static str,
    /// What it brings.
    organizations_and_roles: Vec<OrganizationAndRoles>,
    /// Who sent it last: `user`, `key` or `host`, with an id.
    invited_by: String,
    /// When its link stops working.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
}

impl From<Invitation> for InvitationItem {
    fn from(Invitation { row, grants }: Invitation) -> Self {
        let grants = grants.into_iter().map(|grant| OrganizationAndRoles { organization_id: grant.organization_id, roles: grant.roles });
        Self {
            user_email: row.email,
            root_organization_id: row.root_id,
            status: "Pending",
            organizations_and_roles: grants.collect(),
            invited_by: row.created_by,
            expires_at: row.expires_at,
        }
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
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MeBody {
    /// `person` or `api-key`.
    kind: &'static str,
    /// The user's or the API Key's id.
    id: String,
    /// His address, or the generated one of an API Key.
    email: String,
    /// His name.
    name: String,
    /// The organization that the token is for.
    organization: OrganizationItem,
    /// The roles that hold there now.
    roles: Vec<String>,
    /// Ids of what he may do there now, as far as the token carries it.
    permissions: Vec<String>,
}

impl From<Me> for MeBody {
    fn from(me: Me) -> Self {
        let kind = match me.kind {
            Kind::Person => "person",
            Kind::ApiKey => "api-key",
        };
        let (id, organization) = (me.id.hyphenated().to_string(), me.organization.into());
        Self { kind, id, email: me.email, name: me.name, organization, roles: me.roles, permissions: me.permissions }
    }
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
