//! `tacit init DIR`: founds a federation.

use std::path::PathBuf;

use serde_json::json;
use tacit_federation::{
    found::{DEFAULT_BASE_PORT, Overrides, Ports, found},
    sample::{self, Sample, SampleError},
};
use tacit_model::entropy::os_rng;

use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Arguments of `tacit init`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder to make; it must not exist or be empty.
    folder: PathBuf,
    /// Which federation: the name of a sample, or a file in the same form.
    #[arg(long, default_value = sample::DEFAULT)]
    sample: String,
    /// Ports are counted from here: coordinator + 1, custodian + 2, nodes + 11, + 21, + 31, ..., then
    /// authorities.
    #[arg(long, default_value_t = DEFAULT_BASE_PORT)]
    base_port: u16,
    /// Length of a list epoch, in milliseconds; 24 hours unless given.
    #[arg(long)]
    epoch_ms: Option<u64>,
    /// Pause between publications of list changes, in milliseconds; 10 seconds unless given.
    #[arg(long)]
    tick_ms: Option<u64>,
    /// From one reading of a consent authority to the next, in milliseconds; 6 hours unless given.
    #[arg(long)]
    reading_ms: Option<u64>,
}

pub(crate) fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let sample = read_sample(&arguments.sample)?;
    let ports = Ports::from_base(&sample, arguments.base_port)
        .map_err(|error| Failure::usage("the ports do not fit").why(error))?;
    let overrides = Overrides {
        epoch_ms: arguments.epoch_ms,
        tick_ms: arguments.tick_ms,
        reading_ms: arguments.reading_ms,
        ..Overrides::default()
    };
    let founded = found(&arguments.folder, &sample, &ports, overrides, context.clock.now(), &mut os_rng())
        .map_err(|error| Failure::trouble("the federation was not founded").why(error))?;
    let members: Vec<_> = sample.member.iter().map(|member| member.id.as_str()).collect();
    let folder = arguments.folder.display();
    context.output.result(
        &json!({
            "folder": arguments.folder,
            "federation": sample.federation,
            "members": members,
            "registry": { "number": founded.registry.number(), "hash": hex::encode(founded.registry.hash()) },
            "files": founded.files,
        }),
        || {
            format!(
                "Founded {} in {folder}: {}.\n\nRead {folder}/README.txt; start it with\n\n  tacit up {folder}",
                sample.federation,
                members.join(", "),
            )
        },
    )?;
    Ok(Exit::Done)
}

/// A sample by its name, or from a file.
fn read_sample(name: &str) -> Result<Sample, Failure> {
    let wrong = |error: SampleError| Failure::usage(format!("the sample {name} cannot be used")).why(error);
    match Sample::named(name) {
        Err(SampleError::Unknown) if name.contains(['/', '.']) => {
            let text = std::fs::read_to_string(name)
                .map_err(|error| Failure::usage(format!("{name} cannot be read")).why(error))?;
            Sample::parse(&text).map_err(wrong)
        }
        outcome => outcome.map_err(wrong),
    }
}
