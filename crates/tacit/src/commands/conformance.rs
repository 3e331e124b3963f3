//! `tacit conformance FILE`: runs test vectors.

use std::path::PathBuf;

use serde_json::json;
use tacit_blind::conformance;

use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Arguments of `tacit conformance`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Vector files: protocol-v1-*.json, or the collection of RFC 9497.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Name every check, not only the failed ones.
    #[arg(long)]
    verbose: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let (mut passed, mut failures) = (0_u64, Vec::new());
    for file in &arguments.files {
        let name = file.display();
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::usage(format!("{name} cannot be read")).why(error))?;
        let outcomes = conformance::run(&text)
            .map_err(|error| Failure::usage(format!("{name} is no vector file")).why(error))?;
        for outcome in outcomes {
            match outcome.result {
                Ok(()) => {
                    passed += 1;
                    if arguments.verbose {
                        context.output.line(&format!("passed  {name}: {}", outcome.name))?;
                    }
                }
                Err(mismatch) => {
                    context.output.line(&format!("FAILED  {name}: {}: {mismatch}", outcome.name))?;
                    failures
                        .push(json!({ "file": file, "check": outcome.name, "why": mismatch.to_string() }));
                }
            }
        }
    }
    let failed = failures.len();
    context.output.result(&json!({ "passed": passed, "failed": failed, "failures": failures }), || {
        format!("{passed} checks passed, {failed} failed")
    })?;
    Ok(if failed == 0 { Exit::Done } else { Exit::Trouble })
}
