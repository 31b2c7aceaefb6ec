//! From long-lived keys to access tokens.

use crate::{Client, ClientError, client::Repeat};
use keywright_protocol::{OrganizationId, auth::TokenResponse, paths};
use reqwest::Method;

impl Client {
    /// Exchanges a Personal Access Key, for its own organization or for a sub-organization of it.
    ///
    /// # Errors
    /// [`ClientError`]: 401 with a code such as `key_expired` for a key that does not authenticate, 403 where it may do nothing.
    pub async fn exchange_personal_access_key(&self, key: &str, organization: Option<OrganizationId>) -> Result<TokenResponse, ClientError> {
        self.exchange(paths::TOKEN_V3, &[("personalAccessKey", key)], ("subOrganization", organization)).await
    }

    /// Exchanges an API Key by its name and its secret, for its own organization or for one that its roles cover.
    ///
    /// # Errors
    /// As [`Client::exchange_personal_access_key`].
    pub async fn exchange_api_key(&self, name: &str, secret: &str, organization: Option<OrganizationId>) -> Result<TokenResponse, ClientError> {
        self.exchange(paths::API_KEY_TOKEN, &[("name", name), ("secret", secret)], ("organizationId", organization)).await
    }

    async fn exchange(
        &self,
        path: &str,
        credential: &[(&str, &str)],
        (field, organization): (&str, Option<OrganizationId>),
    ) -> Result<TokenResponse, ClientError> {
        let organization = organization.map(|id| id.to_string());
        let mut form = credential.to_vec();
        form.extend(organization.as_deref().map(|id| (field, id)));
        self.call(self.request(Method::POST, path, &[]).form(&form), Repeat::Once).await
    }
}
