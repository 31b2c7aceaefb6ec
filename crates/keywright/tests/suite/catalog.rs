//! `keywright catalog`: looked at without a server, compared and applied through a socket or on the database.

use crate::{
    admin::OwnerKey,
    http::{catalog, claims, exchange, get, token_of, try_exchange_api_key},
    process::{Ended, PRESET, Place, text},
};
use serde_json::{Value, json};

/// The catalog of the documentation, in ten lines.
const OWN: &str = r#"[apis.invoices]
audience = "https://api.example.com"
permissions = { "invoices.read" = "See invoices", "invoices.write" = "Create and change invoices" }
[roles.accountant]
name = "Accountant"
permissions = ["invoices.read", "invoices.write"]
"#;

/// A configuration that names a catalog file, and the file.
struct Configured {
    place: Place,
    config: String,
}

impl Configured {
    fn new(own: &str) -> Self {
        let place = Place::new();
        let file = place.write("catalog.toml", own);
        let config = place.write("keywright.toml", &format!("[catalog]\nfile = \"{file}\"\n"));
        Self { place, config }
    }

    fn rewrite(&self, own: &str) {
        self.place.write("catalog.toml", own);
    }

    async fn catalog(&self, arguments: &[&str]) -> Ended {
        let data = self.place.data();
        self.place.run(&[&["catalog", "--config", &self.config, "--data-dir", &data], arguments].concat(), &[]).await
    }

    async fn catalog_json(&self, arguments: &[&str]) -> Value {
        self.catalog(&[arguments, &["--json"]].concat()).await.json()
    }
}

/// With tokens for the API of the ten lines.
fn for_the_api(own: &str) -> String {
    format!("default_audience = \"https://api.example.com\"\n{own}")
}

/// An API Key with the role `accountant`; gives its organization and its secret.
async fn accountant(place: &Place) -> (String, String) {
    let organization = text(&place.admin_json(&["organization", "create", "--name", "Initech"]).await, "id");
    let grant = format!("{organization}=accountant");
    let key = place.admin_json(&["key", "create-api", "--organization", &organization, "--name", "books", "--grant", &grant]).await;
    (organization, text(&key, "secret"))
}

async fn scope(base: &str, secret: &str) -> Value {
    claims(&token_of(&try_exchange_api_key(base, "books", secret).await))["scope"].clone()
}

/// Reddens when anything of the preset is built in: the document, the roles, or what a token says.
#[tokio::test]
async fn a_server_with_a_catalog_of_ten_lines_has_no_word_of_the_preset() {
    let own = Configured::new(OWN);
    let server = own.place.serve(&["--config", &own.config], &[]).await;
    let roles = get(&server.base, "/roles.json?v=5").await;
    let expected = json!([
        { "title": "Organization Management", "module": "organization", "multi": true,
            "roles": [{ "key": "manage-organization", "name": "Manager" }, { "key": "view-organization", "name": "Viewer" }] },
        { "title": "Roles", "module": "roles", "multi": true, "roles": [{ "key": "accountant", "name": "Accountant" }] }
    ]);
    assert_eq!((roles.status, roles.json()), (200, expected));
    let owner = OwnerKey::make(&own.place).await;
    let all = [catalog(&server.base).await.to_string(), roles.text, claims(&exchange(&server.base, &owner.secret).await).to_string()].concat();
    assert!(all.contains("invoices") || all.contains("accountant"));
    for word in ["appcircle", "distribution", "codepush", "signing", "publish", "enterprise", "billing", "build", "environment"] {
        assert!(!all.to_lowercase().contains(word), "{word}");
    }
    server.end().await;
}

#[tokio::test]
async fn a_check_needs_no_database_and_names_the_mistake() {
    let own = Configured::new(OWN);
    let said = own.catalog(&["check"]).await.succeeded();
    assert!(said.starts_with("the catalog can be used: 2 APIs, 12 permissions, 1 module, 4 roles, 0 conditions"), "{said}");
    let counts = own.catalog_json(&["check"]).await;
    assert_eq!(counts, json!({ "apis": 2, "permissions": 12, "modules": 1, "roles": 4, "conditions": 0, "defaultAudience": null }));
    let with_preset = own.catalog_json(&["check", "--preset", "appcircle"]).await;
    assert_eq!((&with_preset["modules"], with_preset["roles"].as_u64() > Some(30)), (&json!(13), true), "{with_preset}");

    for (name, mistake, parts) in [
        ("ghost", OWN.replace("\"invoices.write\"]", "\"invoices.wirte\"]"), &["accountant", "invoices.wirte", "no API has"][..]),
        ("audience", format!("default_audience = \"https://other.example.com\"\n{OWN}"), &["https://other.example.com", "no API"]),
        ("syntax", OWN.replace("name = \"Accountant\"", "name = Accountant"), &["line 5"]),
        ("unknown", OWN.replace("name = \"Accountant\"", "name = \"Accountant\"\ncolour = \"red\""), &["line 6", "colour"]),
    ] {
        let file = own.place.write(&format!("{name}.toml"), &mistake);
        own.catalog(&["check", "--file", &file]).await.assert_refused(&[&[file.as_str()], parts].concat());
    }
    own.catalog(&["check", "--file", &own.place.text("none.toml")]).await.assert_refused(&["none.toml"]);
    own.catalog(&["check", "--preset", "other"]).await.assert_refused(&["other", "appcircle"]);
    assert!(!own.place.path("data").exists(), "nothing was made");
    own.catalog(&["diff"]).await.assert_refused(&["there is no data folder", "keywright serve"]);
    own.catalog(&["apply"]).await.assert_refused(&["there is no data folder", "keywright serve"]);
}

#[tokio::test]
async fn a_running_server_takes_another_catalog_without_a_restart() {
    let own = Configured::new(&for_the_api(OWN));
    let server = own.place.serve(&["--config", &own.config], &[]).await;
    let (organization, secret) = accountant(&own.place).await;
    assert_eq!(scope(&server.base, &secret).await, "invoices.read invoices.write");
    let said = own.catalog(&["diff"]).await.succeeded();
    assert!(said.contains("nothing changes"), "{said}");

    own.rewrite(&for_the_api(&OWN.replace("[\"invoices.read\", \"invoices.write\"]", "[\"invoices.read\"]")));
    let said = own.catalog(&["diff"]).await.succeeded();
    let lines: Vec<&str> = said.lines().collect();
    let place = format!("  in {organization} \"Initech\": 1 API Key");
    let expected = ["roles changed: accountant", "who holds accountant: loses invoices.write", &place, "the tokens of one key for one organization end"];
    assert_eq!(lines, expected);
    assert_eq!(scope(&server.base, &secret).await, "invoices.read invoices.write", "a difference changes nothing");

    let before = catalog(&server.base).await;
    let applied = own.catalog_json(&["apply"]).await;
    assert_eq!((&applied["reply"], &applied["diff"]["generationsEnded"]), (&json!("catalog-applied"), &json!(1)), "{applied}");
    assert_eq!(applied["diff"]["held"][0]["loses"], json!(["invoices.write"]));
    assert_eq!(scope(&server.base, &secret).await, "invoices.read");
    let after = catalog(&server.base).await;
    assert_eq!(applied["revision"], format!("{}.{}", after["history"], after["revision"]));
    assert!(after["revision"].as_i64() > before["revision"].as_i64());
    server.end().await;

    // The configuration says the same, so that the next start changes nothing.
    let again = own.place.serve(&["--config", &own.config], &[]).await;
    assert_eq!(catalog(&again.base).await["revision"], after["revision"]);
    again.end().await;
}

#[tokio::test]
async fn the_same_acts_work_while_no_server_runs() {
    let own = Configured::new(&for_the_api(OWN));
    own.place.serve(&["--config", &own.config], &[]).await.end().await;
    let (_, secret) = accountant(&own.place).await;
    own.rewrite(&for_the_api(&OWN.replace("[roles.accountant]", "[roles.bookkeeper]").replace("\"invoices.read\", ", "")));
    let told = own.catalog_json(&["diff"]).await;
    let held = &told["diff"]["held"][0];
    assert_eq!((&held["role"], &held["vanishes"], &held["loses"]), (&json!("accountant"), &json!(true), &json!(["invoices.read", "invoices.write"])));

    let refusal = ["no role `accountant`", "which members or keys hold", "--replace accountant=NEW"];
    own.catalog(&["apply"]).await.assert_refused(&refusal);
    own.place.serve_in_vain(&["--config", &own.config], &[]).await.assert_refused(&refusal);
    own.catalog(&["apply", "--replace", "accountant=owner"]).await.assert_refused(&["nobody becomes Owner"]);
    own.catalog(&["apply", "--replace", "accountant=ghost"]).await.assert_refused(&["no role `ghost`"]);
    let said = own.catalog(&["apply", "--replace", "accountant=bookkeeper"]).await.succeeded();
    assert!(said.contains("who holds accountant: gets bookkeeper instead; loses invoices.read"), "{said}");
    assert!(said.lines().last().unwrap().starts_with("done, revision "), "{said}");

    let server = own.place.serve(&["--config", &own.config], &[]).await;
    assert_eq!(scope(&server.base, &secret).await, "invoices.write");
    server.end().await;
}

#[tokio::test]
async fn a_catalog_as_large_as_the_preset_goes_through_the_socket() {
    let own = Configured::new(OWN);
    let server = own.place.serve(&["--config", &own.config], &[]).await;
    own.place.write("keywright.toml", "[catalog]\npreset = \"appcircle\"\n");
    let applied = own.catalog_json(&["apply"]).await;
    assert_eq!(applied["diff"]["roles"]["removed"], json!(["accountant"]), "nobody held it");
    let owner = OwnerKey::make(&own.place).await;
    assert_eq!(claims(&exchange(&server.base, &owner.secret).await)["roles"], json!(["owner"]));
    server.end().await;
    own.place.serve(&[], &[PRESET]).await.end().await;
}
