//! The receipt of a consent, made of what the readings brought.

use std::collections::HashMap;

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
};
use bytes::Bytes;
use serde::Serialize;
use tacit_client::{ChangeProof, ConsentProof};
use tacit_desk::{consent_receipt, openapi::IdText, problem::Problem};
use tacit_model::{Reason, Ulid};
use tacit_policy::{ConsentState, consent::StateChange};
use utoipa::ToSchema;

use super::{
    super::{
        Call, Shared,
        handlers::{body, freshness, handed_out, trouble},
        types::{Freshness, PersonBody},
    },
    change::ours,
    give::ShownBody,
    giver, ulid,
};
use crate::{
    App,
    consents::{Event, Text},
    reading::ReadingError,
    sealed::{Entry, Opening},
};

/// Whom to show it to.
const WARNING: &str = "This receipt names the person's pseudonym for this member. It is for the person, the member that may ask, \
    a court or an auditor.";

/// The receipt of a consent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConsentReceipt)]
pub(in crate::api) struct ConsentReceiptBody {
    /// The id of this request in all logs.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    request_id: String,
    /// The consent, or the request that was refused.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    id: String,
    /// JSON-LD with the field names of ISO/IEC TS 27560 and its proof; `tacit consent receipt verify` verifies it.
    #[schema(value_type = Object)]
    document: serde_json::Value,
    /// What the person was shown, whose hash the document names; none when it was shown elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = ShownBody)]
    shown: Option<ShownBody>,
    /// Numbers of the changes that are too new to be proven: they are in the receipt after the next reading.
    not_proven_yet: Vec<u64>,
    #[serde(flatten)]
    freshness: Freshness,
    /// Whom to show it to.
    warning: &'static str,
}

/// The receipt of a consent, with its proof, as of the last reading. Nobody outside is asked.
#[utoipa::path(
    post, path = "/v1/consents/{id}/receipt", operation_id = "consentReceipt", tag = "consents",
    request_body = PersonBody, params(("id" = inline(IdText), Path, description = "Id of the consent or request, a ULID.")),
    responses((status = 200, description = "The receipt.", body = ConsentReceiptBody))
)]
pub(in crate::api) async fn receipt(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<ConsentReceiptBody>, Problem> {
    let said: PersonBody = body(&app, request).await?;
    let (id, registry) = (ulid(&id)?, app.registry());
    let giver = giver(&app, &said.scheme, &said.code).await?;
    let story = giver.story(id, &registry)?;
    ours(&app, &story)?;
    let mut checkpoints: HashMap<[u8; 32], Bytes> = HashMap::new();
    let (mut changes, mut not_proven_yet) = (Vec::new(), Vec::new());
    for event in story.events.values() {
        // A receipt tells changes without a gap: what follows one that is not proven waits with it.
        let Some((_, entry)) = event.read.filter(|_| not_proven_yet.is_empty()) else {
            not_proven_yet.push(event.number);
            continue;
        };
        let checkpoint = match checkpoints.get(&entry.checkpoint) {
            Some(known) => known.clone(),
            None => {
                let read = app.users.checkpoint(&entry.checkpoint).await.map_err(ReadingError::from);
                let read = read.map_err(|error| trouble(&error))?;
                let note = Bytes::from(read.ok_or(Problem::from(Reason::Internal))?);
                checkpoints.insert(entry.checkpoint, note.clone());
                note
            }
        };
        changes.push(change(&app, id, event, entry, checkpoint).ok_or(Problem::from(Reason::Internal))?);
    }
    if changes.is_empty() {
        let message = "No reading has brought what proves it yet, or what proved it was erased.";
        return Err(Problem::of_field(Reason::NotFound, "id", message));
    }
    // What is handed out holds, or is not handed out.
    let written = consent_receipt::write(&ConsentProof { changes }, app.consents.log_key(), &registry);
    let (document, _) = written.map_err(|error| {
        tracing::error!(%error, "a receipt of a consent does not hold");
        Problem::new(
            Reason::ProofInvalid,
            "What was read of this consent does not hold together; the log is at fault.",
        )
    })?;
    handed_out(&call, &id.to_string(), "a receipt of a consent is handed out");
    Ok(Json(ConsentReceiptBody {
        request_id: call.id.to_string(),
        id: id.to_string(),
        document,
        shown: story.shown.map(Into::into),
        not_proven_yet,
        freshness: freshness(&app, giver.chains()).await?,
        warning: WARNING,
    }))
}

/// What proves a change that was read. What this authority signs is signed again, to the same bytes.
fn change(app: &App, id: Ulid, event: &Event<'_>, entry: &Entry, checkpoint: Bytes) -> Option<ChangeProof> {
    let Opening::Consent { text, signature, salt_terms, number } = &entry.opening else { return None };
    let text_signature = match Text::parse(text)? {
        Text::Consent(consent) => *app.consents.sign_text(consent).ok()?.signature(),
        Text::Request(_) => signature.as_slice().try_into().ok()?,
    };
    let (state, number) = (event.state, *number);
    let by_authority = (state != ConsentState::Requested).then_some(StateChange { id, state, number });
    Some(ChangeProof {
        state,
        number,
        text: Bytes::copy_from_slice(text.as_bytes()),
        text_signature,
        state_signature: by_authority.map(|change| app.consents.sign_change(change)),
        record: Bytes::copy_from_slice(entry.record.as_bytes()),
        index: entry.index,
        checkpoint,
        path: entry.path.clone(),
        salt_terms: *salt_terms,
        salt: entry.salt,
        sequence: entry.sequence,
        previous: entry.previous,
    })
}
