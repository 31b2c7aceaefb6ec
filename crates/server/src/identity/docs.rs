//! What all operations of the identity API answer besides success.

use keywright_protocol::ErrorBody;

/// Refusals of operations that need a token.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "documents answers that are rendered elsewhere")]
pub(super) enum Refusals {
    /// Something in the request cannot be used.
    #[response(status = 400, example = json!({"error": "invalid_request",
        "error_description": "roles: there is no role `manage-moon`; /roles.json lists those that there are, and GET /identity/v1/organizations/{id}/roles the organization's own",
        "message": "roles: there is no role `manage-moon`; /roles.json lists those that there are, and GET /identity/v1/organizations/{id}/roles the organization's own"}))]
    BadRequest(ErrorBody),
    /// No token, not a good one, or its key is dead.
    #[response(status = 401, example = json!({"error": "unauthorized",
        "error_description": "send an access token in the Authorization header; exchange a key for one at https://auth.example.com/auth/v3/token; or sign in with POST /auth/v1/sessions and send the sessionToken that it answers",
        "message": "send an access token in the Authorization header; exchange a key for one at https://auth.example.com/auth/v3/token; or sign in with POST /auth/v1/sessions and send the sessionToken that it answers"}))]
    Unauthorized(ErrorBody),
    /// Not permitted: the permission that is needed and the roles that carry it, or the rule that forbids it.
    #[response(status = 403, example = json!({"error": "insufficient_permission",
        "error_description": "this needs the permission organization.member.view in Acme, where you have view-build; ask one of its Owners for one of these roles: manage-organization, owner, view-organization",
        "message": "this needs the permission organization.member.view in Acme, where you have view-build; ask one of its Owners for one of these roles: manage-organization, owner, view-organization",
        "requiredPermission": "organization.member.view", "rolesWithPermission": ["manage-organization", "owner", "view-organization"]}))]
    Forbidden(ErrorBody),
    /// There is no such thing, or none that is any business of this token's; the two are the same.
    #[response(status = 404, example = json!({"error": "not_found",
        "error_description": "there is no organization with that id", "message": "there is no organization with that id"}))]
    NotFound(ErrorBody),
    /// Something broke here; tell the operator the `X-Request-Id`.
    #[response(status = 500, example = json!({"error": "server_error",
        "error_description": "something went wrong here; if it happens again, tell the operator the X-Request-Id of this answer",
        "message": "something went wrong here; if it happens again, tell the operator the X-Request-Id of this answer"}))]
    Broken(ErrorBody),
    /// It cannot be decided, or cannot be sure, at the moment; or the revision asked for is not reached. Try again.
    #[response(status = 503, example = json!({"error": "temporarily_unavailable",
        "error_description": "the database does not answer at the moment; try again in a second",
        "message": "the database does not answer at the moment; try again in a second"}))]
    Unavailable(ErrorBody),
}

/// What changes answer besides.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "documents answers that are rendered elsewhere")]
pub(super) enum ChangeRefusals {
    /// It contradicts what is there.
    #[response(status = 409, example = json!({"error": "conflict",
        "error_description": "this is the last Owner; make another member Owner first",
        "message": "this is the last Owner; make another member Owner first"}))]
    Conflict(ErrorBody),
    /// The body is longer than 16 KiB.
    #[response(status = 413, example = json!({"error": "request_too_large",
        "error_description": "the body is longer than 16384 bytes, which is the limit here",
        "message": "the body is longer than 16384 bytes, which is the limit here"}))]
    TooLarge(ErrorBody),
}
