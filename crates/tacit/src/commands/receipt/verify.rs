//! `tacit receipt verify` and `show`: everything is computed again, with public keys only.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use tacit_client::{MAX_RECEIPT_BYTES, Receipt, ReceiptError, Whose};
use tacit_model::{Reason, Schemes, Ulid};
use tacit_policy::Registry;
use zeroize::Zeroizing;

use super::{
    fetch,
    keys::{KeyArguments, Keys},
    list, ulid,
    words::Told,
};
use crate::{
    cli::Context,
    commands::list::typed,
    exit::{Exit, Failure},
    parties::GatewayArguments,
};

/// Arguments of `receipt verify`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 the receipt holds, 1 it does not, 2 the command was not called as described.\n\
                        Nothing is asked of anybody: no party has to run."
)]
pub(crate) struct Arguments {
    /// The receipt.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    keys: KeyArguments,
    /// Check that it is about this code, `-` to read it from standard input.
    #[arg(long, value_name = "CODE")]
    about: Option<String>,
    /// Show the subject's code.
    #[arg(long)]
    show_subject: bool,
}

/// Arguments of `receipt show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The record of the question, as `check` and `receipt list` name it.
    #[arg(value_name = "RECORD_ID", value_parser = ulid)]
    record: Ulid,
    /// Show the subject's code.
    #[arg(long)]
    show_subject: bool,
    #[command(flatten)]
    gateway: GatewayArguments,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let keys = arguments.keys.read()?;
    let bytes = read(&arguments.file)?;
    let receipt = Receipt::from_bytes(&bytes).map_err(|error| fails(&error))?;
    let told = prove(&receipt, &keys, arguments.show_subject)?;
    if let Some(code) = arguments.about {
        check_about(&receipt, &keys, code)?;
    }
    context.output.result(&told.value(), || told.text())?;
    Ok(Exit::Done)
}

pub(super) async fn show(context: &Context, arguments: Show) -> Result<Exit, Failure> {
    let found = fetch(&arguments.gateway, arguments.record).await?;
    // Only the configuration has keys to verify with; through an address the node's word is all there is.
    let Some(config) = &arguments.gateway.config else {
        let summary = found.summary.unwrap_or_default();
        context.output.result(&list::value(&summary), || {
            format!(
                "Record {}, log index {}, on {}.\nExport it, and verify it with: tacit receipt verify FILE",
                summary.record_id,
                summary.record_index,
                summary.lists.join(" ")
            )
        })?;
        return Ok(Exit::Done);
    };
    let keys = KeyArguments::of_config(config).read()?;
    let receipt = Receipt::from_bytes(&found.file).map_err(|error| fails(&error))?;
    let told = prove(&receipt, &keys, arguments.show_subject)?;
    context.output.result(&told.value(), || told.text())?;
    Ok(Exit::Done)
}

fn prove<'a>(receipt: &'a Receipt, keys: &'a Keys, show_subject: bool) -> Result<Told<'a>, Failure> {
    let proven = keys.verify(receipt).map_err(|error| fails(&error))?;
    Ok(Told { proven, receipt, keys, show_subject })
}

/// A file of bounded size.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let cannot = |error| Failure::usage(format!("{} cannot be read", path.display())).why(error);
    let file = File::open(path).map_err(cannot)?;
    let length = file.metadata().map_err(cannot)?.len();
    // Room for all of it at once: growing would leave copies behind that nobody wipes.
    let room = usize::try_from(length).unwrap_or(usize::MAX).min(MAX_RECEIPT_BYTES) + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(MAX_RECEIPT_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    Ok(bytes)
}

fn check_about(receipt: &Receipt, keys: &Keys, code: String) -> Result<(), Failure> {
    let code = typed(code)?;
    let scheme = receipt.expose_subject().map(|(scheme, _)| scheme).unwrap_or_default();
    let built_in = Schemes::default();
    let schemes = keys.registry().map_or(&built_in, Registry::schemes);
    let parsed = schemes.parse(&scheme, &code).map_err(|error| {
        Failure::usage("the code of --about cannot be read").why(error).reason(error.reason())
    })?;
    if receipt.is_about(&parsed.subject) {
        return Ok(());
    }
    Err(Failure::trouble("the receipt holds, but it is about another subject")
        .why("the code of --about is not the one in the receipt")
        .next("ask for the receipt of this subject's question"))
}

/// A receipt that does not hold, in words.
fn fails(error: &ReceiptError) -> Failure {
    let (reason, next) = match error {
        ReceiptError::File(_) => (Reason::Malformed, "get the file once more; it proves nothing as it is"),
        ReceiptError::OtherRegistry => (
            Reason::RegistryInvalid,
            "give the registry version that was in force when the question was recorded",
        ),
        ReceiptError::Registry(_) => (Reason::RegistryInvalid, "get the registry once more"),
        ReceiptError::Proof { whose: Whose::Registry, .. } => (
            Reason::RegistryInvalid,
            "give the registry version that was in force when the question was recorded",
        ),
        ReceiptError::Proof { whose: Whose::Log, .. } => (
            Reason::ProofInvalid,
            "see that the log's key is the right one; if it is, this receipt proves nothing",
        ),
        ReceiptError::Proof { .. } => {
            (Reason::ProofInvalid, "do not rely on it; keep the file if you want to show who gave it to you")
        }
    };
    let failure = Failure::trouble("the receipt does NOT hold").why(error).next(next).reason(reason);
    match error.whose() {
        Some(whose) => failure.note(format!("what fails: {whose}")),
        None => failure,
    }
}
