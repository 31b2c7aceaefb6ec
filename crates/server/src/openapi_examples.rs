//! Errors as single operations answer them, for the specs: what a reader sees at an operation is what that operation can say.

/// Operations; the status; the code; the sentence.
type Fitting = (&'static [&'static str], &'static str, &'static str, &'static str);

/// Examples in the place of those that all operations of a spec have.
pub(crate) const FITTING: &[Fitting] = &[
    // 400
    (&["acceptInvitation"], "400", BAD, "password: must have at least 12 characters, and 256 bytes at most"),
    (&["lookUpInvitation"], "400", BAD, r#"missing field `token`; send an object such as {"token": "..."}"#),
    (
        &["confirmSecondFactor", "removeSecondFactor", "createRecoveryCodes"],
        "400",
        BAD,
        "code: this code is wrong, or was used already: send the one that your authenticator app shows now, or a recovery code that was not used yet",
    ),
    (&["explainPermission"], "400", BAD, "say which permission is meant, for example ?permission=organization.member.view"),
    (&["createOperatorKey", "updateOrganization", "renamePersonalAccessKey"], "400", BAD, "name: must have 1 to 128 characters, this has 0"),
    (&["rotateOperatorKey"], "400", BAD, "overlapSeconds: must be 2592000 at most, which is 30 days"),
    (&["listOrganizations"], "400", BAD, "page must be a number from 1 to 1000000"),
    (&["listApiKeys", "listPersonalAccessKeys"], "400", BAD, "perPage must be a number from 1 to 200"),
    (&["listMembers"], "400", BAD, "Size must be a number from 1 to 200"),
    (
        &["createOrganization", "putOrganizationByExternalId"],
        "400",
        BAD,
        "externalId: must have 1 to 128 visible ASCII characters, without spaces, and not be dots alone",
    ),
    (&["removeFromOrganization"], "400", BAD, "say what to do with the parameter action; here it is one of: remove, leave, delete"),
    (&["invite"], "400", BAD, "say what to do with the parameter action; here it is one of: invite, re-invite"),
    (&["reInvite"], "400", BAD, "say what to do with the parameter action; here it is one of: re-invite"),
    (&["createSubOrganization"], "400", BAD, "parent: must be a root organization: there are two levels"),
    (
        &["createApiKey"],
        "400",
        BAD,
        r#"grants[0].roles: invalid type: string "view-build", expected a sequence; send an object such as {"name": "nightly", "grants": [{"organizationId": "...", "roles": ["view-build"]}]}"#,
    ),
    (
        &["updateApiKey"],
        "400",
        BAD,
        "allowedAddresses: `203.0.113.7/24` has bits beyond its prefix; write 203.0.113.0/24 for the network, or the address without a prefix",
    ),
    (&["rotateApiKey"], "400", BAD, "expiresAt: this key expired on 2027-05-25T09:00:00.000Z; say until when it is to live"),
    (&["getApiKeyUsage"], "400", BAD, "from: 2184 hours lie between it and until, and 1000 are the most; ask for a shorter time, or by=day"),
    (&["getPersonalAccessKeyUsage"], "400", BAD, "until: must be a time as in RFC 3339, for example 2026-12-31T23:59:59Z"),
    (&["revokeApiKey"], "400", BAD, "undo must be true or false"),
    (&["createPersonalAccessKey"], "400", BAD, "expiresAt: must be in the future"),
    (
        &["createWebhook"],
        "400",
        BAD,
        "url: the host intranet.example.com leads to an address that is not public; name a public one, or ask the operator to allow its network (webhooks.allow_networks)",
    ),
    (&["updateWebhook"], "400", BAD, "url: must not contain a user or a password; the receiver knows this server by the signature"),
    (
        &["listDeliveries"],
        "400",
        BAD,
        "cursor: this is no cursor of this list: send one that the list answered, with the same organization and the same filters, or none to begin",
    ),
    (
        &["createRole", "updateRole"],
        "400",
        BAD,
        "permissions: the catalog has no permission `invoices.reed`; leave it out; /.well-known/keywright-catalog lists those that there are",
    ),
    (&["setPolicy"], "400", BAD, "longestKeyLifeSeconds: must be 3600 at least, which is an hour; null is for no limit of one's own"),
    (
        &["revokeAll"],
        "400",
        BAD,
        r#"since: must be a time as in RFC 3339, for example 2026-12-31T23:59:59Z; send an object such as {} or {"userId": "...", "since": "2026-11-24T09:00:00Z"}"#,
    ),
    (
        &["getLimits", "setLimits"],
        "400",
        BAD,
        "id: limits are those of a whole tree, and this is a sub-organization; ask about its root 6f9619ff-8b86-4011-b42d-00c04fc964ff",
    ),
    (&["getMemberRoles"], "400", "inherited_member", "this user is a member of the root organization alone: he has its roles here, and none of his own"),
    (
        &["replaceMemberRoles", "addMemberRoles", "removeMemberRoles"],
        "400",
        BAD,
        "roles: there is no role `manage-moon`; /roles.json lists those that there are",
    ),
    (&["addUser", "revokeInvitation", "requestPasswordReset"], "400", BAD, "email: must be an address such as owner@example.com, of ASCII characters"),
    (
        &["switchOrganization"],
        "400",
        "organizationId must be a valid GUID",
        "organizationId must be a valid GUID, such as 6f9619ff-8b86-4011-b42d-00c04fc964ff",
    ),
    (&["confirmSession"], "400", BAD, "password: this is not your password; if you have forgotten it, ask for a link at /auth/v1/password-resets"),
    (
        &["resetPassword"],
        "400",
        BAD,
        "token: this link was used already, or is older than an hour, or was never sent; ask for another one at /auth/v1/password-resets",
    ),
    // 404
    (&["endSession"], "404", LOST, "there is no session with that id"),
    (
        &["getApiKey", "updateApiKey", "revokeApiKey", "suspendApiKey", "resumeApiKey", "rotateApiKey", "listBroughtIn", "listApiKeySecrets", "getApiKeyUsage"],
        "404",
        LOST,
        "there is no key with that id",
    ),
    (&["renamePersonalAccessKey", "revokePersonalAccessKey", "getPersonalAccessKeyUsage"], "404", LOST, "there is no key with that id"),
    (&["getWebhook", "updateWebhook", "deleteWebhook", "rotateWebhook", "pingWebhook", "listDeliveries"], "404", LOST, "there is no webhook with that id"),
    (
        &["getRole", "updateRole", "deleteRole"],
        "404",
        LOST,
        "this organization has no role of its own with that key; GET the list of its roles to see which there are",
    ),
    (&["redeliver"], "404", LOST, "there is no delivery with that id"),
    (&["rotateOperatorKey", "revokeOperatorKey"], "404", LOST, "there is no operator key with that id"),
    (&["getMemberRoles", "replaceMemberRoles", "addMemberRoles", "removeMemberRoles"], "404", LOST, "there is no member with that id"),
    (&["disableUser", "enableUser"], "404", LOST, "there is no user with that id"),
    (&["getOrganizationByExternalId"], "404", LOST, "there is no organization with that externalId"),
    (&["reInvite", "revokeInvitation"], "404", LOST, "there is no pending invitation for that address; GET the list of invitations to see which there are"),
    (
        &["lookUpInvitation", "acceptInvitation"],
        "404",
        LOST,
        "this link does not work: it was used, taken back, replaced by a newer one, or is older than a week; ask to be invited again",
    ),
    // 409
    (&["acceptInvitation"], "409", AGAINST, "whoever invited you may not give you these roles any more; ask to be invited again"),
    (
        &["createOrganization", "putOrganizationByExternalId"],
        "409",
        AGAINST,
        "another organization has this externalId, or had it before it was deleted; use another one, or PUT it by that id",
    ),
    (&["createSubOrganization", "updateOrganization"], "409", AGAINST, "a sub-organization of that root has this name already"),
    (&["createApiKey", "updateApiKey"], "409", AGAINST, "an API Key of this organization has that name already"),
    (&["revokeApiKey"], "409", AGAINST, "this key is protected from being revoked; set deleteProtection to false first, or suspend it"),
    (
        &["suspendApiKey", "resumeApiKey", "rotateApiKey", "renamePersonalAccessKey", "rotateOperatorKey"],
        "409",
        AGAINST,
        "this key was revoked on 2026-12-01T09:00:00.000Z, for ever; make a new one",
    ),
    (&["createPersonalAccessKey"], "409", AGAINST, "a member has 25 Personal Access Keys at most; revoke one first"),
    (&["createRole"], "409", AGAINST, "there is, or was, a role `custom:sender` here, and no key is used again; send another slug"),
    (
        &["updateRole"],
        "409",
        AGAINST,
        "a sub-organization has the roles of its root; make, change and delete them in Acme (6f9619ff-8b86-4011-b42d-00c04fc964ff)",
    ),
    (
        &["deleteRole"],
        "409",
        AGAINST,
        "custom:sender is held by 3 memberships, 1 grants of API Keys and 0 pending invitations; take it from them first, or name the role that takes its place: ?replace=ROLE",
    ),
    (&["createWebhook"], "409", AGAINST, "an organization and its sub-organizations have 20 webhooks at most; delete one first"),
    (
        &["updateWebhook", "rotateWebhook"],
        "409",
        AGAINST,
        "this webhook was altered in the database, and nothing is sent to it; delete it and make another one",
    ),
    (&["pingWebhook"], "409", AGAINST, "a trial of this webhook waits to be delivered; GET its deliveries to see why"),
    (&["redeliver"], "409", AGAINST, "this webhook is suspended; resume it first, by PATCH with suspended false"),
    (&["invite"], "409", AGAINST, "this address is invited already; send that invitation again, or revoke it first"),
    (
        &["removeFromOrganization", "replaceMemberRoles", "addMemberRoles", "removeMemberRoles"],
        "409",
        AGAINST,
        "this is the last Owner of Acme; make another member Owner first",
    ),
    (&["suspendOrganization"], "409", AGAINST, "without the operator organization nobody could take this back; only `keywright admin` on the host suspends it"),
];

const BAD: &str = "invalid_request";
const LOST: &str = "not_found";
const AGAINST: &str = "conflict";

/// Operations that ask people for a fresh session, always or for some of what they do; and what the refusal calls it.
pub(crate) const FRESH: &[(&[&str], &str)] = &[
    (&["createApiKey"], "making an API Key"),
    (&["updateApiKey"], "widening a key"),
    (&["rotateApiKey"], "rotating a key"),
    (&["resumeApiKey"], "resuming a key"),
    (&["revokeApiKey"], "taking back what came in by a key"),
    (&["createPersonalAccessKey"], "making a Personal Access Key"),
    (&["createWebhook"], "making a webhook"),
    (&["updateWebhook"], "changing a webhook"),
    (&["deleteWebhook"], "deleting a webhook"),
    (&["rotateWebhook"], "giving a webhook another secret"),
    (&["createRole", "updateRole", "deleteRole"], "making, changing and deleting roles"),
    (&["setPolicy"], "changing the policy"),
    (&["revokeAll"], "revoking everything"),
    (&["removeFromOrganization"], "deleting an organization"),
    (&["invite", "replaceMemberRoles", "addMemberRoles", "removeMemberRoles"], "giving or taking the role Owner"),
    (&["suspendOrganization"], "suspending an organization"),
    (&["resumeOrganization"], "resuming an organization"),
    (&["setLimits"], "setting limits"),
    (&["beginSecondFactor"], "setting up a second factor"),
    (&["removeSecondFactor"], "removing the second factor"),
    (&["createRecoveryCodes"], "making new recovery codes"),
    (&["createOperatorKey"], "making an operator key"),
    (&["listOperatorKeys"], "looking at operator keys"),
    (&["rotateOperatorKey"], "rotating an operator key"),
    (&["revokeOperatorKey"], "revoking an operator key"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Reddens when a row names an operation or a status that there is not, or when two rows name the same.
    #[test]
    fn every_row_stands_in_a_document() {
        let documents = [crate::openapi::oauth(), crate::openapi::auth(), crate::openapi::identity()].map(|document| serde_json::to_value(document).unwrap());
        let operations = documents.iter().flat_map(|document| {
            let items = document["paths"].as_object().unwrap().values();
            items.flat_map(|item| item.as_object().unwrap().values()).map(move |operation| (document, operation))
        });
        let operations: Vec<(&Value, &Value)> = operations.collect();
        let answer = |id: &str, status: &str| {
            let (document, operation) = operations.iter().find(|(_, operation)| operation["operationId"] == id).unwrap_or_else(|| panic!("{id}"));
            let answer = &operation["responses"][status];
            let shared = answer["$ref"].as_str().map(|name| document.pointer(name.trim_start_matches('#')).unwrap());
            &shared.unwrap_or(answer)["content"]["application/json"]
        };
        for (ids, status, code, sentence) in FITTING {
            for id in *ids {
                let example = &answer(id, status)["example"];
                assert_eq!((&example["error"], &example["message"]), (&Value::from(*code), &Value::from(*sentence)), "{id} {status}");
            }
        }
        for (ids, what) in FRESH {
            for id in *ids {
                let examples = &answer(id, "403")["examples"];
                assert!(examples["session_not_fresh"]["value"]["message"].as_str().is_some_and(|told| told.starts_with(what)), "{id}: {examples}");
            }
        }
    }
}
