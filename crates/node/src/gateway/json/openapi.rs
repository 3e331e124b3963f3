//! The OpenAPI document of the gateway: successes stand at the handlers, problems are written from the table of reasons.

use std::{collections::BTreeSet, sync::LazyLock};

pub(super) use tacit_desk::openapi::{
    FrequencyText, IdText, ListIdText, NameText, OptionalIdText, OptionalInstantText, OptionalListText,
};
use tacit_desk::openapi::{always, outcomes};
use tacit_model::Reason;
use utoipa::{
    OpenApi, PartialSchema, ToSchema,
    openapi::{OneOfBuilder, Ref, RefOr, Schema},
};

use super::{
    answer::{EndBody, RowAnswerBody},
    cases, consents, handlers, measures, receipts,
    types::{QuestionBody, RowBody},
};
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
        receipts::receipt, measures::register, measures::search, measures::lift, cases::search, cases::show, cases::decide,
        handlers::lists, handlers::status, handlers::openapi, handlers::health
    ),
    security(("token" = [])),
    tags(
        (name = "checks", description = "Questions and their answers."),
        (name = "consents", description = "Requests for consent, and what became of them."),
        (name = "receipts", description = "What proves answers, for those whom it concerns."),
        (name = "measures", description = "What was done on answers, who decided, and whether it still stands."),
        (name = "cases", description = "Objections and appeals, for a token with the right `redress`."),
        (name = "node", description = "What the node knows and how it is.")
    )
)]
struct Document;

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

/// What can be wrong with what is asked of a case.
const CASES: &[Reason] =
    &[Reason::Malformed, Reason::WrongRole, Reason::NotFound, Reason::UnknownList, Reason::RegistryInvalid];

/// The reasons that a route can answer with instead of a success.
pub(in crate::gateway) fn reasons(operation: &str) -> BTreeSet<Reason> {
    let mut reasons = always(!matches!(operation, "openapi" | "health"));
    if matches!(operation, "check" | "askConsent" | "registerMeasure" | "liftMeasure") {
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
        "searchMeasures" => reasons.extend([Reason::Malformed, Reason::TooLarge]),
        "registerMeasure" => reasons.extend([
            Reason::Malformed,
            Reason::TooLarge,
            Reason::NotFound,
            Reason::Conflict,
            Reason::AnswerNotListed,
            Reason::AnswerTooOld,
            Reason::MeasureUnknown,
            Reason::WrongRole,
        ]),
        "liftMeasure" => {
            reasons.extend([Reason::Malformed, Reason::TooLarge, Reason::NotFound, Reason::WrongRole]);
        }
        "searchCases" | "showCase" | "decideCase" => {
            reasons.extend(CASES);
            if operation != "showCase" {
                reasons.insert(Reason::TooLarge);
            }
            if operation == "decideCase" {
                reasons.insert(Reason::Conflict);
            }
        }
        "receipt" => reasons.extend([Reason::Malformed, Reason::NotFound]),
        _ => {}
    }
    reasons
}

/// The document as JSON, written once.
pub(in crate::gateway) fn text() -> &'static str {
    const TOKEN: &str = "A token of the node's file of tokens; each application has its own, and some have the right `redress`.";
    static TEXT: LazyLock<String> =
        LazyLock::new(|| tacit_desk::openapi::text(Document::openapi(), TOKEN, reasons));
    &TEXT
}

#[cfg(test)]
mod tests {
    use tacit_desk::conformance::{assert_describes, assert_whole};

    use super::*;
    use crate::gateway::json::ROUTES;

    #[test]
    fn the_document_has_exactly_the_routes_of_the_router() {
        assert_describes(text(), &ROUTES);
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_problem_has_an_example() {
        assert_whole(text());
    }
}
