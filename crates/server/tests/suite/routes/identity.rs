//! The identity API, in the shapes that clients read.

mod api_keys;
mod attention;
mod custom_roles;
mod personal_access_keys;
mod usage;

use crate::support::fails;
use keywright_testkit::{Actor, Answer, TestServer};
use reqwest::Method;
use serde_json::{Value, json};

const ORGANIZATIONS: &str = "/identity/v1/organizations";

fn revision(answer: &Answer) -> i64 {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.header("keywright-revision").split_once('.').expect("history.n").1.parse().expect("a number")
}

/// Everything of an answer but what differs from request to request.
fn essence(answer: &Answer) -> (u16, Vec<(String, Vec<u8>)>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
    (answer.status.as_u16(), headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect(), answer.text.clone())
}

#[tokio::test]
async fn organizations_are_enveloped_and_one_is_bare() {
    let server = TestServer::start().await;
    let (acme, mobile) = (server.demo.acme.id.to_string(), server.demo.mobile.id.to_string());
    let list = server.get(Actor::Owner, ORGANIZATIONS).await.json();
    assert_eq!((&list["page"], &list["perPage"], &list["total"]), (&json!(1), &json!(200), &json!(2)));
    let [root, sub] = list["data"].as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!((&root["id"], &root["name"], &root["rootOrganizationId"]), (&json!(acme), &json!("Acme"), &Value::Null));
    assert_eq!((&sub["id"], &sub["rootOrganizationId"], &sub["rootOrganizationName"]), (&json!(mobile), &json!(acme), &json!("Acme")));
    for member in ["givenId", "ssoEnabled", "disabled", "createdDate"] {
        assert!(sub.get(member).is_some(), "{member}");
    }
    let found = server.get(Actor::Owner, &format!("{ORGANIZATIONS}?search=MOBI&page=1&perPage=1")).await.json();
    assert_eq!((found["total"].as_i64(), &found["data"][0]["id"]), (Some(1), &json!(mobile)));
    assert_eq!(server.get(Actor::Owner, &format!("{ORGANIZATIONS}?page=2")).await.json()["data"], json!([]));
    fails(&server.get(Actor::Owner, &format!("{ORGANIZATIONS}?perPage=201")).await, 400, "invalid_request");
    let one = server.get(Actor::Owner, &format!("{ORGANIZATIONS}/{acme}")).await.json();
    assert_eq!((&one["name"], &one["memberCount"], &one["logoUrl"]), (&json!("Acme"), &json!(3), &Value::Null));
    assert_eq!(server.get(Actor::Submember, &format!("{ORGANIZATIONS}/current")).await.json()["id"], json!(mobile));
    assert_eq!(server.get(Actor::Submember, ORGANIZATIONS).await.json()["total"], json!(1));
    server.end().await;
}

#[tokio::test]
async fn a_sub_organization_is_made_once() {
    let server = TestServer::start().await;
    let subs = format!("{ORGANIZATIONS}/current/sub-organizations");
    let new = json!({ "name": " Acme Labs ", "unknown": true });
    let made = server.call(Actor::Owner, Method::POST, &subs, Some(&new)).await;
    let at = revision(&made);
    assert_eq!(made.member("name"), "Acme Labs");
    fails(&server.call(Actor::Owner, Method::POST, &subs, Some(&new)).await, 409, "conflict");
    fails(&server.call(Actor::Owner, Method::POST, &subs, Some(&json!({ "name": "" }))).await, 400, "invalid_request");
    fails(&server.call(Actor::Owner, Method::POST, &subs, Some(&json!([]))).await, 400, "invalid_request");
    fails(&server.call(Actor::Submember, Method::POST, &subs, Some(&new)).await, 403, "insufficient_permission");
    // A read that asks for the change sees it; one that asks for what has not happened is told to come again.
    let read = |revision: String| server.request(Method::GET, ORGANIZATIONS).header("keywright-min-revision", revision);
    let token = server.token(Actor::Owner).await;
    let seen = server.send(read(format!("1.{at}")).bearer_auth(&token)).await;
    assert_eq!(seen.json()["total"], json!(3));
    let later = server.send(read("1.999999".to_owned()).bearer_auth(&token)).await;
    fails(&later, 503, "revision_not_reached");
    assert_eq!(later.header("retry-after"), "1");
    fails(&server.send(read("soon".to_owned()).bearer_auth(&token)).await, 400, "invalid_request");
    server.end().await;
}

#[tokio::test]
async fn members_and_their_roles() {
    let server = TestServer::start().await;
    let id = |part: &str| server.demo.users[part].id.to_string();
    let users = server.get(Actor::Owner, &format!("{ORGANIZATIONS}/{}/users", server.demo.mobile.id)).await.json();
    let mut emails: Vec<&str> = users.as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap()).collect();
    assert_eq!(emails.remove(0), "submember@acme.example", "direct ones first");
    emails.sort_unstable();
    assert_eq!(emails, ["manager@acme.example", "owner@acme.example", "viewer@acme.example"]);
    assert_eq!((&users[0]["username"], &users[0]["fullName"]), (&json!("submember@acme.example"), &json!("submember")));

    // A bare array all the same when a part is asked for; how many there are stands in a header.
    let part = async |query: &str| server.get(Actor::Owner, &format!("{ORGANIZATIONS}/{}/users{query}", server.demo.mobile.id)).await;
    for (query, from, to) in [("", 0, 4), ("?Page=1", 0, 4), ("?Size=3", 0, 3), ("?page=2&size=3", 3, 4), ("?Page=3&Size=3", 4, 4)] {
        let answer = part(query).await;
        assert_eq!((answer.json(), answer.header("x-total-count")), (json!(users.as_array().unwrap()[from..to]), "4".to_owned()), "{query}");
    }
    for query in ["?Page=0", "?Size=201", "?Size=0", "?Page=one"] {
        fails(&part(query).await, 400, "invalid_request");
    }

    let roles = |place: &str, user: &str| format!("{ORGANIZATIONS}/{place}/users/{user}/roles");
    let (acme, mobile) = (server.demo.acme.id.to_string(), server.demo.mobile.id.to_string());
    let own = server.get(Actor::Owner, &roles(&acme, &id("owner"))).await.json();
    assert_eq!(own, json!({ "roles": ["owner"], "inheritedRoles": [], "isSubOrganizationMember": false }));
    let direct = server.get(Actor::Owner, &roles(&mobile, &id("submember"))).await.json();
    assert_eq!(direct, json!({ "roles": ["view-distribution-profile"], "inheritedRoles": [], "isSubOrganizationMember": true }));
    // The 400 that clients read as "inherited only, no own roles".
    fails(&server.get(Actor::Owner, &roles(&mobile, &id("viewer"))).await, 400, "inherited_member");
    fails(&server.get(Actor::Owner, &roles(&acme, &id("globexowner"))).await, 404, "not_found");

    let at = roles(&mobile, &id("viewer"));
    let put = server.call(Actor::Owner, Method::PUT, &at, Some(&json!({ "roles": ["view-build"] }))).await;
    revision(&put);
    assert_eq!(put.json(), json!({ "roles": ["view-build"] }));
    let replaced = server.get(Actor::Owner, &at).await.json();
    assert_eq!((replaced["roles"].clone(), replaced["isSubOrganizationMember"].clone()), (json!(["view-build"]), json!(true)));
    let added = server.call(Actor::Owner, Method::POST, &at, Some(&json!({ "roles": ["view-codepush"] }))).await;
    assert_eq!(added.json()["roles"], json!(["view-build", "view-codepush"]));
    let removed = server.call(Actor::Owner, Method::DELETE, &at, Some(&json!({ "roles": ["view-build"] }))).await;
    assert_eq!(removed.json()["roles"], json!(["view-codepush"]));
    assert_eq!(server.call(Actor::Owner, Method::DELETE, &at, None).await.json()["roles"], json!([]), "no body clears all");
    let unknown = server.call(Actor::Owner, Method::PUT, &at, Some(&json!({ "roles": ["None-distribution-profile"] }))).await;
    assert!(fails(&unknown, 400, "invalid_request").contains("None-distribution-profile"));
    server.end().await;
}

#[tokio::test]
async fn a_key_gives_no_owner_and_nothing_to_its_own_holder() {
    let server = TestServer::start().await;
    let roles = |part: &str| format!("{ORGANIZATIONS}/current/users/{}/roles", server.demo.users[part].id);
    let give = json!({ "roles": ["owner"] });
    for (actor, part) in [(Actor::Owner, "viewer"), (Actor::Manager, "viewer"), (Actor::Owner, "owner")] {
        fails(&server.call(actor, Method::PUT, &roles(part), Some(&give)).await, 403, "insufficient_permission");
    }
    fails(&server.call(Actor::Manager, Method::POST, &roles("manager"), Some(&json!({ "roles": ["view-build"] }))).await, 403, "insufficient_permission");
    fails(&server.call(Actor::Manager, Method::PUT, &roles("owner"), Some(&json!({ "roles": [] }))).await, 403, "insufficient_permission");
    let owner = server.demo.users["owner"].id;
    let remove = format!("{ORGANIZATIONS}/current?action=remove&userId={owner}");
    fails(&server.call(Actor::Manager, Method::DELETE, &remove, None).await, 403, "insufficient_permission");
    server.end().await;
}

#[tokio::test]
async fn nothing_is_deleted_without_its_action() {
    let server = TestServer::start().await;
    let user = server.demo.users["viewer"].id;
    for query in [format!("?userId={user}"), format!("?action=delete&userId={user}"), String::new(), "?action=remove".to_owned()] {
        let answer = server.call(Actor::Owner, Method::DELETE, &format!("{ORGANIZATIONS}/current{query}"), None).await;
        fails(&answer, 400, "invalid_request");
    }
    let key = server.key("viewer").to_owned();
    assert_eq!(server.form("/auth/v3/token", &format!("personalAccessKey={key}")).await.status, 200);
    revision(&server.call(Actor::Owner, Method::DELETE, &format!("{ORGANIZATIONS}/current?action=remove&userId={user}"), None).await);
    fails(&server.form("/auth/v3/token", &format!("personalAccessKey={key}")).await, 401, "membership_ended");
    server.end().await;
}

/// The secret of the newest mail to an address.
async fn link(server: &TestServer, email: &str) -> String {
    let mail = server.core.list_outbox(&server.host()).await.unwrap();
    let newest = mail.iter().rev().find(|mail| mail.recipient == email).expect("mail to that address");
    newest.content.token().to_owned()
}

#[tokio::test]
async fn an_invitation_from_the_first_mail_to_the_first_key() {
    let server = TestServer::start().await;
    let (acme, email) = (server.demo.acme.id, "New+One@Acme.example");
    let invite = format!("/identity/v1/users?action=invite&organizationId={acme}");
    let body = json!({ "userEmail": email, "organizationsAndRoles": [{ "organizationId": acme, "roles": ["view-build"] }] });
    revision(&server.call(Actor::Manager, Method::PATCH, &invite, Some(&body)).await);
    fails(&server.call(Actor::Manager, Method::PATCH, &invite, Some(&body)).await, 409, "conflict");
    let pending = server.get(Actor::Manager, &format!("{ORGANIZATIONS}/{acme}/invitations")).await.json();
    assert_eq!(pending[0]["userEmail"], "new+one@acme.example");
    assert_eq!((&pending[0]["status"], &pending[0]["rootOrganizationId"]), (&json!("Pending"), &json!(acme)));
    assert_eq!(pending[0]["organizationsAndRoles"], json!([{ "organizationId": acme, "roles": ["view-build"] }]));

    let (lookup, accept) = ("/identity/v1/invitations/lookup", "/identity/v1/invitations/accept");
    let first = link(&server, "new+one@acme.example").await;
    // Mail of another moment, so that the newest is the last.
    server.clock.advance(std::time::Duration::from_millis(1));
    let again = format!("{ORGANIZATIONS}/{acme}/invitations?action=re-invite");
    revision(&server.call(Actor::Manager, Method::PATCH, &again, Some(&json!({ "userEmail": email }))).await);
    let second = link(&server, "new+one@acme.example").await;
    fails(&server.call(Actor::Anonymous, Method::POST, lookup, Some(&json!({ "token": first }))).await, 404, "not_found");
    let offer = server.call(Actor::Anonymous, Method::POST, lookup, Some(&json!({ "token": second }))).await.json();
    assert_eq!((&offer["organizations"], &offer["hasAccount"]), (&json!(["Acme"]), &json!(false)));

    let accepting = |password: &str| json!({ "token": second, "name": "New One", "password": password });
    fails(&server.call(Actor::Anonymous, Method::POST, accept, Some(&accepting("short"))).await, 400, "invalid_request");
    let odd = json!({ "token": second, "name": "New One", "password": "a password of one's own", "roles": ["owner"] });
    assert!(fails(&server.call(Actor::Anonymous, Method::POST, accept, Some(&odd)).await, 400, "invalid_request").contains("roles"));
    let accepted = server.call(Actor::Anonymous, Method::POST, accept, Some(&accepting("a password of one's own"))).await;
    revision(&accepted);
    fails(&server.call(Actor::Anonymous, Method::POST, accept, Some(&accepting("a password of one's own"))).await, 404, "not_found");

    let user = accepted.member("userId").parse().unwrap();
    let key = server.core.create_personal_access_key(&server.host(), acme, user, "first", None).await.unwrap();
    let token = server.form("/auth/v3/token", &format!("personalAccessKey={}", key.secret.reveal())).await;
    assert_eq!(token.status, 200, "{}", token.text);
    fails(&server.call(Actor::Manager, Method::PATCH, &invite, Some(&body)).await, 409, "conflict");
    server.end().await;
}

#[tokio::test]
async fn invitations_are_taken_back_and_stay_within_the_giver() {
    let server = TestServer::start().await;
    let (acme, globex) = (server.demo.acme.id, server.demo.globex.id);
    let invite = format!("/identity/v1/users?action=invite&organizationId={acme}");
    let body = |organization: Value, role: &str| json!({ "userEmail": "p@example.com", "organizationsAndRoles": [{ "organizationId": organization, "roles": [role] }] });
    fails(&server.call(Actor::Owner, Method::PATCH, &invite, Some(&body(json!(acme), "owner"))).await, 403, "insufficient_permission");
    fails(&server.call(Actor::Owner, Method::PATCH, &invite, Some(&body(json!(globex), "view-build"))).await, 400, "invalid_request");
    fails(&server.call(Actor::Owner, Method::PATCH, &invite, Some(&body(json!(acme), "ghost"))).await, 400, "invalid_request");
    fails(&server.call(Actor::Owner, Method::PATCH, "/identity/v1/users?action=promote", Some(&body(json!(acme), "view-build"))).await, 400, "invalid_request");
    revision(&server.call(Actor::Owner, Method::PATCH, &invite, Some(&body(json!(acme), "view-build"))).await);
    let secret = link(&server, "p@example.com").await;
    // The older form, with the address in the query and no body.
    revision(
        &server.call(Actor::Owner, Method::PATCH, &format!("/identity/v1/users?action=re-invite&organizationId={acme}&userEmail=p@example.com"), None).await,
    );
    let newer = link(&server, "p@example.com").await;
    revision(&server.call(Actor::Owner, Method::DELETE, &format!("{ORGANIZATIONS}/{acme}/invitations?userEmail=p@example.com"), None).await);
    for token in [secret, newer] {
        let answer = server.call(Actor::Anonymous, Method::POST, "/identity/v1/invitations/lookup", Some(&json!({ "token": token }))).await;
        fails(&answer, 404, "not_found");
    }
    let gone = server.call(Actor::Owner, Method::DELETE, &format!("{ORGANIZATIONS}/{acme}/invitations"), Some(&json!({ "userEmail": "p@example.com" }))).await;
    fails(&gone, 404, "not_found");
    server.end().await;
}

/// Reddens when the answer to a foreign organization differs from the answer to one that nobody has.
#[tokio::test]
async fn a_foreign_organization_and_an_unknown_one_are_the_same() {
    let server = TestServer::start().await;
    let (globex, unknown) = (server.demo.globex.id.to_string(), "6f9619ff-8b86-4011-b42d-00c04fc964ff");
    let user = server.demo.users["globexowner"].id;
    let body = json!({ "name": "x", "roles": ["view-build"], "userEmail": "x@example.com" });
    for (method, rest) in [
        (Method::GET, String::new()),
        (Method::GET, "/users".to_owned()),
        (Method::GET, format!("/users/{user}/roles")),
        (Method::PUT, format!("/users/{user}/roles")),
        (Method::POST, format!("/users/{user}/roles")),
        (Method::DELETE, format!("/users/{user}/roles")),
        (Method::GET, "/invitations".to_owned()),
        (Method::PATCH, "/invitations?action=re-invite".to_owned()),
        (Method::DELETE, "/invitations".to_owned()),
        (Method::POST, "/sub-organizations".to_owned()),
        (Method::DELETE, format!("?action=remove&userId={user}")),
    ] {
        let mut answers = Vec::new();
        for id in [unknown, globex.as_str(), "nonsense", "%ff"] {
            let sent = (method != Method::GET).then_some(&body);
            let answer = server.call(Actor::Owner, method.clone(), &format!("{ORGANIZATIONS}/{id}{rest}"), sent).await;
            fails(&answer, 404, "not_found");
            let mut headers = answer.headers;
            for name in ["x-request-id", "date"] {
                headers.remove(name);
            }
            answers.push((headers, answer.text));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{method} {rest}: {answers:?}");
    }
    server.end().await;
}

#[tokio::test]
async fn who_am_i_and_what_may_i_do() {
    let server = TestServer::start().await;
    let (acme, mobile) = (server.demo.acme.id, server.demo.mobile.id);
    let me = server.get(Actor::Viewer, "/identity/v1/me").await.json();
    assert_eq!((&me["kind"], &me["email"], &me["name"]), (&json!("person"), &json!("viewer@acme.example"), &json!("viewer")));
    assert_eq!((&me["id"], &me["organization"]["id"]), (&json!(server.demo.users["viewer"].id), &json!(acme)));
    let permissions = |me: &Value| me["permissions"].as_array().unwrap().clone();
    assert!(permissions(&me).contains(&json!("organization.member.view")) && !permissions(&me).contains(&json!("organization.member.manage")));
    let key = server.get(Actor::ApiKey, "/identity/v1/me").await.json();
    assert_eq!((&key["kind"], &key["name"], &key["id"]), (&json!("api-key"), &json!("acme-ci"), &json!(server.demo.api_keys["acme-ci"].id)));
    assert_eq!(key["roles"], json!(["operate-distribution-profile"]));

    // What is answered is what holds now, not what the token says.
    let token = server.token(Actor::Viewer).await;
    let ask = async |path: &str| server.send(server.request(Method::GET, path).bearer_auth(&token)).await.json();
    let view = "/identity/v1/me/explain?permission=organization.member.view";
    assert_eq!(ask(view).await["allowed"], json!(true));
    let below = ask(&format!("{view}&organizationId={mobile}")).await;
    assert!(below["chain"][1]["text"].as_str().unwrap().contains("those of its root hold"), "{below}");
    let roles = keywright_core::members::RoleChange::Replace(vec!["view-build".to_owned()]);
    server.core.change_roles(&server.host(), acme, server.demo.users["viewer"].id, roles).await.unwrap();
    let no = server.get(Actor::Viewer, view).await.json();
    assert_eq!((&no["allowed"], &no["chain"][2]["rule"], &no["chain"][2]["holds"]), (&json!(false), &json!("permission"), &json!(false)));
    assert!(no["reason"].as_str().unwrap().contains("view-organization"), "{no}");
    assert_eq!(server.get(Actor::Viewer, "/identity/v1/me").await.json()["roles"], json!(["view-build"]));

    fails(&server.get(Actor::Viewer, "/identity/v1/me/explain").await, 400, "invalid_request");
    fails(&server.get(Actor::Viewer, "/identity/v1/me/explain?permission=moon.walk").await, 400, "invalid_request");
    fails(&server.get(Actor::Viewer, &format!("{view}&organizationId={}", server.demo.globex.id)).await, 404, "not_found");
    fails(&server.get(Actor::Viewer, &format!("{view}&organizationId=42")).await, 400, crate::support::GUID_SENTENCE);
    server.end().await;
}

#[tokio::test]
async fn bodies_are_bounded_and_read_by_what_they_are() {
    let server = TestServer::start().await;
    let token = server.token(Actor::Owner).await;
    let send = async |content_type: &str, body: String| {
        let request = server.request(Method::POST, &format!("{ORGANIZATIONS}/current/sub-organizations")).bearer_auth(&token);
        server.send(request.header("content-type", content_type).body(body)).await
    };
    let padded = |length: usize| format!(r#"{{"name":"Padded"{}}}"#, " ".repeat(length - 17));
    fails(&send("application/json", padded(16 * 1024 + 1)).await, 413, "request_too_large");
    revision(&send("json", padded(16 * 1024)).await);
    for body in ["", "null", "{", r#"{"name":7}"#, r#"["name"]"#] {
        fails(&send("application/json", body.to_owned()).await, 400, "invalid_request");
    }
    server.end().await;
}
