//! `tacit portal serve --config F`: the web desks of a portal in their own process.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;
use tacit_federation::{
    config::{Environment, FileKind, PortalFile, kind_of},
    run::{RunningPortal, Surroundings, start_portal},
};

use super::serve::stop_asked;
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    metrics_endpoint::Metrics,
    signals::{Asked, Signals},
};

/// `tacit portal ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Portal {
    /// Serve its desks until SIGTERM or Ctrl-C.
    Serve(Arguments),
}

/// Arguments of `portal serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The portal's configuration file.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

pub(crate) fn run(context: &Context, Portal::Serve(arguments): Portal) -> Result<Exit, Failure> {
    let path = arguments.config;
    if let FileKind::Party(role) = kind_of(&path)? {
        return Err(Failure::usage(format!("{} is for role `{role}`, not for a portal", path.display()))
            .next(format!("say: tacit {role} serve --config {}", path.display())));
    }
    context.block_on(async {
        let mut signals = Signals::listen()?;
        let metrics = Metrics::collect()?;
        let surroundings = Surroundings::new(context.clock.clone());
        let mut running = tokio::select! {
            running = start_portal(&path, Environment::Read, &surroundings) => running?,
            () = stop_asked(&mut signals) => return Ok(Exit::Done),
        };
        if let Some(at) = PortalFile::load(&path, Environment::Read)?.metrics {
            metrics.serve(at).await?;
        }
        ready(context, &running)?;
        loop {
            tokio::select! {
                biased;
                () = tacit_store::disk_failed() => return Err(super::serve::disk_failed()),
                asked = signals.next() => match asked {
                    Asked::Stop => break,
                    Asked::Reload => running.reload(),
                },
                () = running.ended() => {
                    return Err(Failure::trouble(format!("{} ended", running.name()))
                        .next("read the log above; start again"));
                }
            }
        }
        context.output.line("stopping")?;
        running.stop().await;
        Ok(Exit::Done)
    })
}

/// One line per desk that says where it is.
pub(super) fn ready(context: &Context, portal: &RunningPortal) -> Result<(), Failure> {
    for desk in portal.desks() {
        let (url, desk) = (format!("{}/", desk.origin), desk.name);
        context.output.result(
            &json!({ "ready": portal.name(), "role": "portal", "desk": desk.as_str(), "endpoint": url }),
            || format!("{:<18} ready  {url:<28} {desk} desk", portal.name().as_str()),
        )?;
    }
    Ok(())
}
