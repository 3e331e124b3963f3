//! `tacit receipt ...`: what proves answers, listed and handed out by the agency's own node, verified anywhere.

mod export;
pub(crate) mod keys;
mod list;
mod verify;
mod words;

pub(super) use words::plain;

use clap::Subcommand;
use tacit_model::{Ulid, parse_ulid};
use tacit_wire::gateway::{GetReceiptRequest, Receipt, get_receipt_response::Outcome};

use crate::{
    cli::Context,
    exit::{Exit, Failure},
    parties::GatewayArguments,
};

/// `tacit receipt ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the receipts of this agency, oldest first unless said otherwise.
    List(list::Arguments),
    /// Show one receipt and what it proves.
    Show(verify::Show),
    /// Write one receipt to a file, for the subject, a court or an auditor.
    Export(export::Arguments),
    /// Check a receipt's file offline, and say what it proves and what it does not.
    Verify(verify::Arguments),
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List(arguments) => context.block_on(list::run(context, arguments)),
        Command::Show(arguments) => context.block_on(verify::show(context, arguments)),
        Command::Export(arguments) => context.block_on(export::run(context, arguments)),
        Command::Verify(arguments) => verify::run(context, arguments),
    }
}

/// Reads a record's id from the command line.
fn ulid(text: &str) -> Result<Ulid, String> {
    parse_ulid(text).ok_or_else(|| "a record id is a ULID: 26 characters, capitals and digits".to_owned())
}

/// One receipt from the agency's own node.
async fn fetch(gateway: &GatewayArguments, record: Ulid) -> Result<Receipt, Failure> {
    let request = GetReceiptRequest { record_id: record.to_string() };
    let response = gateway.client()?.get_receipt(request).await;
    match response.map_err(|status| Failure::of_status("the gateway", &status))?.into_inner().outcome {
        Some(Outcome::Receipt(receipt)) => Ok(receipt),
        Some(Outcome::Refusal(refusal)) => Err(Failure::of_refusal("the gateway", &refusal)),
        None => Err(Failure::internal("the gateway sent an outcome of no kind")),
    }
}
