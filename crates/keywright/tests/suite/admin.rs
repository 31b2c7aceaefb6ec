//! `keywright admin`: the same acts through the socket of a server that runs, and on the database when none does.

use crate::{
    http::{catalog, claims, client, exchange, token_of, try_exchange, try_exchange_api_key},
    process::{PRESET, Place, text},
};
use serde_json::{Value, json};

/// A Personal Access Key of an Owner, in an organization of his own.
pub(crate) struct OwnerKey {
    pub(crate) organization: String,
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl OwnerKey {
    /// Makes organization, person, membership and key in a place, whether a server runs there or not.
    pub(crate) async fn make(place: &Place) -> Self {
        Self::make_named(place, "Initech").await
    }

    /// The same in an organization of another name.
    pub(crate) async fn make_named(place: &Place, name: &str) -> Self {
        let organization = text(&place.admin_json(&["organization", "create", "--name", name]).await, "id");
        let user = text(&place.admin_json(&["user", "create", "--name", "Olga", "--email", &format!("olga@{organization}.example")]).await, "id");
        place.admin_json(&["member", "set", "--organization", &organization, "--user", &user, "--role", "owner"]).await;
        let key = place.admin_json(&["key", "create-personal", "--organization", &organization, "--user", &user, "--name", "first"]).await;
        Self { organization, id: text(&key, "id"), secret: text(&key, "secret") }
    }
}

/// What a walk through all acts has left.
struct Walked {
    organization: String,
    sub: String,
    user: String,
    personal: String,
    personal_id: String,
    api: String,
    api_id: String,
}

/// Organizations, a user, a membership and both kinds of keys; every answer is looked at.
async fn walk(place: &Place) -> Walked {
    let made = place.admin_json(&["organization", "create", "--name", "Initech"]).await;
    let organization = text(&made, "id");
    assert_eq!((&made["reply"], &made["rootId"], &made["name"]), (&json!("organization"), &json!(organization), &json!("Initech")));
    let sub = text(&place.admin_json(&["organization", "create", "--name", "Initech Labs", "--parent", &organization]).await, "id");
    let listed = place.admin_json(&["organization", "list"]).await;
    let rows = listed["organizations"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["id"] == sub.as_str() && row["rootId"] == organization.as_str()), "{listed}");

    let user = text(&place.admin_json(&["user", "create", "--email", "peter@initech.example", "--name", "Peter"]).await, "id");
    let users = place.admin_json(&["user", "list"]).await;
    assert!(users["users"].as_array().unwrap().iter().any(|row| row["id"] == user.as_str()), "{users}");
    let place_and_person = ["--organization", &organization, "--user", &user];
    let set = place.admin_json(&[&["member", "set"], &place_and_person[..], &["--role", "view-organization", "--role", "manage-organization"]].concat()).await;
    assert_eq!(set["reply"], "done");
    let members = place.admin_json(&["member", "list", "--organization", &organization]).await;
    assert_eq!(members["members"][0]["roles"].as_array().unwrap().len(), 2, "{members}");

    let personal = place.admin_json(&[&["key", "create-personal"], &place_and_person[..], &["--name", "laptop"]].concat()).await;
    let (here, below) = (format!("{organization}=view-organization"), format!("{sub}=view-organization,manage-organization"));
    let expiry = ["--expires-at", text(&personal, "expiresAt").as_str()].map(str::to_owned);
    let arguments = ["key", "create-api", "--organization", &organization, "--name", "ci", "--grant", &here, "--grant", &below, &expiry[0], &expiry[1]];
    let api = place.admin_json(&arguments).await;
    assert_eq!(api["expiresAt"], personal["expiresAt"]);
    let keys = place.admin_json(&["key", "list", "--organization", &organization]).await;
    let kinds: Vec<&Value> = keys["keys"].as_array().unwrap().iter().map(|row| &row["kind"]).collect();
    assert_eq!(kinds, [&json!("personalAccessKey"), &json!("apiKey")], "{keys}");
    for secret in [text(&personal, "secret"), text(&api, "secret")] {
        assert!(!keys.to_string().contains(&secret), "a secret is listed");
    }
    Walked {
        organization,
        sub,
        user,
        personal_id: text(&personal, "id"),
        personal: text(&personal, "secret"),
        api_id: text(&api, "id"),
        api: text(&api, "secret"),
    }
}

/// Both keys of a walk open what they were given.
async fn both_open(base: &str, walked: &Walked) {
    let token = claims(&exchange(base, &walked.personal).await);
    assert_eq!((&token["sub"], &token["currentOrganizationId"]), (&json!(walked.user), &json!(walked.organization)));
    let token = claims(&token_of(&try_exchange_api_key(base, "ci", &walked.api).await));
    assert_eq!((&token["sub"], &token["roles"]), (&json!(walked.api_id), &json!(["view-organization"])));
}

/// The `error` of the answers to both keys of a walk, none if it succeeds.
async fn errors(base: &str, walked: &Walked) -> [Option<String>; 2] {
    let answers = [try_exchange(base, &walked.personal).await, try_exchange_api_key(base, "ci", &walked.api).await];
    answers.map(|answer| (answer.status != 200).then(|| text(&answer.json(), "error")))
}

fn both(error: &str) -> [Option<String>; 2] {
    [Some(error.to_owned()), Some(error.to_owned())]
}

#[tokio::test]
async fn all_acts_go_through_the_socket_of_a_server_that_runs() {
    let place = Place::new();
    let server = place.serve(&["--owner-email", "operator@example.com"], &[]).await;
    let base = &server.base;
    let walked = walk(&place).await;
    both_open(base, &walked).await;

    place.admin(&["organization", "suspend", &walked.organization]).await.succeeded();
    assert_eq!(errors(base, &walked).await, both("organization_disabled"));
    place.admin(&["organization", "resume", &walked.organization]).await.succeeded();
    both_open(base, &walked).await;
    place.admin(&["user", "disable", &walked.user]).await.succeeded();
    assert_eq!(errors(base, &walked).await, [Some("holder_disabled".to_owned()), None]);
    place.admin(&["user", "enable", &walked.user]).await.succeeded();
    both_open(base, &walked).await;
    for key in [&walked.personal_id, &walked.api_id] {
        let revoked = place.admin(&["key", "revoke", key]).await.succeeded();
        assert!(revoked.starts_with("done"), "{revoked}");
    }
    assert_eq!(errors(base, &walked).await, both("key_revoked"));
    place.admin(&["member", "remove", "--organization", &walked.organization, "--user", &walked.user]).await.succeeded();
    assert_eq!(place.admin_json(&["member", "list", "--organization", &walked.organization]).await["members"], json!([]));
    server.end().await;
}

#[tokio::test]
async fn the_same_acts_work_while_no_server_runs() {
    let place = Place::new();
    place.serve(&[], &[]).await.end().await;
    let bootstrapped = place.admin_json(&["bootstrap", "--owner-email", "operator@example.com"]).await;
    assert_eq!(bootstrapped["reply"], "bootstrapped");
    let walked = walk(&place).await;
    let server = place.serve(&[], &[]).await;
    both_open(&server.base, &walked).await;
    server.end().await;

    place.admin(&["organization", "suspend", &walked.sub]).await.succeeded();
    place.admin(&["key", "revoke", &walked.personal_id]).await.succeeded();
    place.admin(&["key", "revoke", &walked.api_id]).await.succeeded();
    let server = place.serve(&[], &[]).await;
    assert_eq!(errors(&server.base, &walked).await, both("key_revoked"));
    let organizations = place.admin_json(&["organization", "list"]).await;
    let sub = organizations["organizations"].as_array().unwrap().iter().find(|row| row["id"] == walked.sub.as_str()).unwrap();
    assert!(sub["suspendedAt"].is_string(), "{sub}");
}

#[tokio::test]
async fn a_refusal_is_one_sentence_and_exit_code_1() {
    let place = Place::new();
    let server = place.serve(&["--owner-email", "operator@example.com"], &[]).await;
    let nobody = "00000000-0000-4000-8000-000000000000";
    place.admin(&["organization", "suspend", nobody]).await.assert_refused(&["there is no organization"]);
    place.admin(&["organization", "suspend", nobody, "--json"]).await.assert_refused(&["there is no organization"]);
    place.admin(&["user", "create", "--name", "X", "--email", "operator@example.com"]).await.assert_refused(&["already"]);
    let organization = text(&place.admin_json(&["organization", "list"]).await["organizations"][0], "id");
    let user = text(&place.admin_json(&["user", "list"]).await["users"][0], "id");
    let arguments = ["member", "set", "--organization", &organization, "--user", &user, "--role", "no-such-role"];
    place.admin(&arguments).await.assert_refused(&["no-such-role"]);
    server.end().await;
    place.admin(&["organization", "suspend", nobody]).await.assert_refused(&["there is no organization"]);
}

#[tokio::test]
async fn where_no_server_ever_ran_there_is_nothing_to_administer() {
    let place = Place::new();
    place.admin(&["organization", "list"]).await.assert_refused(&["there is no data folder", "keywright serve"]);
    assert!(!place.path("data").exists(), "none is made");
    std::fs::create_dir(place.path("data")).unwrap();
    place.admin(&["organization", "list"]).await.assert_refused(&["there is no database", "keywright serve"]);
    assert!(!place.path("data/keywright.sqlite3").exists() && !place.path("data/keywright.key").exists());
}

#[tokio::test]
async fn an_act_without_a_server_leaves_the_catalog_as_it_is() {
    let place = Place::new();
    let server = place.serve(&[], &[PRESET]).await;
    let before = catalog(&server.base).await;
    server.end().await;

    // Neither of these says anything about the preset, and still its roles are known.
    let owner = OwnerKey::make(&place).await;
    let grant = format!("{}=operate-distribution-profile", owner.organization);
    let key = place.admin_json(&["key", "create-api", "--organization", &owner.organization, "--name", "ci", "--grant", &grant]).await;

    let server = place.serve(&[], &[PRESET]).await;
    let after = catalog(&server.base).await;
    assert_eq!((&after["history"], &after["revision"]), (&before["history"], &before["revision"]));
    assert_eq!(after["catalog"], before["catalog"]);
    let token = claims(&token_of(&try_exchange_api_key(&server.base, "ci", &text(&key, "secret")).await));
    assert_eq!(token["roles"], json!(["operate-distribution-profile"]));
}

/// Reddens when an act needs a server, or when what was made on the host is not what the server takes.
#[tokio::test]
async fn operator_keys_are_made_on_the_host() {
    let place = Place::new();
    let server = place.serve(&[], &[]).await;
    let create = ["operator-key", "create", "--name", "backend", "--scope", "organizations", "--scope", "keys", "--allowed-address", "127.0.0.0/8"];
    let made = place.admin_json(&create).await;
    let (id, secret) = (text(&made, "id"), text(&made, "secret"));
    let client = client();
    let statuses = async |base: &str, secret: &str| {
        let url = format!("{base}/identity/v1/organizations");
        let read = client.get(&url).bearer_auth(secret).send().await.unwrap().status().as_u16();
        let put = format!("{url}/by-external-id/customer-1?onBehalfOf=customer");
        let put = client.put(put).bearer_auth(secret).json(&json!({ "name": "Customer" })).send().await.unwrap().status().as_u16();
        [read, put]
    };
    assert_eq!(statuses(&server.base, &secret).await, [200, 201]);
    let listed = place.admin(&["operator-key", "list"]).await.succeeded();
    assert!(listed.contains(&format!("{id}  organizations,keys  backend  expires ")) && listed.contains("from 127.0.0.0/8"), "{listed}");
    assert!(!listed.contains(&secret), "a secret is listed");
    let rotated = place.admin_json(&["operator-key", "rotate", &id, "--overlap-seconds", "0"]).await;
    let newer = text(&rotated, "secret");
    assert_eq!((statuses(&server.base, &secret).await, statuses(&server.base, &newer).await), ([401, 401], [200, 200]));
    server.end().await;

    place.admin(&["operator-key", "revoke", &id]).await.succeeded();
    let listed = place.admin(&["operator-key", "list"]).await.succeeded();
    assert!(listed.contains("revoked "), "{listed}");
    let server = place.serve(&[], &[]).await;
    assert_eq!(statuses(&server.base, &newer).await, [401, 401]);
    server.end().await;
}
