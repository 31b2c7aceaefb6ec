//! The API page and its documents: whoever reads them can call every route.

use crate::support::{fails, resolve};
use keywright_protocol::paths::OPENAPI_PAGE;
use keywright_server::config::RemoteSpec;
use keywright_testkit::{Actor, TestServer};
use serde_json::Value;

const OAUTH: &str = "/openapi/oauth.json";
const AUTH: &str = "/openapi/auth.json";
const IDENTITY: &str = "/openapi/identity.json";
const GATEWAY: &str = "/openapi/gateway.json";
const DISTRIBUTION: &str = "/openapi/distribution.json";

#[tokio::test]
async fn the_page_lists_every_document_by_name() {
    let server = TestServer::start_with(|config| {
        config.openapi.specs = vec![RemoteSpec { name: "billing".to_owned(), url: "https://api.example.com/openapi/billing.json".to_owned() }];
    })
    .await;
    let page = server.get(Actor::Anonymous, &format!("{OPENAPI_PAGE}?urls.primaryName=auth")).await;
    assert_eq!((page.status.as_u16(), page.header("content-type").as_str()), (200, "text/html"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("connect-src 'self' https://api.example.com;"), "{policy}");
    let script = server.get(Actor::Anonymous, "/openapi/swagger-initializer.js").await;
    for (name, url) in [
        ("oauth", OAUTH),
        ("auth", AUTH),
        ("identity", IDENTITY),
        ("gateway", GATEWAY),
        ("distribution", DISTRIBUTION),
        ("billing", "https://api.example.com/openapi/billing.json"),
    ] {
        assert!(script.text.contains(&format!(r#""name": "{name}""#)) && script.text.contains(&format!(r#""url": "{url}""#)), "{}", script.text);
    }
    for file in ["swagger-ui-bundle.js", "swagger-ui.css"] {
        assert_eq!(server.get(Actor::Anonymous, &format!("/openapi/{file}")).await.status, 200, "the page needs nothing from elsewhere");
    }
    let redirect = server.get(Actor::Anonymous, "/openapi").await;
    assert_eq!((redirect.status.as_u16(), redirect.header("location").as_str()), (308, OPENAPI_PAGE));
    for missing in ["/openapi/nothing.html", "/openapi/..%2Findex.html", "/openapi/billing.json"] {
        fails(&server.get(Actor::Anonymous, missing).await, 404, "not_found");
    }
    server.end().await;
}

/// `(method, path, operation)` of a document.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |(method, operation)| (method.as_str(), path.as_str(), operation))).collect()
}

fn check_responses(document: &Value, at: &str, operation: &Value) {
    let responses = operation["responses"].as_object().unwrap();
    assert!(responses.keys().any(|status| status.starts_with('2')), "{at}: success");
    for (status, response) in responses {
        let response = resolve(document, response);
        assert!(response["description"].as_str().is_some_and(|text| text.len() > 5), "{at} {status}: description");
        let content = response["content"].as_object().unwrap_or_else(|| panic!("{at} {status}: content"));
        for (media_type, body) in content {
            let schema = resolve(document, &body["schema"]);
            assert!(!schema.is_null() || body.get("example").is_some(), "{at} {status} {media_type}: schema or example");
            if status.starts_with('4') {
                assert_eq!(media_type, "application/json", "{at} {status}");
                assert_eq!(body["schema"]["$ref"], "#/components/schemas/ErrorBody", "{at} {status}");
                let several = body["examples"].as_object().into_iter().flat_map(serde_json::Map::values).map(|example| &example["value"]);
                let examples: Vec<&Value> = body.get("example").into_iter().chain(several).collect();
                assert!(!examples.is_empty(), "{at} {status}: an example");
                for example in examples {
                    assert!(["error", "error_description", "message"].iter().all(|name| example[name].is_string()), "{at} {status}: {example}");
                    assert_eq!(example["message"], example["error_description"], "{at} {status}");
                }
            }
        }
    }
}

#[tokio::test]
async fn every_operation_is_described_with_its_parameters_answers_and_examples() {
    let server = TestServer::start().await;
    for (path, count) in [(AUTH, 33), (IDENTITY, 77), (DISTRIBUTION, 45)] {
        let answer = server.get(Actor::Anonymous, path).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type").as_str()), (200, "application/json"));
        let document = answer.json();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
        assert!(document["info"]["description"].as_str().unwrap().contains("/auth/v3/token"), "{path} says how to authenticate");
        assert_eq!(document["components"]["securitySchemes"].as_object().unwrap().len(), 1, "{path}");
        let mut ids = std::collections::BTreeSet::new();
        for (method, route, operation) in operations(&document) {
            let at = format!("{method} {route}");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{at}: summary");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{at}: an id of its own");
            check_responses(&document, &at, operation);
            let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
            for name in route.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                assert!(parameters.iter().any(|parameter| parameter["in"] == "path" && parameter["name"] == name), "{at}: {name}");
            }
            for parameter in parameters {
                assert!(parameter["description"].is_string() && parameter.get("schema").is_some(), "{at}: {parameter}");
            }
            if let Some(body) = operation.get("requestBody") {
                for media in body["content"].as_object().unwrap().values() {
                    // A body that may be left out is one of null and itself.
                    let schema =
                        media["schema"]["oneOf"].as_array().and_then(|either| either.iter().find(|one| one.get("$ref").is_some())).unwrap_or(&media["schema"]);
                    let schema = resolve(&document, schema);
                    let is_a_file = schema["format"] == "binary";
                    assert!(is_a_file || schema["properties"].is_object() || schema["items"].is_object(), "{at}: the body's members");
                }
            }
        }
        assert_eq!(ids.len(), count, "{path}");
    }
    server.end().await;
}

/// Every `$ref` in a value, at any depth.
fn references(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(members) if members.get("$ref").is_some_and(Value::is_string) => vec![value],
        Value::Object(members) => members.values().flat_map(references).collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// A schema that only an answer names is easily left out of a document.
#[tokio::test]
async fn every_reference_of_every_document_leads_somewhere() {
    let server = TestServer::start().await;
    for path in [OAUTH, AUTH, IDENTITY, GATEWAY, DISTRIBUTION] {
        let document = server.get(Actor::Anonymous, path).await.json();
        let references = references(&document);
        assert!(path == GATEWAY || !references.is_empty(), "{path}");
        for reference in references {
            assert!(resolve(&document, reference).is_object(), "{path}: {reference}");
        }
    }
    server.end().await;
}

/// Gateways take no body, so that all there is to say stands in headers.
#[tokio::test]
async fn checks_for_gateways_are_described_by_their_headers() {
    let server = TestServer::start().await;
    let document = server.get(Actor::Anonymous, GATEWAY).await.json();
    let operations = operations(&document);
    assert_eq!(operations.len(), 2);
    for (_, route, operation) in operations {
        for status in ["200", "401", "403", "429", "503"] {
            let response = &operation["responses"][status];
            assert!(response["description"].as_str().is_some_and(|text| text.contains("The body is empty")), "{route} {status}");
            assert!(response.get("content").is_none() && response["headers"].as_object().is_some_and(|headers| headers.len() > 2), "{route} {status}");
        }
    }
    server.end().await;
}

/// Reddens when a change or a read loses what all of them take and answer.
#[tokio::test]
async fn changes_document_how_they_are_made_once_and_reads_how_new_they_are() {
    let server = TestServer::start().await;
    for path in [AUTH, IDENTITY] {
        let document = server.get(Actor::Anonymous, path).await.json();
        for (method, route, operation) in operations(&document) {
            let at = format!("{method} {route}");
            let identified = operation.get("security").is_some();
            let takes = |name: &str| operation["parameters"].as_array().into_iter().flatten().filter(|parameter| parameter["name"] == name).count();
            let (read, once) = (identified && method == "get", identified && method != "get" && path == IDENTITY);
            let newest = read && (path == IDENTITY || ["/auth/v1/sessions", "/auth/v1/second-factor"].iter().any(|own| route.starts_with(own)));
            assert_eq!(takes("Keywright-Min-Revision"), usize::from(newest), "{at}");
            assert_eq!(takes("Idempotency-Key"), usize::from(once), "{at}");
            let responses = operation["responses"].as_object().unwrap();
            assert_eq!(responses.contains_key("422"), once, "{at}");
            for (status, response) in responses.iter().filter(|(status, _)| status.starts_with('2')) {
                let headers = &resolve(&document, response)["headers"];
                assert_eq!(headers.get("Idempotency-Replayed").is_some(), once, "{at} {status}");
                assert!(!once || headers["Keywright-Revision"]["description"].is_string(), "{at} {status}");
                assert!(method != "get" || headers.get("Keywright-Revision").is_none(), "{at} {status}: a read changes nothing");
            }
        }
    }
    server.end().await;
}

/// The examples of the token endpoints are what is really sent, but for the values of the case.
#[tokio::test]
async fn an_errors_example_has_the_members_of_the_error() {
    let server = TestServer::start().await;
    let document = server.get(Actor::Anonymous, AUTH).await.json();
    let responses = &document["paths"]["/auth/v3/token"]["post"]["responses"];
    let large = "x".repeat(17 * 1024);
    let key = server.key("owner");
    for (body, status) in [(format!("pat={key}&subOrganization=x"), 400), (format!("pat={key}&subOrganization={}", server.demo.globex.id), 403), (large, 413)] {
        let answer = server.form("/auth/v3/token", &body).await;
        assert_eq!(answer.status, status);
        let example = &resolve(&document, &responses[status.to_string()])["content"]["application/json"]["example"];
        for name in ["error", "error_description", "message"] {
            assert_eq!(example[name], answer.json()[name]);
        }
    }
    server.end().await;
}
