//! What does not depend on the engine: tokens in the header, mounting, the file, the OpenAPI document.

use crate::common::{ACME, MANAGER, OTHER, START, VIEWER, World, organization};
use axum::{Router, body::Body, http::Request, routing::get};
use keywright_db::{Writes, testing};
use keywright_distribution::{Distribution, Error, FileSettings, Location, MIGRATIONS, PERMISSIONS, openapi};
use keywright_protocol::Clock;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PROFILES: &str = "/distribution/v2/profiles";

#[tokio::test]
async fn tokens_are_taken_raw_or_as_bearer() {
    let test = testing::sqlite(Writes::Plain, MIGRATIONS).await;
    let world = World::new(test.db);
    let token = world.token(ACME, VIEWER);
    for value in [token.clone(), format!("Bearer {token}"), format!("bEARER {token}"), format!("  Bearer   {token}  ")] {
        let request = Request::get(PROFILES).header("authorization", &value).body(Body::empty());
        world.send(request.unwrap()).await.good();
    }
    world.send(Request::get(PROFILES).body(Body::empty()).unwrap()).await.fails(401, "unauthorized");
    let tampered = format!("{}x", token.rsplit_once('.').unwrap().0);
    for value in [tampered, format!("Basic {token}"), "x".to_owned()] {
        for (method, body) in [("GET", ""), ("POST", "{")] {
            let request = Request::builder().method(method).uri(PROFILES).header("authorization", &value).body(Body::from(body));
            let answer = world.send(request.unwrap()).await;
            assert_eq!(answer.status, 401, "{value}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
    }
}

#[tokio::test]
async fn it_merges_into_a_larger_router() {
    let test = testing::sqlite(Writes::Plain, MIGRATIONS).await;
    let mut world = World::new(test.db);
    world.router = Router::new().route("/open", get(async || "open")).merge(world.router).fallback(async || "nothing here");
    let open = world.send(Request::get("/open").body(Body::empty()).unwrap()).await;
    assert_eq!(open.bytes, "open");
    world.get(VIEWER, PROFILES).await.good();
    let answer = world.get(VIEWER, "/distribution/v2/profiles/1/2/3").await;
    assert_eq!(answer.bytes, "nothing here");
    let answer = world.call(MANAGER, "DELETE", PROFILES, "").await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET,HEAD,POST"));
}

#[tokio::test]
async fn a_file_keeps_its_profiles() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::Sqlite { path: folder.path().join("distribution.db") };
    let files = FileSettings { folder: folder.path().join("files"), max_bytes: 1 };
    let first = Distribution::open(&location, &files, Clock::stepped(START)).await.unwrap();
    let id = first.insert_profile(organization(ACME), " Night ", START).await.unwrap();
    assert!(matches!(first.insert_profile(organization(ACME), "Night", START).await, Err(Error::NameTaken(_))));
    assert!(matches!(first.insert_profile(organization(ACME), "", START).await, Err(Error::Invalid(_))));
    assert_ne!(first.insert_profile(organization(OTHER), "Night", START).await.unwrap(), id);
    first.close().await;
    let second = Distribution::open(&location, &files, Clock::stepped(START)).await.unwrap();
    assert!(matches!(second.insert_profile(organization(ACME), "Night", START).await, Err(Error::NameTaken(_))));
    second.close().await;
}

fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |(method, operation)| (path.as_str(), method.as_str(), operation))).collect()
}

#[test]
fn the_document_has_every_route_and_every_answer_with_an_example() {
    let document = json!(openapi());
    let mut found = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{path} {method}: an id of its own");
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses {
            let content = &response["content"];
            if content.get("application/octet-stream").is_none() {
                assert!(content["application/json"].get("example").is_some(), "{method} {path} {status}");
                assert!(content["application/json"].get("schema").is_some(), "{method} {path} {status}");
            }
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter.get("example").is_some() && parameter.get("description").is_some(), "{method} {path}: {parameter}");
        }
        let statuses: Vec<&str> = responses.keys().map(String::as_str).collect();
        found.insert((path.replace("/distribution/v1/", "/distribution/v2/"), method.to_owned(), statuses.join(" ")));
    }
    assert_eq!(ids.len(), 2 * 22 + 1);
    let expected = [
        ("/distribution/v2/profiles", "get", "200 400 401 403 500 503"),
        ("/distribution/v2/profiles", "post", "200 400 401 403 409 413 500 503"),
        ("/distribution/v2/profiles/{id}", "get", "200 401 403 404 500 503"),
        ("/distribution/v2/profiles/{id}", "patch", "200 400 401 403 404 409 413 500 503"),
        ("/distribution/v2/profiles/{id}", "delete", "200 401 403 404 500 503"),
        ("/distribution/v2/profiles/{id}/settings", "get", "200 401 403 404 500 503"),
        ("/distribution/v2/profiles/{id}/settings", "patch", "200 400 401 403 404 413 500 503"),
        ("/distribution/v2/profiles/{id}/app-versions", "get", "200 400 401 403 404 413 429 500 503"),
        ("/distribution/v2/profiles/{id}/app-versions", "post", "200 400 401 403 404 408 409 413 429 500 503"),
        ("/distribution/v2/profiles/{id}/app-versions/{versionId}", "get", "200 401 403 404 500 503"),
        ("/distribution/v2/profiles/{id}/app-versions/{versionId}", "patch", "200 400 401 403 404 413 500 503"),
        ("/distribution/v2/profiles/{id}/app-versions/{versionId}", "delete", "200 401 403 404 500 503"),
        ("/distribution/v2/profiles/{id}/app-versions/{versionId}/download", "get", "200 401 403 404 500 503"),
        ("/distribution/v2/uploads/{fileId}", "put", "200 400 403 408 409 500 503"),
        ("/distribution/v2/uploads/{fileId}", "post", "200 400 403 408 409 500 503"),
        ("/distribution/v2/testing-groups", "get", "200 400 401 403 500 503"),
        ("/distribution/v2/testing-groups", "post", "200 400 401 403 409 413 500 503"),
        ("/distribution/v2/testing-groups/{id}", "get", "200 401 403 404 500 503"),
        ("/distribution/v2/testing-groups/{id}", "patch", "200 400 401 403 404 409 413 500 503"),
        ("/distribution/v2/testing-groups/{id}", "delete", "200 401 403 404 500 503"),
        ("/distribution/v2/testing-groups/{id}/testers", "post", "200 400 401 403 404 413 500 503"),
        ("/distribution/v2/testing-groups/{id}/testers", "delete", "200 400 401 403 404 413 500 503"),
        ("/task/v1/tasks/{id}", "get", "200 401 403 404 500 503"),
    ];
    assert_eq!(found, expected.map(|(path, method, statuses)| (path.to_owned(), method.to_owned(), statuses.to_owned())).into());
    assert_eq!(document["components"]["securitySchemes"]["accessToken"]["scheme"], "bearer");
    assert_eq!(document["security"], json!([{ "accessToken": [] }]));
    assert!(document["info"]["description"].as_str().unwrap().contains("Authorization"));
    assert!(document["components"]["schemas"]["ErrorBody"].is_object());
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn walk(value: &Value, document: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                    assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
                }
                members.values().for_each(|member| walk(member, document));
            }
            Value::Array(elements) => elements.iter().for_each(|element| walk(element, document)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = json!(openapi());
    walk(&document, &document);
}

#[tokio::test]
async fn the_documents_examples_are_what_is_sent() {
    let test = testing::sqlite(Writes::Plain, MIGRATIONS).await;
    let world = World::new(test.db);
    let document = json!(openapi());
    let example = |path: &str, method: &str| document["paths"][path][method].clone();
    let create = example(PROFILES, "post");
    let made = world.call("owner", "POST", PROFILES, create["requestBody"]["content"]["application/json"]["example"].to_string()).await.good();
    let id = made["id"].as_str().unwrap();
    let group = world.group("Friends").await;
    // In the order in which one comes of another; what differs from run to run is left out.
    let one = "/distribution/v2/profiles/{id}";
    let versions = format!("{one}/app-versions");
    let version = format!("{versions}/{{versionId}}");
    let groups = "/distribution/v2/testing-groups";
    let mut known = vec![("{id}/testers".to_owned(), format!("{group}/testers")), ("{id}".to_owned(), id.to_owned())];
    let mut shown = Vec::new();
    for (path, method, query) in [
        (versions.as_str(), "get", "?action=uploadInformation&fileSize=5"),
        (versions.as_str(), "post", "?action=commitFileUpload"),
        (version.as_str(), "get", ""),
        (version.as_str(), "patch", "?action=updateMessage"),
        (one, "patch", ""),
        (one, "get", ""),
        (PROFILES, "get", ""),
        ("/distribution/v2/profiles/{id}/settings", "patch", ""),
        ("/distribution/v2/testing-groups/{id}/testers", "post", ""),
        (groups, "get", ""),
        (version.as_str(), "delete", ""),
        (one, "delete", ""),
    ] {
        let operation = example(path, method);
        let mut body = operation["requestBody"]["content"]["application/json"]["example"].clone();
        if body.get("testingGroupIds").is_some() {
            body["testingGroupIds"] = json!([group]);
        }
        if body.get("fileId").is_some() {
            body["fileId"] = shown.last().map(|sent: &Value| sent["fileId"].clone()).unwrap();
        }
        let real = known.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value));
        let answer =
            world.call("owner", &method.to_uppercase(), &format!("{real}{query}"), if body.is_null() { String::new() } else { body.to_string() }).await;
        let sent = answer.good();
        if let Some(url) = sent["uploadUrl"].as_str() {
            let put = Request::put(url.strip_prefix(crate::common::BASE).unwrap()).body(Body::from("hello")).unwrap();
            assert_eq!(
                members(&world.send(put).await.good()),
                members(&example("/distribution/v2/uploads/{fileId}", "put")["responses"]["200"]["content"]["application/json"]["example"])
            );
        }
        if let Some(version) = sent["appVersionId"].as_str() {
            known.insert(0, ("{versionId}".to_owned(), version.to_owned()));
        }
        assert_eq!(members(&sent), members(&operation["responses"]["200"]["content"]["application/json"]["example"]), "{method} {path}");
        shown.push(sent);
    }
    let task = example("/task/v1/tasks/{id}", "get");
    let sent = world.get("owner", &format!("/task/v1/tasks/{}", shown[1]["taskId"].as_str().unwrap())).await.good();
    assert_eq!(members(&sent), members(&task["responses"]["200"]["content"]["application/json"]["example"]));
    let missing = world.get("owner", "/distribution/v2/profiles/x").await.json();
    assert_eq!(missing, example(one, "get")["responses"]["404"]["content"]["application/json"]["example"]);
}

/// Names of members with the kind of their values, at all depths.
fn members(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), members(value))).collect(),
        Value::Array(elements) => elements.first().map_or(json!([]), |first| json!([members(first)])),
        Value::String(_) => json!("text"),
        Value::Number(_) => json!("number"),
        Value::Bool(_) => json!("truth"),
        Value::Null => json!(null),
    }
}

#[test]
fn the_permissions_it_needs_are_told() {
    let expected = BTreeSet::from([
        "distribution.profile.view",
        "distribution.profile.manage",
        "distribution.profile.settings",
        "distribution.auth.select",
        "distribution.auth.view",
        "distribution.app-version.manage",
        "distribution.app-version.download",
        "distribution-group.group.view",
        "distribution-group.group.manage",
        "distribution-group.tester.view",
        "distribution-group.tester.manage",
    ]);
    assert_eq!(PERMISSIONS.iter().copied().collect::<BTreeSet<_>>(), expected);
}
