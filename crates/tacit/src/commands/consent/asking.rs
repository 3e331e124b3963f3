//! `tacit consent ask` and `asked`: as a requester, through the gateway of the agency's own node.

use serde_json::{Value, json};
use tacit_model::{ListId, MemberId, Millis, PurposeCode};
use tacit_policy::Frequency;
use tacit_wire::gateway::{
    AskConsentRequest, AskedConsent, ListAskedConsentsRequest, ask_consent_response::Outcome,
};

use crate::{
    cli::Context,
    commands::list::typed,
    exit::{Exit, Failure},
    output::columns,
    parties::GatewayArguments,
};

/// Arguments of `consent ask`.
#[derive(Debug, clap::Args)]
pub(crate) struct Ask {
    /// The subject's code, `-` to read it from standard input.
    code: String,
    /// Lists that would be asked.
    #[arg(long = "list", required = true, value_name = "HOLDER/NAME")]
    lists: Vec<ListId>,
    /// Purposes for which would be asked.
    #[arg(long = "purpose", required = true, value_name = "CODE")]
    purposes: Vec<PurposeCode>,
    /// For how many days from now.
    #[arg(long)]
    days: u32,
    /// How often at most, as in `4 MONTH`: four times in any month.
    #[arg(long)]
    frequency: Frequency,
    /// The authority at which the subject is expected; the only one without it.
    #[arg(long)]
    authority: Option<MemberId>,
    /// The agency's case number; the request stands for itself without it.
    #[arg(long = "case", value_name = "NUMBER", default_value = "")]
    case_number: String,
    /// Who asks, as the agency names its officers.
    #[arg(long, env = "USER", default_value = "command-line")]
    officer: String,
    /// The code's scheme; the one that the lists name without it.
    #[arg(long, default_value = "")]
    scheme: String,
    #[command(flatten)]
    gateway: GatewayArguments,
}

/// Arguments of `consent asked`.
#[derive(Debug, clap::Args)]
pub(crate) struct Asked {
    /// Requests about this code, `-` to read it from standard input; all without it.
    code: Option<String>,
    /// The code's scheme.
    #[arg(long, default_value = "")]
    scheme: String,
    #[command(flatten)]
    gateway: GatewayArguments,
}

pub(super) async fn ask(context: &Context, arguments: Ask) -> Result<Exit, Failure> {
    let Ask { code, lists, purposes, days, frequency, authority, case_number, officer, scheme, gateway } =
        arguments;
    let code = typed(code)?;
    let request = AskConsentRequest {
        code: code.to_string(),
        lists: lists.iter().map(ToString::to_string).collect(),
        purposes: purposes.iter().map(ToString::to_string).collect(),
        days,
        frequency: frequency.to_string(),
        authority: authority.map(String::from).unwrap_or_default(),
        case_number,
        officer,
        scheme,
    };
    let response = gateway.client()?.ask_consent(request).await;
    let response = response.map_err(|status| Failure::of_status("the gateway", &status))?;
    let asked = match response.into_inner().outcome {
        Some(Outcome::Asked(asked)) => asked,
        Some(Outcome::Refusal(refusal)) => return Err(Failure::of_refusal("the coordinator", &refusal)),
        None => return Err(Failure::internal("the gateway sent an outcome of no kind")),
    };
    let until = Millis(asked.until_ms).to_rfc3339();
    let value = json!({
        "consent": asked.consent_id,
        "state": "requested",
        "authority": asked.authority,
        "stands_until": until,
        "record": { "id": asked.record_id, "index": asked.record_index },
    });
    context.output.result(&value, || {
        format!(
            "asked for consent {}\n  it waits at {} until {until}\n  record {}, log index {}, proven\n  \
             The subject decides, and may allow less. Until then nothing may be asked.",
            asked.consent_id, asked.authority, asked.record_id, asked.record_index
        )
    })?;
    Ok(Exit::Done)
}

pub(super) async fn asked(context: &Context, arguments: Asked) -> Result<Exit, Failure> {
    let code = arguments.code.map(typed).transpose()?.map(|code| code.to_string()).unwrap_or_default();
    let request = ListAskedConsentsRequest { code, scheme: arguments.scheme };
    let response = arguments.gateway.client()?.list_asked_consents(request).await;
    let response = response.map_err(|status| Failure::of_status("the gateway", &status))?;
    let requests = response.into_inner().requests;
    let header =
        ["CONSENT", "STATE", "AUTHORITY", "LISTS", "PURPOSES", "ASKED", "UNTIL", "FREQUENCY", "USES"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for one in &requests {
        if context.output.is_json() {
            context.output.json_line(&value(one))?;
        }
        // Of a request the end of its waiting, of a consent its own.
        let until = if one.state == "requested" { one.until_ms } else { one.expires_ms };
        rows.push(vec![
            one.consent_id.clone(),
            one.state.clone(),
            one.authority.clone(),
            one.lists.join(" "),
            one.purposes.join(" "),
            Millis(one.requested_ms).to_rfc3339(),
            Millis(until).to_rfc3339(),
            one.frequency.clone(),
            one.uses.to_string(),
        ]);
    }
    if requests.is_empty() {
        context.output.line("No consent was asked for.")?;
    } else {
        context.output.line(&columns(&rows))?;
    }
    Ok(Exit::Done)
}

fn value(one: &AskedConsent) -> Value {
    json!({
        "consent": one.consent_id,
        "state": one.state,
        "authority": one.authority,
        "lists": one.lists,
        "purposes": one.purposes,
        "requested": Millis(one.requested_ms).to_rfc3339(),
        "stands_until": Millis(one.until_ms).to_rfc3339(),
        "expires": Millis(one.expires_ms).to_rfc3339(),
        "frequency": one.frequency,
        "uses": one.uses,
    })
}
