//! Organizations, members, invitations, and who asks.

use crate::{Authorized, Changed, ClientError, Place};
use keywright_protocol::{
    OrganizationId, Position, UserId,
    identity::{InvitationItem, MeBody, NewInvitation, OrganizationAndRoles, OrganizationDetail, OrganizationPage, Roles, UserEmail, UserItem, UserRoles},
    sessions::SentenceBody,
    status::receipt::SignedReceipt,
};
use reqwest::Method;

const ORGANIZATIONS: &str = "/identity/v1/organizations";

impl Authorized {
    /// Who holds the credential and what he may do, as of now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn me(&self) -> Result<MeBody, ClientError> {
        self.get("/identity/v1/me", &[]).await
    }

    /// A page of the organizations that the credential reaches, counted from 1; `search` is a part of the name, or empty.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn organizations(&self, search: &str, page: u32) -> Result<OrganizationPage, ClientError> {
        self.get(ORGANIZATIONS, &[("search", search), ("page", &page.to_string())]).await
    }

    /// One organization.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn organization(&self, place: impl Into<Place>) -> Result<OrganizationDetail, ClientError> {
        self.get(&format!("{ORGANIZATIONS}/{}", place.into()), &[]).await
    }

    /// All members of an organization: direct ones, then those who are members of its root alone.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn members(&self, place: impl Into<Place>) -> Result<Vec<UserItem>, ClientError> {
        self.get(&format!("{ORGANIZATIONS}/{}/users", place.into()), &[]).await
    }

    /// A member's roles.
    ///
    /// # Errors
    /// [`ClientError`]: 400 `inherited_member` for who has none of his own here.
    pub async fn member_roles(&self, place: impl Into<Place>, user: UserId) -> Result<UserRoles, ClientError> {
        self.get(&roles(place.into(), user), &[]).await
    }

    /// Gives a member these roles and no others.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn set_member_roles(&self, place: impl Into<Place>, user: UserId, keys: Vec<String>) -> Result<Changed<Roles>, ClientError> {
        self.change(Method::PUT, &roles(place.into(), user), &[], Some(&Roles { roles: keys })).await
    }

    /// Gives a member these roles besides.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn add_member_roles(&self, place: impl Into<Place>, user: UserId, keys: Vec<String>) -> Result<Changed<Roles>, ClientError> {
        self.change(Method::POST, &roles(place.into(), user), &[], Some(&Roles { roles: keys })).await
    }

    /// Takes these roles from a member. With none nothing is asked for: to take all, set none.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn remove_member_roles(&self, place: impl Into<Place>, user: UserId, keys: Vec<String>) -> Result<Changed<Roles>, ClientError> {
        self.change(Method::DELETE, &roles(place.into(), user), &[], Some(&Roles { roles: keys })).await
    }

    /// Ends somebody's direct membership; his keys there die.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn remove_member(&self, place: impl Into<Place>, user: UserId) -> Result<Changed<SentenceBody>, ClientError> {
        let query = [("action", "remove"), ("userId", &user.to_string())];
        self.change(Method::DELETE, &format!("{ORGANIZATIONS}/{}", place.into()), &query, None::<&()>).await
    }

    /// Invites somebody into an organization with these roles; the mail goes out by itself.
    ///
    /// # Errors
    /// [`ClientError`]: 409 for who is a member already.
    pub async fn invite(&self, organization: OrganizationId, email: &str, keys: Vec<String>) -> Result<Changed<SentenceBody>, ClientError> {
        let body =
            NewInvitation { user_email: email.to_owned(), organizations_and_roles: vec![OrganizationAndRoles { organization_id: organization, roles: keys }] };
        let query = [("action", "invite"), ("organizationId", &organization.to_string())];
        self.change(Method::PATCH, "/identity/v1/users", &query, Some(&body)).await
    }

    /// Pending invitations.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn invitations(&self, place: impl Into<Place>) -> Result<Vec<InvitationItem>, ClientError> {
        self.get(&format!("{ORGANIZATIONS}/{}/invitations", place.into()), &[]).await
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn revoke_invitation(&self, place: impl Into<Place>, email: &str) -> Result<Changed<SentenceBody>, ClientError> {
        let body = UserEmail { user_email: email.to_owned() };
        self.change(Method::DELETE, &format!("{ORGANIZATIONS}/{}/invitations", place.into()), &[], Some(&body)).await
    }

    /// Who has heard of a change that took something away, by the `Keywright-Revision` of its answer.
    ///
    /// # Errors
    /// [`ClientError`]: 404 for one that is no business of the credential's.
    pub async fn receipt(&self, revision: Position) -> Result<SignedReceipt, ClientError> {
        self.get(&format!("/identity/v1/revocations/{revision}"), &[]).await
    }
}

fn roles(place: Place, user: UserId) -> String {
    format!("{ORGANIZATIONS}/{place}/users/{user}/roles")
}
