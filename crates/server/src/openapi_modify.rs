//! What many operations have in common is written into the specs here, once, instead of at each of them.

use crate::openapi_examples::{FITTING, FRESH};
use http::StatusCode;
use keywright_core::Error;
use keywright_protocol::ErrorBody;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::{
    Modify,
    openapi::{
        ContentBuilder, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder, Type,
        example::ExampleBuilder,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
    },
};

const JSON: &str = "application/json";
/// Changes of the identity API that no operator key may make.
const FOR_PEOPLE_ALONE: [&str; 17] = [
    "rotateSigningKeys",
    "revokeSigningKey",
    "diffCatalog",
    "applyCatalog",
    "createOperatorKey",
    "createPersonalAccessKey",
    "createWebhook",
    "deleteWebhook",
    "pingWebhook",
    "redeliver",
    "renamePersonalAccessKey",
    "revokeAll",
    "revokeOperatorKey",
    "rotateOperatorKey",
    "rotateWebhook",
    "setPolicy",
    "updateWebhook",
];

/// Headers and parameters that all changes and all reads of whoever has authenticated take and answer.
pub(crate) struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut OpenApi) {
        for (path, item) in &mut document.paths.paths {
            let (identity, sessions) =
                (path.starts_with("/identity/"), ["/auth/v1/sessions", "/auth/v1/second-factor"].iter().any(|own| path.starts_with(own)));
            for (kind, operation) in operations(item) {
                match kind {
                    _ if operation.security.is_none() => {}
                    Kind::Change if identity => change(operation),
                    Kind::Read if identity || sessions => read(operation),
                    Kind::Change | Kind::Read => {}
                }
            }
        }
    }
}

/// Examples that fit an operation, in the place of those that all have.
pub(crate) struct Examples;

impl Modify for Examples {
    fn modify(&self, document: &mut OpenApi) {
        for (_, operation) in document.paths.paths.values_mut().flat_map(operations) {
            let id = operation.operation_id.clone().unwrap_or_default();
            for (_, status, code, sentence) in FITTING.iter().filter(|(operations, ..)| operations.contains(&id.as_str())) {
                set_example(operation, status, example(code, *sentence));
            }
            if let Some((_, what)) = FRESH.iter().find(|(operations, _)| operations.contains(&id.as_str())) {
                let error = Error::NotFresh(what);
                add_example(operation, "403", ("session_not_fresh", "The password was given too long ago"), example(error.code(), error.to_string()));
            }
        }
    }
}

/// Answers and parameters that several operations have alike stand once, under a name, and the operations refer to them. To be done
/// last.
pub(crate) struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut OpenApi) {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (_, operation) in document.paths.paths.values_mut().flat_map(operations) {
            for (status, response) in &operation.responses.responses {
                *counts.entry(written(status, response)).or_default() += 1;
            }
        }
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let components = document.components.get_or_insert_default();
        for (_, operation) in document.paths.paths.values_mut().flat_map(operations) {
            for (status, response) in &mut operation.responses.responses {
                let text = written(status, response);
                if counts.get(&text).is_none_or(|count| *count < 2) {
                    continue;
                }
                let reason = reason_of(status);
                let next = || {
                    let taken = components.responses.keys().filter(|name| name.trim_end_matches(|last: char| last.is_ascii_digit()) == reason).count();
                    if taken == 0 { reason.clone() } else { format!("{reason}{}", taken + 1) }
                };
                let name = names.entry(text).or_insert_with(next).clone();
                let shared = std::mem::replace(response, RefOr::Ref(Ref::from_response_name(&name)));
                components.responses.entry(name).or_insert(shared);
            }
        }
    }
}

fn written(status: &str, response: &RefOr<Response>) -> String {
    format!("{status} {}", serde_json::to_string(response).unwrap_or_default())
}

/// The standard's reason of a status, in one word.
fn reason_of(status: &str) -> String {
    let reason = status.parse::<StatusCode>().ok().and_then(|status| status.canonical_reason());
    reason.unwrap_or("Answer").split([' ', '-']).collect()
}

/// What an operation does to what there is.
#[derive(Clone, Copy)]
enum Kind {
    Read,
    Change,
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Kind, &mut Operation)> {
    let changes = [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete].map(|operation| (Kind::Change, operation));
    [(Kind::Read, &mut item.get)].into_iter().chain(changes).filter_map(|(kind, operation)| operation.as_mut().map(|operation| (kind, operation)))
}

fn read(operation: &mut Operation) {
    let minimum = parameter(ParameterIn::Header, "Keywright-Min-Revision", "1.42")
        .description(Some("A `Keywright-Revision` that was answered: this answer knows of that change. 503 if it is not reached within 2 s."));
    operation.parameters.get_or_insert_default().push(RefOr::T(minimum.build()));
    let responses = &mut operation.responses.responses;
    responses.entry("400".to_owned()).or_insert_with(|| refusal("Something in the request cannot be used.", Value::Null));
    default_example(operation, "400", "Keywright-Min-Revision must be a revision as Keywright-Revision answers it, for example 1.42");
}

fn change(operation: &mut Operation) {
    let for_operators = operation.operation_id.as_ref().is_none_or(|id| !FOR_PEOPLE_ALONE.contains(&id.as_str()));
    let parameters = operation.parameters.get_or_insert_default();
    if for_operators {
        let whom = parameter(ParameterIn::Query, "onBehalfOf", "customer-17")
            .description(Some("For whom an operator key does it, 1 to 128 characters, for the log. An operator key must say it; others need not."));
        parameters.push(RefOr::T(whom.build()));
    }
    let key = parameter(ParameterIn::Header, "Idempotency-Key", "8d7f0a52-3c41-4a1e-9a53-0f1f6d2b7c90").description(Some(
        "1 to 255 visible ASCII characters, another one for each request. The change is made once in 24 hours; a repetition gets the first answer.",
    ));
    parameters.push(RefOr::T(key.build()));
    for (_, response) in operation.responses.responses.iter_mut().filter(|(status, _)| status.starts_with('2')) {
        if let RefOr::T(response) = response {
            header(response, "Keywright-Revision", "The revision of the change.");
            header(response, "Idempotency-Replayed", "`true` for a repetition, whose answer is that of the first time; absent otherwise.");
        }
    }
    let reused = refusal("This `Idempotency-Key` came with another request before.", example(Error::KeyReused.code(), Error::KeyReused.to_string()));
    operation.responses.responses.insert("422".to_owned(), reused);
    let once = "this request was carried out before, at revision 1.42, and its answer is not kept, or not yet; look at what is there now, or ask once more in a second";
    set_example(operation, "409", example("idempotency_answer_not_kept", once));
    default_example(
        operation,
        "400",
        if for_operators {
            "onBehalfOf: say in this query parameter for whom it is done, in 1 to 128 characters; it is written down with each change by an operator key"
        } else {
            "Idempotency-Key: must be 1 to 255 visible ASCII characters, such as a UUID, and another one for each request"
        },
    );
}

fn parameter(place: ParameterIn, name: &str, shown: &str) -> ParameterBuilder {
    ParameterBuilder::from(Parameter::new(name))
        .parameter_in(place)
        .required(Required::False)
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .example(Some(json!(shown)))
}

fn header(response: &mut Response, name: &str, description: &str) {
    let text = || HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).description(Some(description)).build();
    response.headers.entry(name.to_owned()).or_insert_with(|| RefOr::T(text()));
}

fn refusal(description: &str, example: Value) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).example(Some(example)).build();
    RefOr::T(ResponseBuilder::new().description(description).content(JSON, content).build())
}

fn example(code: &str, sentence: impl Into<String>) -> Value {
    json!(ErrorBody::new(code, sentence))
}

fn default_example(operation: &mut Operation, status: &str, sentence: &str) {
    set_example(operation, status, example("invalid_request", sentence));
}

/// In the place of the one that all operations have.
fn set_example(operation: &mut Operation, status: &str, value: Value) {
    if let Some(RefOr::T(response)) = operation.responses.responses.get_mut(status)
        && let Some(RefOr::T(content)) = response.content.get_mut(JSON)
    {
        content.example = Some(value);
    }
}

/// Besides the one that is there; a content has either one example or several with names.
fn add_example(operation: &mut Operation, status: &str, (name, summary): (&str, &str), value: Value) {
    if let Some(RefOr::T(response)) = operation.responses.responses.get_mut(status)
        && let Some(RefOr::T(content)) = response.content.get_mut(JSON)
    {
        if let Some(first) = content.example.take() {
            let named = first.get("error").and_then(Value::as_str).unwrap_or_default().to_owned();
            content.examples.insert(named, RefOr::T(ExampleBuilder::new().value(Some(first)).build()));
        }
        content.examples.insert(name.to_owned(), RefOr::T(ExampleBuilder::new().summary(summary).value(Some(value)).build()));
    }
}
