//! `tacit receipt list`: which receipts there are, by case, officer, list, purpose and time.

use serde_json::{Value, json};
use tacit_model::{Millis, Ulid};
use tacit_wire::gateway::{ListReceiptsRequest, ReceiptSummary};

use super::ulid;
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    output::columns,
    parties::GatewayArguments,
};

/// Receipts asked for at once.
const PAGE: u32 = 500;

/// Arguments of `receipt list`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only of this case number.
    #[arg(long = "case", value_name = "NUMBER")]
    case_number: Option<String>,
    /// Only recorded at this time or later, as in 2026-11-22 or 2026-11-22T08:30:00.000Z (UTC).
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Millis>,
    /// Only recorded before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Millis>,
    /// Only asked by this officer, as the agency names its officers.
    #[arg(long, value_name = "NAME")]
    officer: Option<String>,
    /// Only answered by this list.
    #[arg(long, value_name = "HOLDER/NAME")]
    list: Option<String>,
    /// Only asked for this purpose.
    #[arg(long, value_name = "CODE")]
    purpose: Option<String>,
    /// The newest first, instead of the oldest.
    #[arg(long)]
    newest_first: bool,
    /// Only what follows this record.
    #[arg(long, value_name = "RECORD_ID", value_parser = ulid)]
    after: Option<Ulid>,
    /// At most this many.
    #[arg(long, short = 'n', default_value_t = 100)]
    limit: u32,
    #[command(flatten)]
    gateway: GatewayArguments,
}

fn time(text: &str) -> Result<Millis, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00.000Z") } else { text.to_owned() };
    whole.parse().map_err(|_| "a time is written as 2026-11-22 or 2026-11-22T08:30:00.000Z".to_owned())
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let mut client = arguments.gateway.client()?;
    let mut left = arguments.limit;
    let mut cursor = arguments.after.map(|after| after.to_string()).unwrap_or_default();
    let mut rows =
        vec![["RECORD", "RECORDED", "LISTS", "PURPOSE", "CASE", "OFFICER"].map(str::to_owned).to_vec()];
    let mut found = 0u64;
    while left > 0 {
        let request = ListReceiptsRequest {
            case_number: arguments.case_number.clone().unwrap_or_default(),
            from_ms: arguments.from.map_or(0, |time| time.0),
            until_ms: arguments.until.map_or(0, |time| time.0),
            cursor,
            limit: left.min(PAGE),
            officer: arguments.officer.clone().unwrap_or_default(),
            list_id: arguments.list.clone().unwrap_or_default(),
            purpose: arguments.purpose.clone().unwrap_or_default(),
            newest_first: arguments.newest_first,
        };
        let page = client.list_receipts(request).await;
        let page = page.map_err(|status| Failure::of_status("the gateway", &status))?.into_inner();
        for receipt in &page.receipts {
            if context.output.is_json() {
                context.output.json_line(&value(receipt))?;
            } else {
                rows.push(row(receipt));
            }
        }
        let count = u32::try_from(page.receipts.len()).unwrap_or(u32::MAX);
        found += u64::from(count);
        left = left.saturating_sub(count);
        cursor = page.next_cursor;
        // By list and purpose a page can be empty while others follow.
        if cursor.is_empty() {
            break;
        }
    }
    if context.output.is_json() {
        return Ok(Exit::Done);
    }
    if found == 0 {
        context.output.line("There are no such receipts.")?;
        return Ok(Exit::Done);
    }
    context.output.line(&columns(&rows))?;
    if !cursor.is_empty() {
        context.output.line(&format!("There are more: --after {cursor}"))?;
    }
    Ok(Exit::Done)
}

fn row(receipt: &ReceiptSummary) -> Vec<String> {
    vec![
        receipt.record_id.clone(),
        Millis(receipt.recorded_ms).to_rfc3339(),
        receipt.lists.join(" "),
        receipt.purpose.clone(),
        super::words::plain(&receipt.case_number),
        super::words::plain(&receipt.officer),
    ]
}

/// What is told of a receipt, for machines.
pub(super) fn value(receipt: &ReceiptSummary) -> Value {
    json!({
        "record": receipt.record_id,
        "index": receipt.record_index,
        "recorded": Millis(receipt.recorded_ms).to_rfc3339(),
        "lists": receipt.lists,
        "purpose": receipt.purpose,
        "case": receipt.case_number,
        "officer": receipt.officer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_first_moment() {
        assert_eq!(time("2026-11-22").unwrap().to_rfc3339(), "2026-11-22T00:00:00.000Z");
        assert_eq!(time("2026-11-22T08:30:00.000Z").unwrap().to_rfc3339(), "2026-11-22T08:30:00.000Z");
        assert!(time("yesterday").is_err());
    }
}
