//! What goes over the wire, and what is made of what comes back.

use crate::listener::{Server, answer, error, header};
use keywright_client::{Client, ClientError, Options, Place, SignIn, Wanted, protocol::identity::Roles};
use std::time::Duration;
use tokio::net::TcpListener;

const ME: &str = r#"{"kind": "person", "id": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "email": "owner@acme.example", "name": "owner",
    "organization": {"id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "name": "Acme", "givenId": null, "ssoEnabled": false, "disabled": false,
    "rootOrganizationId": null, "rootOrganizationName": null, "createdDate": "2026-11-24T09:00:00.000Z", "later": "a member of tomorrow"},
    "roles": ["owner"], "permissions": ["organization.member.view"]}"#;
const TOKEN: &str = r#"{"access_token": "eyJ", "token_type": "Bearer", "expires_in": 3600, "scope": "reports.view"}"#;

#[tokio::test]
async fn a_credential_goes_in_its_header_and_what_is_not_known_yet_is_ignored() {
    let server = Server::answering(&[answer("200 OK", "", ME)]).await;
    let me = Client::new(&format!("{}/", server.url)).unwrap().with_token("kw_ses_secret").me().await.unwrap();
    assert_eq!((me.email.as_str(), me.organization.name.as_str()), ("owner@acme.example", "Acme"));
    let heard = server.heard();
    assert!(heard[0].starts_with("GET /identity/v1/me HTTP/1.1\r\n"), "{heard:?}");
    assert_eq!(header(&heard[0], "authorization").as_deref(), Some("Bearer kw_ses_secret"));
    assert_eq!(header(&heard[0], "idempotency-key"), None, "reading changes nothing");
}

#[tokio::test]
async fn a_server_under_a_path_is_asked_there() {
    let server = Server::answering(&[answer("200 OK", "", r#"{"data": [], "page": 1, "perPage": 200, "total": 0}"#)]).await;
    let client = Client::new(&format!("{}/auth", server.url)).unwrap();
    client.with_token("t").organizations("a b&c", 2).await.unwrap();
    assert!(server.heard()[0].starts_with("GET /auth/identity/v1/organizations?search=a+b%26c&page=2 "), "{:?}", server.heard());
}

#[tokio::test]
async fn an_exchange_says_what_the_key_is_and_what_is_wanted() {
    let server = Server::answering(&[answer("200 OK", "", TOKEN), answer("200 OK", "", TOKEN)]).await;
    let client = Client::new(&server.url).unwrap();
    let key = format!("kw_pak_{}", "0".repeat(49));
    let wanted = Wanted {
        organization: Some("0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11".parse().unwrap()),
        audience: Some("https://reports.example".to_owned()),
        scope: vec!["reports.view".to_owned(), "reports.write".to_owned()],
        expires_in: Some(Duration::from_secs(60)),
    };
    assert_eq!(client.exchange(&key, &wanted).await.unwrap().scope.as_deref(), Some("reports.view"));
    client.exchange("eyJ.eyJ.c2ln", &Wanted::default()).await.unwrap();
    let form = |at: usize| server.heard()[at].split("\r\n\r\n").nth(1).unwrap().to_owned();
    let expected = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token={key}&subject_token_type=urn%3Akeywright%3Aparams%3Aoauth\
        %3Atoken-type%3Apersonal-access-key&organization_id=0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11&audience=https%3A%2F%2Freports.example\
        &scope=reports.view+reports.write&expires_in=60"
    );
    assert_eq!(form(0), expected);
    assert!(form(1).ends_with("&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"), "{}", form(1));
}

#[tokio::test]
async fn the_reason_of_a_refusal_arrives() {
    let refused = error("401 Unauthorized", "X-Request-Id: 8a0a5f2a-6a52-4a0c-a2ab-2a4a1de0e1a4\r\nRetry-After: 7\r\n", "invalid_client");
    let server = Server::answering(&[refused]).await;
    let Err(ClientError::Api(refusal)) = Client::new(&server.url).unwrap().with_token("t").me().await else { panic!("it was refused") };
    assert_eq!((refusal.status, refusal.body.error.as_str(), refusal.body.reason.as_deref()), (401, "invalid_client", Some("key_expired")));
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(refusal.request_id.as_deref(), Some("8a0a5f2a-6a52-4a0c-a2ab-2a4a1de0e1a4"));
    assert_eq!(ClientError::Api(refusal).to_string(), "a sentence");
}

/// Reddens when the second attempt has a key of its own, or when there is no second attempt.
#[tokio::test]
async fn a_change_is_sent_once_more_when_the_server_says_when_under_the_same_idempotency_key() {
    let away = error("503 Service Unavailable", "Retry-After: 0\r\n", "temporarily_unavailable");
    let done = answer("200 OK", "Keywright-Revision: 1.42\r\n", r#"{"roles": ["view-build"]}"#);
    let server = Server::answering(&[away, done.clone(), done]).await;
    let caller = Client::new(&server.url).unwrap().with_token("t");
    let user = "6f9619ff-8b86-4011-b42d-00c04fc964ff".parse().unwrap();
    let set = || caller.set_member_roles(Place::Current, user, vec!["view-build".to_owned()]);
    let changed = set().await.unwrap();
    assert_eq!((changed.value, changed.revision), (Roles { roles: vec!["view-build".to_owned()] }, "1.42".parse().ok()));
    set().await.unwrap();
    let keys: Vec<_> = server.heard().iter().map(|request| header(request, "idempotency-key").expect("a key")).collect();
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[1], keys[2], "another change");
    assert!(server.heard()[0].ends_with(r#"{"roles":["view-build"]}"#));
}

#[tokio::test]
async fn one_change_may_be_asked_for_again_by_its_key() {
    let done = answer("200 OK", "", r#"{"message": "the key is suspended"}"#);
    let server = Server::answering(&[done.clone(), done]).await;
    let key = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11".parse().unwrap();
    for _ in 0..2 {
        let caller = Client::new(&server.url).unwrap().with_token("t").once("suspend-nightly");
        caller.suspend_api_key(Place::Current, key).await.unwrap();
    }
    assert!(server.heard().iter().all(|request| header(request, "idempotency-key").as_deref() == Some("suspend-nightly")), "{:?}", server.heard());
}

/// Reddens when a password is tried twice behind somebody's back, when a wait is longer than was agreed, and when there is a third attempt.
#[tokio::test]
async fn what_must_not_be_sent_again_is_not() {
    let limited = |wait: u32| error("429 Too Many Requests", &format!("Retry-After: {wait}\r\n"), "rate_limited");
    let one = |attempts: usize, server: &Server| assert_eq!(server.heard().len(), attempts, "{:?}", server.heard());

    let server = Server::answering(&[limited(0), limited(0)]).await;
    let who = SignIn { email: "owner@acme.example", password: "guess", organization: None, new_password: None, code: None };
    assert_eq!(Client::new(&server.url).unwrap().sign_in(who).await.err().and_then(|error| error.status()), Some(429));
    one(1, &server);

    let server = Server::answering(&[limited(0), limited(0)]).await;
    assert_eq!(Client::new(&server.url).unwrap().with_token("kw_ses_x").confirm("guess").await.err().and_then(|error| error.status()), Some(429));
    one(1, &server);

    let server = Server::answering(&[limited(6), limited(0)]).await;
    assert_eq!(Client::new(&server.url).unwrap().with_token("t").me().await.unwrap_err().status(), Some(429));
    one(1, &server);

    let server = Server::answering(&[limited(0), limited(0), limited(0)]).await;
    assert_eq!(Client::new(&server.url).unwrap().with_token("t").me().await.unwrap_err().status(), Some(429));
    one(2, &server);

    let server = Server::answering(&[limited(0), limited(0)]).await;
    let patient = Client::with(&server.url, Options { longest_wait: Duration::ZERO, ..Options::default() }).unwrap();
    assert_eq!(patient.with_token("t").me().await.unwrap_err().status(), Some(429));
    one(1, &server);

    let server = Server::answering(&[error("500 Internal Server Error", "Retry-After: 0\r\n", "server_error"), limited(0)]).await;
    assert_eq!(Client::new(&server.url).unwrap().with_token("t").me().await.unwrap_err().status(), Some(500));
    one(1, &server);
}

/// Reddens when a redirection is followed: the key would go wherever it points.
#[tokio::test]
async fn what_is_no_answer_of_the_api_is_said_to_be_none() {
    for (status, headers, body) in [
        ("502 Bad Gateway", "", "<html>bad gateway</html>"),
        ("307 Temporary Redirect", "Location: http://127.0.0.1:1/\r\n", ""),
        ("200 OK", "", "<html>it works</html>"),
        ("200 OK", "", "{}"),
    ] {
        let server = Server::answering(&[answer(status, headers, body)]).await;
        let told = Client::new(&server.url).unwrap().exchange("eyJ", &Wanted::default()).await.unwrap_err();
        let ClientError::Unreadable { url, status: code, .. } = &told else { panic!("{told:?}") };
        assert_eq!((url.as_str(), Some(code.to_string().as_str())), (server.url.as_str(), status.split(' ').next()), "{told}");
        assert!(told.to_string().contains("does not answer as Keywright does"), "{told}");
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_said_in_a_sentence() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let told = Client::new(&format!("http://{free}")).unwrap().with_token("secret").me().await.unwrap_err();
    let ClientError::Unreachable { url, reason } = &told else { panic!("{told:?}") };
    assert!(url == &format!("http://{free}") && reason.to_lowercase().contains("refused"), "{told}");
}

#[test]
fn no_secret_is_in_what_is_written_for_debugging() {
    let caller = Client::new("https://auth.example.com").unwrap().with_token("kw_ses_secret");
    assert!(!format!("{caller:?}").contains("secret"), "{caller:?}");
}
