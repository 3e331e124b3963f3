//! The OpenAPI document of a local interface. Successes stand at the handlers; problems are written here from the table
//! of reasons, so that document and behavior cannot drift: a status in the document is [`http_status`] of a reason
//! listed for its route.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use axum::http::StatusCode;
use serde_json::json;
use tacit_model::{Reason, RequestId};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema,
        example::ExampleBuilder,
        path::Operation,
        schema::Type,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::problem::{Problem, http_status};

/// Texts of one form, as a document names them.
macro_rules! texts {
    ($($kind:ident, $name:literal, $description:literal, $pattern:literal, $example:literal;)*) => {
        $(
            #[doc = concat!("A text in a document: ", $description)]
            #[derive(Debug)]
            pub struct $kind;

            impl PartialSchema for $kind {
                fn schema() -> RefOr<Schema> {
                    ObjectBuilder::new()
                        .schema_type(Type::String)
                        .description(Some($description))
                        .pattern(Some($pattern))
                        .examples([$example])
                        .into()
                }
            }
            impl ToSchema for $kind {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed($name)
                }
            }
        )*
    };
}

texts! {
    ListIdText, "ListId", "`<holder>/<name>`.",
        "^[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}$", "court/judgment-defaulters";
    OptionalListText, "OptionalList", "`<holder>/<name>`, or nothing.",
        "^(|[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62})$", "court/judgment-defaulters";
    IdText, "Id", "A ULID in its one spelling.",
        "^[0-7][0-9A-HJKMNP-TV-Z]{25}$", "01KAM2V7Q3ZJ6V6T1V8M3W9R5C";
    OptionalIdText, "OptionalId", "A ULID in its one spelling, or nothing.",
        "^(|[0-7][0-9A-HJKMNP-TV-Z]{25})$", "01KAM2V7Q3ZJ6V6T1V8M3W9R5C";
    InstantText, "Instant", "A time, RFC 3339 with milliseconds in UTC, from 1970 on.",
        r"^(19[7-9][0-9]|[2-9][0-9]{3})-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|[12][0-9]))T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z$",
        "2026-11-21T00:00:00.000Z";
    OptionalInstantText, "OptionalInstant", "A time, RFC 3339 with milliseconds in UTC, from 1970 on; or nothing.",
        r"^(|(19[7-9][0-9]|[2-9][0-9]{3})-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|[12][0-9]))T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z)$",
        "2026-11-21T00:00:00.000Z";
    NameText, "Name", "The name of a member, or the code of a purpose.",
        "^[a-z0-9][a-z0-9-]{0,62}$", "procurement";
    FrequencyText, "Frequency", "How often at most: a number and HOUR, DAY, WEEK, MONTH or YEAR.",
        "^([1-9][0-9]{0,5}|1000000) (HOUR|DAY|WEEK|MONTH|YEAR)$", "4 MONTH";
}

/// What can go wrong on every route; `guarded` ones want a token.
#[must_use]
pub fn always(guarded: bool) -> BTreeSet<Reason> {
    let mut reasons = BTreeSet::from([Reason::Unavailable, Reason::Overloaded, Reason::Deadline]);
    if guarded {
        reasons.extend([Reason::Unauthenticated, Reason::Internal]);
    }
    reasons
}

/// What can become of a question that was good: a refusal, a quota, or trouble between the parties.
#[must_use]
pub fn outcomes() -> BTreeSet<Reason> {
    let may_come = |reason: &Reason| match http_status(*reason) {
        StatusCode::FORBIDDEN => matches!(reason, Reason::NotPermitted | Reason::ConsentRequired),
        StatusCode::UNPROCESSABLE_ENTITY => *reason == Reason::CodeInvalid,
        status => status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
    };
    Reason::all().map(Reason::outward).filter(may_come).collect()
}

/// Statuses that HTTP has for one thing each, beside those of the reasons, on routes that take a body.
const OF_BODIES: [(StatusCode, Reason, &str); 2] = [
    (StatusCode::REQUEST_TIMEOUT, Reason::Deadline, "The body did not arrive in time."),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, Reason::Malformed, "The body is of another content type."),
];

/// The document as JSON: what stands at the handlers, completed by the token (`token` says where it is from), the
/// request id, and the problems of each operation.
#[must_use]
pub fn text(mut document: OpenApi, token: &str, reasons: fn(&str) -> BTreeSet<Reason>) -> String {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(token)).build();
    let components = document.components.get_or_insert_default();
    components.security_schemes.insert("token".to_owned(), SecurityScheme::Http(bearer).into());
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            complete(operation, reasons);
        }
    }
    let mut document = serde_json::to_value(document).unwrap_or_else(|_| json!({}));
    // Always loopback, but the port is the operator's choice: addresses are relative to the document's.
    if let Some(document) = document.as_object_mut() {
        document.insert("servers".to_owned(), json!([{ "url": "/" }]));
    }
    document.to_string()
}

/// Adds the problems and the request id to an operation.
fn complete(operation: &mut Operation, reasons: fn(&str) -> BTreeSet<Reason>) {
    let name = operation.operation_id.clone().unwrap_or_default();
    let mut by_status = BTreeMap::<u16, Vec<Problem>>::new();
    for reason in reasons(&name) {
        by_status.entry(http_status(reason).as_u16()).or_default().push(reason.into());
    }
    for (status, reason, text) in operation.request_body.iter().flat_map(|_| OF_BODIES) {
        by_status.entry(status.as_u16()).or_default().push(Problem::new(reason, text));
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
