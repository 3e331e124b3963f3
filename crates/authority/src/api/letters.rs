//! Letters about a person, as the readings found them.

use axum::{
    Extension, Json,
    extract::{Request, State},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::Serialize;
use tacit_desk::problem::Problem;
use utoipa::ToSchema;

use super::{
    Call, Shared,
    handlers::{body, freshness, person, trouble},
    types::{Freshness, PersonBody},
};
use crate::{
    index::What,
    letters::{self, KeptLetter},
    usage::RecordAt,
};

/// Letters about a person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Letters)]
pub(super) struct LettersBody {
    /// The id of this request in all logs.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    request_id: String,
    /// Oldest first.
    letters: Vec<LetterBody>,
    #[serde(flatten)]
    freshness: Freshness,
}

/// A letter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Letter)]
struct LetterBody {
    /// When it was handed in, RFC 3339: the time of the record.
    #[schema(format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    logtime: String,
    /// Member that wrote it.
    sender: String,
    /// Member whose record about the person it belongs to: the sender, or whom an authority wrote to.
    member: String,
    /// Whether it is to the person.
    to_person: bool,
    /// What is in it, base64, as its sender signed it; none when it is to a member, or cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = Byte)]
    content: Option<String>,
    /// Why a letter to the person cannot be read; empty otherwise.
    unreadable: String,
    /// The record; `prove` proves it.
    record: RecordAt,
    /// `verified`, or what was wrong when the chain was read last.
    proof: String,
}

/// Letters about a person, to the person and from it, oldest first.
#[utoipa::path(
    post, path = "/v1/letters", operation_id = "letters", tag = "letters", request_body = PersonBody,
    responses((status = 200, description = "The letters; there may be none.", body = LettersBody))
)]
pub(super) async fn letters(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<LettersBody>, Problem> {
    let body: PersonBody = body(&app, request).await?;
    let person = person(&app, &body.scheme, &body.code).await?;
    let kept = app.users.open(&person.overview, |fact| fact.what == What::Letter).await;
    let kept = kept.map_err(|error| trouble(&error))?;
    let letters = letters::of(&kept, &app.registry());
    Ok(Json(LettersBody {
        request_id: call.id.to_string(),
        letters: letters.iter().map(tell).collect(),
        freshness: freshness(&app, person.overview.chains()).await?,
    }))
}

fn tell(letter: &KeptLetter<'_>) -> LetterBody {
    let to_person = letter.letter.is_to_subject();
    let fault = letter.opened.as_ref().err().filter(|_| to_person);
    LetterBody {
        logtime: letter.time().to_rfc3339(),
        sender: letter.letter.sender.to_string(),
        member: letter.letter.member.to_string(),
        to_person,
        content: letter.opened.as_ref().ok().map(|opened| BASE64.encode(opened.content())),
        unreadable: fault.map(ToString::to_string).unwrap_or_default(),
        record: RecordAt {
            id: letter.record.id.clone(),
            index: letter.entry.index,
            sequence: letter.entry.sequence,
        },
        proof: letter.chain.proof(),
    }
}
