//! Whether a person consents to stand on a favorable list.

use axum::{
    Extension, Json,
    extract::{Request, State},
};
use serde::{Deserialize, Serialize};
use tacit_desk::{openapi::ListIdText, problem::Problem};
use tacit_model::{ListId, Reason, entropy::os_rng, new_ulid};
use tacit_policy::letter::{Body, Letter, ListingConsent};
use utoipa::ToSchema;

use super::{
    Call, Shared,
    handlers::{body, malformed},
    redress::{next_reading, party, reachable, write},
    types::Typed,
};

/// What a person says about standing on a favorable list.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewListingConsent)]
pub(super) struct ListingConsentBody {
    /// Identifier scheme of the code.
    #[schema(example = "CN-USCC")]
    scheme: String,
    /// The code as typed; at most 200 bytes.
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "91350100M000100Y43")]
    code: Typed,
    /// The list, a favorable one.
    #[schema(value_type = ListIdText)]
    list: String,
    /// True: the person consents. False: it does not, or withdraws. The last word counts.
    given: bool,
}

/// What was taken down; it leaves with the next reading.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ListingConsentFiled)]
pub(super) struct FiledBody {
    /// The id of this request in all logs.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    request_id: String,
    /// Id of the letter.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    letter: String,
    /// The list.
    #[schema(value_type = ListIdText)]
    list: String,
    /// Member that keeps it.
    goes_to: String,
    /// Its name.
    goes_to_name: String,
    /// When it leaves, with the letters of all persons together.
    #[schema(required = true, format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    next_reading: Option<String>,
}

/// Takes down whether a person consents to stand on a favorable list. It goes to the member that keeps the list, with the
/// next reading.
#[utoipa::path(
    post, path = "/v1/listing-consents", operation_id = "joinList", tag = "redress", request_body = ListingConsentBody,
    responses((status = 200, description = "It is taken down.", body = FiledBody))
)]
pub(super) async fn join(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<FiledBody>, Problem> {
    let said: ListingConsentBody = body(&app, request).await?;
    let list: ListId = said
        .list
        .parse()
        .map_err(|_| malformed("list", "A list id is written <holder>/<name>, in small letters."))?;
    let party = party(&app, &said.scheme, &said.code).await?;
    let registry = app.registry();
    let entry = registry
        .list(&list)
        .ok_or_else(|| Problem::of_field(Reason::UnknownList, "list", Reason::UnknownList.meaning()))?;
    if entry.adverse {
        return Err(malformed(
            "list",
            "The list is adverse: nobody joins it, and who stands there is notified.",
        ));
    }
    if entry.scheme != party.about.scheme {
        let reason = Reason::CodeNotThisScheme;
        return Err(Problem::of_field(reason, "scheme", reason.meaning()));
    }
    let to = list.holder_id();
    reachable(&registry, &to)?;
    let now = app.clock.now();
    let consent = Body::ListingConsent(ListingConsent { list: list.clone(), given: said.given });
    let letter = Letter::new(new_ulid(now, &mut os_rng()), None, now, party.about.clone(), consent);
    write(&app, &party.key, &letter, &[&to]).await?;
    Ok(Json(FiledBody {
        request_id: call.id.to_string(),
        letter: letter.id.to_string(),
        list: list.to_string(),
        goes_to: to.to_string(),
        goes_to_name: registry.member_title(&to).to_owned(),
        next_reading: next_reading(&app).await?,
    }))
}
