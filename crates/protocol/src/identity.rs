//! Bodies of the identity API: organizations, members, invitations, and who asks.

use crate::{
    ids::{OrganizationId, UserId},
    time::Time,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// An organization in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrganizationItem {
    /// Its id.
    pub id: OrganizationId,
    /// Its name.
    pub name: String,
    /// A name in other systems; there is none yet.
    pub given_id: Option<String>,
    /// Whether its members sign in elsewhere; not yet.
    pub sso_enabled: bool,
    /// Whether it is suspended.
    pub disabled: bool,
    /// The root it hangs under; null for a root.
    pub root_organization_id: Option<OrganizationId>,
    /// That root's name.
    pub root_organization_name: Option<String>,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_date: Time,
}

/// One organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrganizationDetail {
    /// What a list says of it.
    #[serde(flatten)]
    pub item: OrganizationItem,
    /// How many direct members it has.
    pub member_count: i64,
    /// Where its logo is; there is none yet.
    pub logo_url: Option<String>,
}

/// A page of organizations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrganizationPage {
    /// The organizations.
    pub data: Vec<OrganizationItem>,
    /// Which page, from 1.
    pub page: usize,
    /// How many a page.
    pub per_page: usize,
    /// How many there are in all.
    pub total: usize,
}

/// A member in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserItem {
    /// His id.
    pub id: UserId,
    /// His address.
    pub username: String,
    /// His address.
    pub email: String,
    /// His name.
    pub full_name: String,
}

/// A member's roles in one organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserRoles {
    /// His own there.
    pub roles: Vec<String>,
    /// Those of the root, for a sub-organization.
    pub inherited_roles: Vec<String>,
    /// Whether he is a direct member of a sub-organization.
    pub is_sub_organization_member: bool,
}

/// Roles, as they are given and echoed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Roles {
    /// Role keys, as in `/roles.json`.
    pub roles: Vec<String>,
}

/// Roles in one organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrganizationAndRoles {
    /// Where.
    pub organization_id: OrganizationId,
    /// Role keys, as in `/roles.json`.
    pub roles: Vec<String>,
}

/// Somebody to invite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NewInvitation {
    /// His address.
    pub user_email: String,
    /// What he gets where. Absent: a membership without roles in the organization of the query.
    #[serde(default)]
    pub organizations_and_roles: Vec<OrganizationAndRoles>,
}

/// Whose invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserEmail {
    /// His address.
    pub user_email: String,
}

/// A pending invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct InvitationItem {
    /// Who is invited.
    pub user_email: String,
    /// The root it is to.
    pub root_organization_id: OrganizationId,
    /// `Pending`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub status: Cow<'static, str>,
    /// What it brings.
    pub organizations_and_roles: Vec<OrganizationAndRoles>,
    /// Who sent it last: `user`, `key` or `host`, with an id.
    pub invited_by: String,
    /// When its link stops working.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: Time,
}

/// Who holds the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MeBody {
    /// `person` or `api-key`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub kind: Cow<'static, str>,
    /// The user's or the API Key's id.
    pub id: String,
    /// His address, or the generated one of an API Key.
    pub email: String,
    /// His name.
    pub name: String,
    /// The organization that the token is for.
    pub organization: OrganizationItem,
    /// The roles that hold there now.
    pub roles: Vec<String>,
    /// Ids of what he may do there now, as far as the token carries it.
    pub permissions: Vec<String>,
}
