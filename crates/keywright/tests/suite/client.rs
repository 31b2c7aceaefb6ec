//! The client crate against a demo, in what the commands do not use of it.

use crate::{
    demo::Demo,
    http::claims,
    process::{Place as Folder, text},
};
use keywright_client::{
    Client, Place, SignIn, Wanted,
    protocol::keys::{ApiKeyBody, ApiKeyChangeBody, GrantBody, PersonalAccessKeyBody},
};
use serde_json::Map;

#[tokio::test]
async fn what_the_commands_do_not_use_works_too() {
    let folder = Folder::new();
    let demo = Demo::start(&folder, &[]).await;
    let client = Client::new(&demo.base).unwrap();
    let root = demo.id("rootOrganization").parse().unwrap();
    let password = text(&demo.credentials["users"]["owner"], "password");
    let who = SignIn { email: "owner@acme.example", password: &password, organization: Some(root), new_password: None, code: None };
    let session = client.sign_in(who).await.unwrap();
    let caller = client.with_token(&session.session_token);

    // A change that is asked for again is made once, and its secret is not told twice.
    let new = ApiKeyBody {
        name: "nightly".to_owned(),
        grants: vec![GrantBody { organization_id: root, roles: vec!["view-build".to_owned()] }],
        expires_at: None,
        not_before: None,
        allowed_addresses: Vec::new(),
        description: String::new(),
        metadata: Map::new(),
        delete_protection: false,
        introspect: false,
    };
    let made = caller.once("make-nightly").create_api_key(Place::Current, &new).await.unwrap();
    assert!(made.revision.is_some());
    assert!(caller.once("make-nightly").create_api_key(Place::Current, &new).await.is_err());
    assert_eq!(caller.api_keys(root, 1).await.unwrap().data.iter().filter(|key| key.name == "nightly").count(), 1);
    let id = made.value.item.id;

    let change = ApiKeyChangeBody {
        name: None,
        grants: None,
        not_before: None,
        allowed_addresses: None,
        description: Some("builds every night".to_owned()),
        metadata: None,
        delete_protection: None,
        introspect: None,
    };
    let changed = caller.update_api_key(Place::Current, id, &change).await.unwrap().value;
    assert_eq!((changed.description.as_str(), changed.name.as_str()), ("builds every night", "nightly"));
    assert_eq!(caller.api_key(root, id).await.unwrap(), changed);

    // Every way to a token of it, and what is known of that.
    let secret = made.value.secret.as_str();
    let tokens = [
        client.client_credentials("nightly", secret, &Wanted::default()).await.unwrap().access_token,
        client.exchange(secret, &Wanted::default()).await.unwrap().access_token,
        client.exchange_api_key("nightly", secret, None).await.unwrap().access_token,
    ];
    assert!(tokens.iter().all(|token| claims(token)["sub"] == id.to_string()));
    let introspected = caller_of(&client, &demo).await.introspect(&tokens[0]).await.unwrap();
    assert!(introspected.active && introspected.key_id == Some(id), "{introspected:?}");
    client.revoke(&tokens[0]).await.unwrap();
    assert!(!caller_of(&client, &demo).await.introspect(&tokens[0]).await.unwrap().active);

    let revoked = caller.revoke_api_key(Place::Current, id).await.unwrap();
    let receipt = caller.receipt(revoked.revision.unwrap()).await.unwrap();
    assert_eq!(receipt.receipt.revision, revoked.revision.unwrap().to_string());

    let personal =
        caller.create_personal_access_key(Place::Current, &PersonalAccessKeyBody { name: "laptop".to_owned(), expires_at: None }).await.unwrap().value;
    let renamed = caller.rename_personal_access_key(Place::Current, personal.item.id, "old laptop").await.unwrap().value;
    assert_eq!(renamed.name, "old laptop");
    client.exchange_personal_access_key(&personal.key, None).await.unwrap();

    caller.invite(root, "new@acme.example", vec!["view-build".to_owned()]).await.unwrap();
    assert_eq!(caller.invitations(root).await.unwrap().iter().map(|one| one.user_email.as_str()).collect::<Vec<_>>(), ["new@acme.example"]);
    caller.revoke_invitation(root, "new@acme.example").await.unwrap();
    assert!(caller.invitations(root).await.unwrap().is_empty());
    assert_eq!(caller.organization(root).await.unwrap().item.name, "Acme");
    demo.program.end().await.succeeded();
}

/// With an access token of the owner's key, as introspection takes it.
async fn caller_of(client: &Client, demo: &Demo) -> keywright_client::Authorized {
    let token = client.exchange(&demo.key("owner"), &Wanted::default()).await.unwrap();
    client.with_token(&token.access_token)
}
