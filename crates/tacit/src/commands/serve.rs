//! `tacit coordinator|custodian|node|authority serve --config F`: one role in its own process.

use std::path::PathBuf;

use clap::Subcommand;
use tacit_federation::{
    config::{AuthorityFile, CoordinatorFile, CustodianFile, Environment, NodeFile, RoleFile as _, role_of},
    run::{DRAIN, Running, RunningPortal, Surroundings, start},
};
use tacit_identity::Role;

use super::up::ready;
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    metrics_endpoint::{Metrics, MetricsError},
    signals::{Asked, Signals},
};

/// `tacit coordinator ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Coordinator {
    /// Serve until SIGTERM or Ctrl-C; SIGHUP reads certificates and revocation lists again.
    Serve(Arguments),
}

/// `tacit custodian ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Custodian {
    /// Serve until SIGTERM or Ctrl-C; SIGHUP reads certificates and revocation lists again.
    Serve(Arguments),
}

/// `tacit node ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Node {
    /// Serve until SIGTERM or Ctrl-C; SIGHUP reads certificates and revocation lists again.
    Serve(Arguments),
}

/// `tacit authority ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Authority {
    /// Serve until SIGTERM or Ctrl-C; SIGHUP reads certificates and revocation lists again.
    Serve(Arguments),
}

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The role's configuration file.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

pub(crate) fn run(context: &Context, role: Role, arguments: Arguments) -> Result<Exit, Failure> {
    let path = arguments.config;
    let found = role_of(&path)?;
    if found != role {
        return Err(Failure::usage(format!("{} is for role `{found}`, not for `{role}`", path.display()))
            .next(format!("say: tacit {found} serve --config {}", path.display())));
    }
    context.block_on(async {
        let mut signals = Signals::listen()?;
        let metrics = Metrics::collect()?;
        let surroundings = Surroundings::new(context.clock.clone());
        let started = start(&path, Environment::Read, &surroundings);
        let running = tokio::select! {
            running = started => running?,
            // Waiting for others at the start must not keep anybody from stopping it.
            () = stop_asked(&mut signals) => return Ok(Exit::Done),
        };
        if let Some(at) = metrics_address(&path)? {
            metrics.serve(at).await?;
        }
        ready(context, &running)?;
        until_stopped(context, vec![running], &[], &mut signals).await
    })
}

/// Ready when somebody asks to stop.
pub(super) async fn stop_asked(signals: &mut Signals) {
    while signals.next().await != Asked::Stop {}
}

/// Serves until a signal says stop, then drains. A role that ends by itself ends all.
pub(super) async fn until_stopped(
    context: &Context,
    mut roles: Vec<Running>,
    portals: &[RunningPortal],
    signals: &mut Signals,
) -> Result<Exit, Failure> {
    let failed = loop {
        let ended = futures::future::select_all(roles.iter_mut().map(|role| Box::pin(role.ended())));
        tokio::select! {
            biased;
            // Nothing is drained: no answer could be kept. Started again, the role recovers from its disk.
            () = tacit_store::disk_failed() => return Err(disk_failed()),
            asked = signals.next() => match asked {
                Asked::Stop => break None,
                Asked::Reload => {}
            },
            (outcome, place, _) = ended => break Some((outcome, place)),
        }
        roles.iter().for_each(reload);
        portals.iter().for_each(RunningPortal::reload);
    };
    if let Some((outcome, place)) = failed {
        let role = roles.remove(place);
        let mut failure = Failure::trouble(format!("{} ended", role.member()));
        if let Err(error) = outcome {
            failure = failure.why(error);
        }
        stop_all(roles).await?;
        return Err(failure.next("read the log above; start again"));
    }
    context.output.line("stopping")?;
    stop_all(roles).await?;
    Ok(Exit::Done)
}

/// What to say when a write failed on the disk.
pub(super) fn disk_failed() -> Failure {
    Failure::trouble(
        "a database could not be written to its disk; everything that was acknowledged before is kept",
    )
    .why("a write or sync failed, so nobody knows what of it is on the disk; the log above names the error")
    .next("see what the system says of the disk (dmesg, smartctl), repair or replace it, then start again")
}

/// All at once; requesters and holders let go of their streams, which lets the others end.
pub(super) async fn stop_all(roles: Vec<Running>) -> Result<(), Failure> {
    let stopped = futures::future::join_all(roles.into_iter().map(|role| role.stop(DRAIN))).await;
    stopped.into_iter().collect::<Result<(), _>>()?;
    Ok(())
}

fn reload(role: &Running) {
    match role.reload() {
        Ok(status) => tracing::info!(
            member = %role.member(),
            valid_until = %status.own.not_after,
            crl_until = %status.crl_next_update,
            "certificates and revocation lists were read again"
        ),
        Err(error) => {
            tracing::error!(member = %role.member(), %error, "the last good certificates stay in use")
        }
    }
}

/// Where the metrics of a role are to be served.
pub(super) fn metrics_address(path: &std::path::Path) -> Result<Option<std::net::SocketAddr>, Failure> {
    let environment = Environment::Read;
    Ok(match role_of(path)? {
        Role::Coordinator => CoordinatorFile::load(path, environment)?.metrics,
        Role::Custodian => CustodianFile::load(path, environment)?.metrics,
        Role::Node => NodeFile::load(path, environment)?.metrics,
        Role::Authority => AuthorityFile::load(path, environment)?.metrics,
        Role::Auditor => None,
    })
}

impl From<MetricsError> for Failure {
    fn from(error: MetricsError) -> Self {
        Self::trouble("metrics cannot be served").why(error)
    }
}
