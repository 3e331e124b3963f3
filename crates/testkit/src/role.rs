//! One role on threads of its own.

use std::{net::SocketAddr, path::Path, time::Duration};

use tacit_federation::{
    config::Environment,
    run::{GatewayAt, Running, StartError, Surroundings, start},
};
use tacit_model::MemberId;
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
};

use crate::KitError;

/// Threads of one role; the crypto of one must not keep the other from answering.
const THREADS: usize = 2;

/// A role at work. Dropping it ends it as a crash does.
pub(crate) struct RunningRole {
    running: Option<Running>,
    member: MemberId,
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for RunningRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningRole").field("running", &self.running).finish_non_exhaustive()
    }
}

impl RunningRole {
    pub(crate) async fn start(file: &Path, surroundings: &Surroundings) -> Result<Self, KitError> {
        let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
        let (file, surroundings) = (file.to_owned(), surroundings.clone());
        let (done, started) = oneshot::channel();
        let handle = runtime.handle().clone();
        // A thread of its own waits: what starts a role cannot move between threads.
        std::thread::spawn(move || {
            // Nobody waiting any more is no error.
            let _ = done.send(handle.block_on(start(&file, Environment::Ignored, &surroundings)));
        });
        match started.await {
            Ok(Ok(running)) => {
                let member = running.member().clone();
                Ok(Self { running: Some(running), member, runtime: Some(runtime) })
            }
            outcome => {
                // A runtime must not be dropped where one waits.
                runtime.shutdown_background();
                Err(outcome
                    .map_or(KitError::Broke, |started| started.err().map_or(KitError::Broke, KitError::from)))
            }
        }
    }

    pub(crate) fn member(&self) -> &MemberId {
        &self.member
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.as_ref().map_or(([127, 0, 0, 1], 0).into(), Running::address)
    }

    pub(crate) fn gateway(&self) -> Option<GatewayAt> {
        self.running.as_ref().and_then(Running::gateway)
    }

    pub(crate) async fn stop(mut self, drain: Duration) -> Result<(), StartError> {
        match self.running.take() {
            Some(running) => running.stop(drain).await,
            None => Ok(()),
        }
    }
}

impl Drop for RunningRole {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
