//! The OpenAPI document of the authority's interface: successes stand at the handlers, problems are written from the
//! table of reasons.

use std::{collections::BTreeSet, sync::LazyLock};

use tacit_desk::openapi::{always, outcomes};
use tacit_model::Reason;
use utoipa::OpenApi;

use super::{handlers, joins, letters, redress};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tacit authority",
        description = "What is on record about a person, and what a list says about them: for the authority's portal, which \
            knows who the person is. Served by the authority itself, on loopback only. Uses are told from the store, as of \
            a stated time; nobody outside is asked, and there is no reading on demand. Problems are always the same JSON; \
            `reason` is stable. Answers must not be cached, and an answer is not a decision.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        handlers::enroll, handlers::find_usage, handlers::usage_period, letters::letters, redress::matters,
        redress::object, redress::appeal, joins::join, handlers::proof, handlers::check, handlers::receipt,
        handlers::heartbeat, handlers::openapi, handlers::health
    ),
    security(("token" = [])),
    tags(
        (name = "users", description = "Persons whose records are read."),
        (name = "usage", description = "Who asked about a person, what for, and what proves it."),
        (name = "letters", description = "Letters between members and the authorities about a person."),
        (name = "redress", description = "A person's objections and appeals, and how far they are."),
        (name = "checks", description = "A person's own checks of single lists, and their receipts."),
        (name = "service", description = "How the service is.")
    ),
    components(schemas(tacit_desk::problem::ProblemBody))
)]
struct Document;

/// The reasons that an operation can answer with instead of a success.
fn reasons(operation: &str) -> BTreeSet<Reason> {
    let mut reasons = always(!matches!(operation, "openapi" | "health"));
    match operation {
        "enroll" | "findUsage" | "usagePeriod" | "letters" | "matters" | "prove" => reasons.extend([
            Reason::Malformed,
            Reason::TooLarge,
            Reason::CodeInvalid,
            Reason::CodeSchemeUnknown,
        ]),
        "object" => reasons.extend([
            Reason::Malformed,
            Reason::TooLarge,
            Reason::UnknownList,
            Reason::UnknownMember,
            Reason::NotFound,
            Reason::Conflict,
            Reason::CodeInvalid,
            Reason::CodeSchemeUnknown,
            Reason::CodeNotThisScheme,
        ]),
        "joinList" => reasons.extend([
            Reason::Malformed,
            Reason::TooLarge,
            Reason::UnknownList,
            Reason::UnknownMember,
            Reason::CodeInvalid,
            Reason::CodeSchemeUnknown,
            Reason::CodeNotThisScheme,
        ]),
        "appeal" => reasons.extend([
            Reason::Malformed,
            Reason::TooLarge,
            Reason::UnknownMember,
            Reason::NotFound,
            Reason::Conflict,
            Reason::TermOver,
            Reason::CodeInvalid,
            Reason::CodeSchemeUnknown,
        ]),
        "checkOneself" => {
            reasons.extend(outcomes());
            reasons.extend([
                Reason::Malformed,
                Reason::TooLarge,
                Reason::UnknownList,
                Reason::CodeInvalid,
                Reason::CodeSchemeUnknown,
            ]);
        }
        _ => {}
    }
    match operation {
        "prove" => reasons.extend([Reason::NotFound]),
        "receipt" => reasons.extend([Reason::Malformed, Reason::NotFound]),
        _ => {}
    }
    reasons
}

/// The document as JSON, written once.
pub(crate) fn text() -> &'static str {
    const TOKEN: &str = "A token of the authority's file of tokens; each application has its own.";
    static TEXT: LazyLock<String> =
        LazyLock::new(|| tacit_desk::openapi::text(Document::openapi(), TOKEN, reasons));
    &TEXT
}

#[cfg(test)]
mod tests {
    use tacit_desk::conformance::{assert_describes, assert_whole};

    use super::*;
    use crate::api::ROUTES;

    #[test]
    fn the_document_has_exactly_the_routes_of_the_router() {
        assert_describes(text(), &ROUTES);
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_problem_has_an_example() {
        assert_whole(text());
    }
}
