//! Starts a portal.

use std::{path::Path, sync::Arc};

use tacit_client::{Deadlines, LogReader};
use tacit_identity::WebCertificate;
use tacit_model::MemberId;
use tacit_portal::{DeskConfig, DeskName, End, Ends, OpenDesk, Portal, PortalDeps};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    DRAIN, StartError, Surroundings,
    secrets::{read_or_make_seed, read_seed},
};
use crate::{
    config::{AuditorFile, Environment, PortalFile, RoleFile as _},
    connect,
};

/// How long the coordinator is waited for while somebody waits for a page.
const DEADLINES: Deadlines = Deadlines { call_ms: 10_000, patience_ms: 8_000 };

/// A portal that serves. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct RunningPortal {
    name: MemberId,
    desks: Vec<OpenDesk>,
    /// Dropped or sent to: stop.
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl RunningPortal {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &MemberId {
        &self.name
    }

    /// The desks that it has.
    #[must_use]
    pub fn desks(&self) -> &[OpenDesk] {
        &self.desks
    }

    /// Reads the certificates of its desks again and uses them from the next connection on; where one cannot be used, the
    /// last good one stays. Blocking.
    pub fn reload(&self) {
        for desk in &self.desks {
            match desk.certificate.as_ref().map(WebCertificate::reload) {
                Some(Ok(until)) => {
                    tracing::info!(desk = %desk.name, valid_until = %until, "the certificate was read again");
                }
                Some(Err(error)) => {
                    tracing::error!(desk = %desk.name, %error, "the last good certificate stays in use");
                }
                None => {}
            }
        }
    }

    /// Waits until it ends by itself, which it never should.
    pub async fn ended(&mut self) {
        if let Err(error) = (&mut self.serving).await {
            tracing::error!(%error, "a portal broke off");
        }
    }

    /// Takes no new requests, lets those under way end, then ends.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        self.ended().await;
    }
}

impl Drop for RunningPortal {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Starts the portal that a configuration file is for.
///
/// # Errors
/// [`StartError`], which names the file, the desk and the key at fault.
pub async fn start_portal(
    path: &Path,
    environment: Environment,
    around: &Surroundings,
) -> Result<RunningPortal, StartError> {
    let file = PortalFile::load(path, environment)?;
    let auditor = file.auditor.map(|desk| auditing(desk, environment, around)).transpose()?;
    let store_key = match &file.store_key {
        Some(path) if file.subject.is_some() => Some(read_or_make_seed(path).map_err(StartError::StoreKey)?),
        _ => None,
    };
    let deps = PortalDeps {
        db: tacit_portal::store::open(&file.database).await?,
        clock: Arc::clone(&around.clock),
        store_key,
        subject: file.subject,
        officer: file.officer,
        auditor,
    };
    let portal = Portal::start(deps).await?;
    let desks = portal.desks().cloned().collect();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let shutdown = async {
            // A dropped sender means the same.
            let _ = stopped.await;
        };
        portal.serve(shutdown, DRAIN).await;
    });
    Ok(RunningPortal { name: file.name, desks, stop: Some(stop), serving })
}

/// The auditor desk with what it reads the log with. A configuration that cannot be used is said now, not at the first
/// look.
fn auditing(
    desk: DeskConfig,
    environment: Environment,
    around: &Surroundings,
) -> Result<(DeskConfig, Ends), StartError> {
    let missing = || tacit_portal::StartError::Desk {
        desk: DeskName::Auditor,
        why: "auditor is missing: the configuration of the auditor whose desk it is".to_owned(),
    };
    let path = desk.auditor.as_deref().ok_or_else(missing)?;
    let file = Arc::new(AuditorFile::load(path, environment)?);
    for (key, path) in [("keys.box", &file.keys.audit_box), ("keys.signing", &file.keys.signing)] {
        let read = path.as_deref().map(read_seed).transpose();
        read.map_err(|error| tacit_portal::StartError::Desk {
            desk: DeskName::Auditor,
            why: format!("{key} of {}: {error}", file.member),
        })?;
    }
    let clock = Arc::clone(&around.clock);
    let ends = Ends::new(move || {
        let (file, clock) = (Arc::clone(&file), Arc::clone(&clock));
        Box::pin(async move {
            let made = connect::auditing(&file, &clock, DEADLINES).await;
            let (auditor, caller) = made.map_err(|error| error.to_string())?;
            let keys = connect::box_keys(&file, auditor.registry()).map_err(|error| error.to_string())?;
            let log = LogReader::new(caller.coordinator, caller.log_key.clone(), DEADLINES);
            Ok(End {
                auditor,
                log,
                log_key: caller.log_key,
                checkpoint: file.checkpoint.clone(),
                opens: keys.0,
                signs: keys.1,
            })
        })
    });
    Ok((desk, ends))
}
