//! `tacit up DIR`: all roles of a folder in one process.

use std::path::{Path, PathBuf};

use serde_json::json;
use tacit_federation::{
    config::{Environment, FileKind, kind_of},
    run::{Running, RunningPortal, Surroundings, start, start_portal},
};
use tacit_identity::Role;

use super::serve::{metrics_address, stop_asked, until_stopped};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    metrics_endpoint::Metrics,
    signals::Signals,
};

/// Arguments of `tacit up`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder that `tacit init` made.
    folder: PathBuf,
}

pub(crate) fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let files = serving_files(&arguments.folder)?;
    context.block_on(async {
        let mut signals = Signals::listen()?;
        let metrics = Metrics::collect()?;
        let (mut roles, mut portals) = (Vec::new(), Vec::new());
        let started = async {
            start_all(context, &files, &mut roles).await?;
            start_portals(context, &portal_files(&arguments.folder)?, &mut portals).await
        };
        tokio::select! {
            outcome = started => outcome?,
            () = stop_asked(&mut signals) => return Ok(Exit::Done),
        }
        // One process has one set of metrics: at the coordinator's address.
        if let Some(at) = files.first().map(|first| metrics_address(first)).transpose()?.flatten() {
            let at = metrics.serve(at).await?;
            context.output.line(&format!("{:<18} ready  http://{at}/metrics", "metrics"))?;
        }
        let outcome = until_stopped(context, roles, &portals, &mut signals).await;
        futures::future::join_all(portals.into_iter().map(RunningPortal::stop)).await;
        outcome
    })
}

/// Starts role after role; each says when it is ready.
async fn start_all(context: &Context, files: &[PathBuf], roles: &mut Vec<Running>) -> Result<(), Failure> {
    let surroundings = Surroundings::new(context.clock.clone());
    for file in files {
        let running = start(file, Environment::Ignored, &surroundings).await.map_err(|error| {
            let failure = Failure::from(error);
            Failure { what: format!("{}: {}", file.display(), failure.what), ..failure }
        })?;
        ready(context, &running)?;
        roles.push(running);
    }
    Ok(())
}

/// Starts the portals, which are clients of the roles before them.
async fn start_portals(
    context: &Context,
    files: &[PathBuf],
    portals: &mut Vec<RunningPortal>,
) -> Result<(), Failure> {
    let surroundings = Surroundings::new(context.clock.clone());
    for file in files {
        let running = start_portal(file, Environment::Ignored, &surroundings).await.map_err(|error| {
            let failure = Failure::from(error);
            Failure { what: format!("{}: {}", file.display(), failure.what), ..failure }
        })?;
        super::portal::ready(context, &running)?;
        portals.push(running);
    }
    Ok(())
}

/// The files of a folder that are for portals, by name.
fn portal_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in configuration_files(folder)? {
        if kind_of(&path)? == FileKind::Portal {
            files.push(path);
        }
    }
    Ok(files)
}

/// The files of a folder that have something to serve: coordinator, custodian, then nodes and authorities by name.
pub(crate) fn serving_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in configuration_files(folder)? {
        let FileKind::Party(role) = kind_of(&path)? else { continue };
        match role {
            Role::Coordinator => files.push((0, path)),
            Role::Custodian => files.push((1, path)),
            Role::Node => files.push((2, path)),
            Role::Authority => files.push((3, path)),
            Role::Auditor => {}
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Failure::usage(format!("{} holds no configuration of a role", folder.display()))
            .next(format!("make a federation first: tacit init {}", folder.display())));
    }
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// Every `*.toml` of a folder, by name.
pub(crate) fn configuration_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error| {
        Failure::usage(format!("{} cannot be read", folder.display()))
            .why(error)
            .next(format!("make a federation first: tacit init {}", folder.display()))
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The one line that says that a role is ready.
pub(super) fn ready(context: &Context, role: &Running) -> Result<(), Failure> {
    // An authority listens for its portal alone, without TLS on loopback.
    let scheme = if role.role() == Role::Authority { "http" } else { "https" };
    let endpoint = format!("{scheme}://{}", role.address());
    context.output.result(
        &json!({
            "ready": role.member(),
            "role": role.role(),
            "endpoint": endpoint,
            "does": role.does(),
            "gateway": role.gateway().map(|at| json!({ "http": at.http, "grpc": at.grpc })),
        }),
        || {
            let mut line = format!("{:<18} ready  {endpoint:<28} {}", role.member().as_str(), role.does());
            if let Some(http) = role.gateway().and_then(|at| at.http) {
                line.push_str(&format!("; its applications at http://{http}"));
            }
            line
        },
    )?;
    Ok(())
}
