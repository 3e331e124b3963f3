//! Roles inside the test, each on threads and with a clock of its own, so that it can stand still and its clock can jump.
//! (The program has no way to be told another clock.)

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tacit_federation::{
    config::Environment,
    run::{Running, Surroundings, start},
};
use tacit_model::{Clock, Millis, SystemClock};
use tokio::runtime::{Builder, Runtime};

/// Threads of a role.
const THREADS: usize = 2;
/// How long one thread waits for the others before it stands still.
const GATHER: Duration = Duration::from_millis(20);

/// The machine's clock, and how far this one is from it.
#[derive(Debug, Clone, Default)]
struct Skewed(Arc<AtomicI64>);

impl Clock for Skewed {
    fn now(&self) -> Millis {
        Millis(SystemClock.now().0.saturating_add_signed(self.0.load(Ordering::SeqCst)))
    }

    fn steady(&self) -> u64 {
        SystemClock.steady()
    }
}

/// A role at work.
pub(crate) struct SkewedRole {
    clock: Skewed,
    runtime: Option<Runtime>,
    _running: Running,
}

impl Drop for SkewedRole {
    fn drop(&mut self) {
        // A runtime must not be dropped where one waits.
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl SkewedRole {
    /// Starts the role of a configuration file.
    pub(crate) async fn start(config: impl AsRef<Path>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().unwrap();
        let clock = Skewed::default();
        let surroundings = Surroundings::new(Arc::new(clock.clone()));
        let (handle, config): (_, PathBuf) = (runtime.handle().clone(), config.as_ref().to_owned());
        // A thread of its own waits: what starts a role cannot move between threads.
        let started = std::thread::spawn(move || {
            handle
                .block_on(start(&config, Environment::Ignored, &surroundings))
                .map_err(|error| error.to_string())
        });
        let running = tokio::task::spawn_blocking(|| started.join().unwrap()).await.unwrap().unwrap();
        Self { clock, runtime: Some(runtime), _running: running }
    }

    /// Sets the clock this far from the machine's.
    pub(crate) fn set_off(&self, ms: i64) {
        self.clock.0.store(ms, Ordering::SeqCst);
    }

    /// Lets all its threads stand still for so long.
    pub(crate) fn pause(&self, span: Duration) {
        let there = Arc::new(AtomicUsize::new(0));
        for _ in 0..THREADS {
            let there = Arc::clone(&there);
            self.runtime.as_ref().unwrap().spawn(async move {
                there.fetch_add(1, Ordering::SeqCst);
                let begun = Instant::now();
                // Each on a thread of its own; when one has both, it waits for nobody.
                while there.load(Ordering::SeqCst) < THREADS && begun.elapsed() < GATHER {
                    std::thread::yield_now();
                }
                std::thread::sleep(span);
            });
        }
    }
}
