//! The OpenAPI document. Successes stand at the handlers; problems are written here from the table of reasons, so that
//! document and behavior cannot drift: a status in the document is [`http_status`] of a reason listed for its route.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use axum::http::StatusCode;
use serde_json::json;
use tacit_model::{Reason, RequestId};
use utoipa::{
    Modify, OpenApi, PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, HeaderBuilder, ObjectBuilder, OneOfBuilder, Ref, RefOr, Response, ResponseBuilder,
        Schema,
        example::ExampleBuilder,
        path::Operation,
        schema::Type,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{
    answer::{EndBody, RowAnswerBody},
    consents, handlers, receipts,
    types::{QuestionBody, RowBody},
};
use crate::gateway::problem::{Problem, http_status};

/// A list id as text.
pub(super) struct ListIdText;

impl PartialSchema for ListIdText {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("`<holder>/<name>`."))
            .pattern(Some("^[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}$"))
            .examples(["court/judgment-defaulters"])
            .into()
    }
}
impl ToSchema for ListIdText {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ListId")
    }
}

/// A line of a batch's body: the first is a question, the others are rows.
pub(super) struct BatchLine;

impl PartialSchema for BatchLine {
    fn schema() -> RefOr<Schema> {
        one_of::<QuestionBody, RowBody>()
    }
}
impl ToSchema for BatchLine {
    fn schemas(schemas: &mut Schemas) {
        add::<QuestionBody>(schemas);
        add::<RowBody>(schemas);
    }
}

/// A line of a batch's answer: rows, and one end as the last.
pub(super) struct BatchAnswerLine;

impl PartialSchema for BatchAnswerLine {
    fn schema() -> RefOr<Schema> {
        one_of::<RowAnswerBody, EndBody>()
    }
}
impl ToSchema for BatchAnswerLine {
    fn schemas(schemas: &mut Schemas) {
        add::<RowAnswerBody>(schemas);
        add::<EndBody>(schemas);
    }
}

type Schemas = Vec<(String, RefOr<Schema>)>;

fn one_of<A: ToSchema, B: ToSchema>() -> RefOr<Schema> {
    [A::name(), B::name()]
        .into_iter()
        .fold(OneOfBuilder::new(), |of, name| of.item(Ref::from_schema_name(name)))
        .into()
}

/// A schema with all that it refers to.
fn add<T: ToSchema>(schemas: &mut Schemas) {
    T::schemas(schemas);
    schemas.push((T::name().into_owned(), T::schema()));
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tacit gateway",
        description = "Ask lists of other agencies about one subject or many, without telling them whom you ask about. \
            Served by the agency's own node, on loopback only. Each question names its lists, a purpose and a case \
            number, and goes on record before it is answered. Problems are always the same JSON; `reason` is stable. \
            Answers must not be cached, and an answer is not a decision.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        handlers::check, handlers::batch, handlers::plan, consents::ask, consents::search, receipts::search,
        receipts::receipt, handlers::lists, handlers::status, handlers::openapi, handlers::health
    ),
    security(("token" = [])),
    tags(
        (name = "checks", description = "Questions and their answers."),
        (name = "consents", description = "Requests for consent, and what became of them."),
        (name = "receipts", description = "What proves answers, for those whom it concerns."),
        (name = "node", description = "What the node knows and how it is.")
    ),
    modifiers(&Problems)
)]
struct Document;

/// What can also go wrong on every route with a token.
const ALWAYS: &[Reason] = &[Reason::Unauthenticated, Reason::Internal];

/// What can be wrong with a question.
const QUESTION: &[Reason] = &[
    Reason::Malformed,
    Reason::CaseRequired,
    Reason::PurposeRequired,
    Reason::TooLarge,
    Reason::TooMany,
    Reason::UnknownList,
    Reason::UnknownPurpose,
    Reason::CodeSchemeUnknown,
    Reason::CodeNotThisScheme,
];

/// What can become of a question that was good: a refusal, a quota, or trouble between the parties.
fn outcomes() -> BTreeSet<Reason> {
    let may_come = |reason: &Reason| match http_status(*reason) {
        StatusCode::FORBIDDEN => matches!(reason, Reason::NotPermitted | Reason::ConsentRequired),
        StatusCode::UNPROCESSABLE_ENTITY => *reason == Reason::CodeInvalid,
        status => status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
    };
    Reason::all().map(Reason::outward).filter(may_come).collect()
}

/// The reasons that a route can answer with instead of a success.
pub(in crate::gateway) fn reasons(operation: &str) -> BTreeSet<Reason> {
    let mut reasons = BTreeSet::from([Reason::Unavailable, Reason::Overloaded, Reason::Deadline]);
    if matches!(operation, "check" | "askConsent") {
        reasons.extend(outcomes());
    }
    if matches!(operation, "check" | "checkBatch" | "planBatch" | "askConsent") {
        reasons.extend(QUESTION);
    }
    match operation {
        "searchReceipts" => reasons.extend([Reason::Malformed, Reason::TooLarge]),
        "askConsent" => reasons.extend([
            Reason::UnknownMember,
            Reason::ConsentInvalid,
            Reason::Conflict,
            Reason::ConsentDead,
            Reason::WrongRole,
        ]),
        "searchConsents" => reasons.extend([
            Reason::Malformed,
            Reason::TooLarge,
            Reason::CodeInvalid,
            Reason::CodeSchemeUnknown,
        ]),
        "receipt" => reasons.extend([Reason::Malformed, Reason::NotFound]),
        _ => {}
    }
    if !matches!(operation, "openapi" | "health") {
        reasons.extend(ALWAYS);
    }
    reasons
}

/// Statuses that HTTP has for one thing each, beside those of the reasons.
fn special(operation: &str) -> &'static [(StatusCode, Reason, &'static str)] {
    match operation {
        "check" | "checkBatch" | "planBatch" | "searchReceipts" | "askConsent" | "searchConsents" => &[
            (StatusCode::REQUEST_TIMEOUT, Reason::Deadline, "The body did not arrive in time."),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, Reason::Malformed, "The body is of another content type."),
        ],
        _ => &[],
    }
}

struct Problems;

impl Modify for Problems {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of the node's file of tokens; each application has its own."))
            .build();
        let components = document.components.get_or_insert_default();
        components.security_schemes.insert("token".to_owned(), SecurityScheme::Http(bearer).into());
        for item in document.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
                complete(operation);
            }
        }
    }
}

/// Adds the problems and the request id to an operation.
fn complete(operation: &mut Operation) {
    let name = operation.operation_id.clone().unwrap_or_default();
    let mut by_status = BTreeMap::<u16, Vec<Problem>>::new();
    for reason in reasons(&name) {
        by_status.entry(http_status(reason).as_u16()).or_default().push(reason.into());
    }
    for (status, reason, text) in special(&name) {
        by_status.entry(status.as_u16()).or_default().push(Problem::new(*reason, *text));
    }
    by_status
        .entry(StatusCode::METHOD_NOT_ALLOWED.as_u16())
        .or_default()
        .push(Problem::new(Reason::Malformed, "This address takes another method."));
    let responses = &mut operation.responses.responses;
    for (status, problems) in by_status {
        responses.insert(status.to_string(), problem_response(&problems).into());
    }
    for response in responses.values_mut() {
        if let RefOr::T(response) = response {
            let header = HeaderBuilder::new()
                .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                .description(Some("The id of this request in all logs."));
            response.headers.insert(tacit_wire::REQUEST_ID.to_owned(), header.build().into());
        }
    }
}

fn problem_response(problems: &[Problem]) -> Response {
    let id = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C".parse::<RequestId>();
    let examples = problems.iter().filter_map(|problem| {
        let body = serde_json::to_value(problem.body(id.as_ref().ok()?)).ok()?;
        let name = problem.reason().as_str().to_owned();
        Some((name, RefOr::T(ExampleBuilder::new().value(Some(body)).build())))
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(examples)
        .build();
    let words: Vec<String> =
        problems.iter().map(|problem| format!("`{}`: {}", problem.reason(), problem.message)).collect();
    ResponseBuilder::new().description(words.join(" ")).content("application/json", content).build()
}

/// The document as JSON, written once.
pub(in crate::gateway) fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let mut document = serde_json::to_value(Document::openapi()).unwrap_or_else(|_| json!({}));
        // Always loopback, but the port is the operator's choice: addresses are relative to the document's.
        if let Some(document) = document.as_object_mut() {
            document.insert("servers".to_owned(), json!([{ "url": "/" }]));
        }
        document.to_string()
    });
    &TEXT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::json::{Guard, ROUTES};

    fn document() -> serde_json::Value {
        serde_json::from_str(text()).unwrap()
    }

    #[test]
    fn the_document_has_exactly_the_routes_of_the_router() {
        let document = document();
        let mut documented: Vec<String> = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            documented.extend(item.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
        }
        let mut served: Vec<String> = ROUTES
            .iter()
            .map(|route| format!("{} {}", route.method.as_str().to_lowercase(), route.path))
            .collect();
        documented.sort();
        served.sort();
        assert_eq!(documented, served);
        for route in &ROUTES {
            let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
            assert_eq!(operation["security"] == json!([{}]), route.guard == Guard::Open, "{}", route.path);
            assert!(operation["responses"]["200"].is_object() && operation["responses"]["405"].is_object());
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_problem_has_an_example() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        let mut references = Vec::new();
        collect(&document, &mut references);
        assert!(references.len() > 20);
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        for item in document["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                for (status, response) in operation["responses"].as_object().unwrap() {
                    assert!(response["headers"][tacit_wire::REQUEST_ID].is_object());
                    if status == "200" {
                        continue;
                    }
                    let examples = response["content"]["application/json"]["examples"].as_object().unwrap();
                    assert!(!examples.is_empty());
                    for (reason, example) in examples {
                        assert_eq!(example["value"]["reason"], reason.as_str());
                        assert!(!example["value"]["advice"].as_str().unwrap().is_empty());
                    }
                }
            }
        }
    }

    fn collect(value: &serde_json::Value, out: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| match value.as_str() {
                Some(text) if key == "$ref" => out.push(text.to_owned()),
                _ => collect(value, out),
            }),
            serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, out)),
            _ => {}
        }
    }
}
