//! The identity API: organizations, members, roles and invitations, as existing clients call it; and keys.
//!
//! Which answers are bare and which are enveloped, bodies on `DELETE` and `action=` in queries are the contract's. Routes of
//! the contract ignore what they do not know; our own refuse it by name.

pub(crate) mod activity;
pub(crate) mod api_keys;
pub(crate) mod attention;
mod attention_bodies;
mod bodies;
pub(crate) mod brought_in;
pub(crate) mod call;
mod docs;
pub(crate) mod export;
pub(crate) mod installation;
pub(crate) mod invitations;
mod key_bodies;
pub(crate) mod lifecycle;
pub(crate) mod me;
pub(crate) mod members;
mod operator_bodies;
pub(crate) mod operator_keys;
pub(crate) mod organizations;
pub(crate) mod personal_access_keys;
pub(crate) mod policy;
pub(crate) mod provisioning;
pub(crate) mod revocations;
pub(crate) mod revoke_all;
pub(crate) mod roles;
pub(crate) mod usage;
mod usage_bodies;
mod webhook_bodies;
pub(crate) mod webhooks;

use crate::{app::App, limits::tell_people};
use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{delete, get, patch, post},
};
use std::sync::Arc;

/// All routes.
pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let limited = || from_fn_with_state(Arc::clone(app), tell_people);
    let roles = get(members::roles).put(members::replace_roles).post(members::add_roles).delete(members::remove_roles);
    let invitations = get(invitations::list).patch(invitations::re_invite).delete(invitations::revoke);
    Router::new()
        .route("/identity/v1/me", get(me::me))
        .route("/identity/v1/me/explain", get(me::explain))
        .route("/identity/v1/organizations", get(organizations::list).post(provisioning::create_root))
        .route("/identity/v1/organizations/{id}", get(organizations::get).patch(lifecycle::update).delete(lifecycle::remove))
        .route("/identity/v1/organizations/by-external-id/{external_id}", get(provisioning::get_root).put(provisioning::put_root))
        .route("/identity/v1/organizations/{id}/limits", get(provisioning::limits).put(provisioning::set_limits))
        .route("/identity/v1/organizations/{id}/suspend", post(provisioning::suspend))
        .route("/identity/v1/organizations/{id}/resume", post(provisioning::resume))
        .route("/identity/v1/organizations/{id}/sub-organizations", post(organizations::create_sub))
        .route("/identity/v1/organizations/{id}/policy", get(policy::get).put(policy::set))
        .route("/identity/v1/organizations/{id}/revoke-all", post(revoke_all::revoke_all))
        .route("/identity/v1/organizations/{id}/api-keys/{key}/brought-in", get(brought_in::list))
        .route("/identity/v1/organizations/{id}/users", get(members::list))
        .route("/identity/v1/organizations/{id}/users/export", get(export::export))
        .route("/identity/v1/organizations/{id}/users/{user}/roles", roles)
        .route("/identity/v1/organizations/{id}/invitations", invitations)
        .route("/identity/v1/users", patch(invitations::invite).post(provisioning::add_user))
        .route("/identity/v1/users/{user}/disable", post(provisioning::disable_user))
        .route("/identity/v1/users/{user}/enable", post(provisioning::enable_user))
        .route("/identity/v1/operator-keys", get(operator_keys::list).post(operator_keys::create))
        .route("/identity/v1/operator-keys/{id}/rotate", post(operator_keys::rotate))
        .route("/identity/v1/operator-keys/{id}", delete(operator_keys::revoke))
        .route("/identity/v1/invitations/lookup", post(invitations::look_up).layer(limited()))
        .route("/identity/v1/invitations/accept", post(invitations::accept).layer(limited()))
        .route("/identity/v1/revocations/{revision}", get(revocations::get))
        .merge(activity::router())
        .merge(installation::router())
        .merge(attention::router())
        .merge(personal_access_keys::router())
        .merge(api_keys::router())
        .merge(usage::router())
        .merge(roles::router())
        .merge(webhooks::router())
}
