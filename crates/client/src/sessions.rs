//! People who sign in.

use crate::{Authorized, Client, ClientError, client::Repeat};
use keywright_protocol::{
    OrganizationId,
    auth::TokenResponse,
    sessions::{ConfirmBody, SessionBody, SessionSecretBody, SessionTokenBody, SignInBody, SwitchBody},
};
use reqwest::Method;
use zeroize::Zeroizing;

const SESSIONS: &str = "/auth/v1/sessions";
const CURRENT: &str = "/auth/v1/sessions/current";

/// Who signs in.
pub struct SignIn<'a> {
    /// His address.
    pub email: &'a str,
    /// His password.
    pub password: &'a str,
    /// Where he works; `None` for the first of his organizations.
    pub organization: Option<OrganizationId>,
    /// A password to have from now on: for a one-time password. Ends his other sessions.
    pub new_password: Option<&'a str>,
    /// A code of his second factor, or a recovery code.
    pub code: Option<&'a str>,
}

impl Client {
    /// Signs a person in; the session is fresh for five minutes. Never sent again by itself.
    ///
    /// # Errors
    /// [`ClientError`]: 401 `invalid_credentials`, also for an address that is not known, `second_factor_required` and `wrong_second_factor`; 403 for
    /// a one-time password without another one.
    pub async fn sign_in(&self, who: SignIn<'_>) -> Result<SessionSecretBody, ClientError> {
        let body = SignInBody {
            email: who.email.to_owned(),
            password: Zeroizing::new(who.password.to_owned()),
            organization_id: who.organization.map(|id| id.to_string()),
            new_password: who.new_password.map(|new| Zeroizing::new(new.to_owned())),
            code: who.code.map(|code| Zeroizing::new(code.to_owned())),
        };
        self.call(self.request(Method::POST, SESSIONS, &[]).json(&body), Repeat::Never).await
    }
}

/// What one does with one's session. An access token opens none of these.
impl Authorized {
    /// The session, and whose it is.
    ///
    /// # Errors
    /// [`ClientError`]: 401 when it has ended.
    pub async fn session(&self) -> Result<SessionBody, ClientError> {
        self.get(CURRENT, &[]).await
    }

    /// Makes the session fresh by its password. It goes on under the secret that is answered; this one opens nothing any more. Never sent
    /// again by itself.
    ///
    /// # Errors
    /// [`ClientError`]: 401 for a wrong password.
    pub async fn confirm(&self, password: &str) -> Result<SessionSecretBody, ClientError> {
        let body = ConfirmBody { password: Zeroizing::new(password.to_owned()) };
        let request = self.request(Method::POST, &format!("{CURRENT}/confirm"), &[]).json(&body);
        self.client().call(request, Repeat::Never).await
    }

    /// Goes on in another organization.
    ///
    /// # Errors
    /// [`ClientError`]: 404 for one that is not his.
    pub async fn switch_organization(&self, organization: OrganizationId) -> Result<SessionBody, ClientError> {
        let body = SwitchBody { organization_id: organization.to_string() };
        self.client().call(self.request(Method::PATCH, CURRENT, &[]).json(&body), Repeat::Once).await
    }

    /// An access token for five minutes, for the session's organization and an API (`None`: the default one).
    ///
    /// # Errors
    /// [`ClientError`]: 409 for a session that is in no organization.
    pub async fn session_token(&self, resource: Option<&str>) -> Result<TokenResponse, ClientError> {
        let body = SessionTokenBody { resource: resource.map(str::to_owned) };
        self.client().call(self.request(Method::POST, &format!("{CURRENT}/token"), &[]).json(&body), Repeat::Once).await
    }

    /// Ends the session.
    ///
    /// # Errors
    /// [`ClientError`]: 401 when it has ended already.
    pub async fn sign_out(&self) -> Result<(), ClientError> {
        self.client().call_unread(self.request(Method::DELETE, CURRENT, &[]), Repeat::Once).await
    }
}
