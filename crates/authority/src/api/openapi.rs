//! The OpenAPI document of the authority's interface: successes stand at the handlers, problems are written from the
//! table of reasons.

use std::{collections::BTreeSet, sync::LazyLock};

use tacit_desk::openapi::{always, outcomes};
use tacit_model::Reason;
use utoipa::OpenApi;

use super::{
    consents::{self, change, give},
    handlers, joins, letters, lists, redress,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tacit authority",
        description = "What is on record about a person, and what a list says about them: for the authority's portal, which \
            knows who the person is. Served by the authority itself, on loopback only. Uses are told from the store, as of \
            a stated time; nobody outside is asked, and there is no reading on demand. What a person does about a consent goes \
            to the coordinator at once, and is told once it is proven to be in the log. Problems are always the same JSON; \
            `reason` is stable. Answers must not be cached, and an answer is not a decision.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        handlers::enroll, handlers::find_usage, handlers::usage_period, letters::letters, redress::matters,
        redress::object, redress::appeal, joins::join, lists::lists, consents::search, give::grant, give::allow, give::renew,
        change::withdraw, change::pause, change::resume, change::refuse, consents::receipt::receipt, handlers::proof, handlers::check, handlers::receipt,
        handlers::heartbeat, handlers::openapi, handlers::health
    ),
    security(("token" = [])),
    tags(
        (name = "users", description = "Persons whose records are read."),
        (name = "usage", description = "Who asked about a person, what for, and what proves it."),
        (name = "letters", description = "Letters between members and the authorities about a person."),
        (name = "redress", description = "A person's objections and appeals, and how far they are."),
        (name = "lists", description = "What lists are and lead to, how one leaves, and who may ask."),
        (name = "consents", description = "A person's consents, and requests for them."),
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
        "enroll" | "findUsage" | "usagePeriod" | "letters" | "matters" | "prove" | "consents"
        | "consentReceipt" => reasons.extend([
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
        "giveConsent" | "allowRequest" | "renewConsent" | "withdrawConsent" | "pauseConsent"
        | "resumeConsent" | "refuseRequest" => {
            reasons.extend(outcomes());
            reasons.extend([
                Reason::Malformed,
                Reason::TooLarge,
                Reason::CodeInvalid,
                Reason::CodeSchemeUnknown,
                Reason::NotFound,
                Reason::Conflict,
                Reason::ConsentInvalid,
                Reason::ConsentDead,
                Reason::ConsentOrder,
            ]);
        }
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
        "consentReceipt" => reasons.extend([Reason::NotFound, Reason::NotPermitted, Reason::ProofInvalid]),
        "giveConsent" => reasons.extend([
            Reason::UnknownList,
            Reason::UnknownPurpose,
            Reason::UnknownMember,
            Reason::CodeNotThisScheme,
        ]),
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
