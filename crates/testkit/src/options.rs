//! How a federation of a test differs from the real one.

use std::{path::Path, sync::Arc};

use tacit_federation::{found::Overrides, sample::Sample};
use tacit_model::{Clock, SystemClock};
use tacit_policy::registry::entry::Quotas;

/// How a federation of a test differs from the real one.
pub struct Options {
    /// List epochs, ticks, quotas.
    pub overrides: Overrides,
    /// The clock of all roles, of TLS too.
    pub clock: Arc<dyn Clock>,
    /// Keys, ids and tokens are drawn from this seed; TLS keys never are.
    pub seed: [u8; 32],
    /// What is changed in the sample before it is founded.
    pub change: Box<dyn Fn(&mut Sample) + Send + Sync>,
    /// The database of a member in a folder; an SQLite file of the sample's configuration where there is none.
    pub database: fn(&Path, &str) -> Option<String>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("overrides", &self.overrides).finish_non_exhaustive()
    }
}

impl Default for Options {
    /// As in earnest: long epochs, ticks of 10 s, the machine's clock.
    fn default() -> Self {
        Self {
            overrides: Overrides::default(),
            clock: Arc::new(SystemClock),
            seed: [7; 32],
            change: Box::new(|_| {}),
            database: |_, _| None,
        }
    }
}

impl Options {
    /// Ticks of 300 ms, so that published changes are seen soon.
    #[must_use]
    pub fn quick() -> Self {
        Self::default().tick_ms(300)
    }

    /// Another tick.
    #[must_use]
    pub fn tick_ms(mut self, tick_ms: u64) -> Self {
        self.overrides.tick_ms = Some(tick_ms);
        self
    }

    /// From one reading of an authority to the next.
    #[must_use]
    pub fn reading_ms(mut self, reading_ms: u64) -> Self {
        self.overrides.reading_ms = Some(reading_ms);
        self
    }

    /// Another length of list epochs.
    #[must_use]
    pub fn epoch_ms(mut self, epoch_ms: u64) -> Self {
        self.overrides.epoch_ms = Some(epoch_ms);
        self
    }

    /// These quotas in every agreement.
    #[must_use]
    pub fn quotas(mut self, quotas: Quotas) -> Self {
        self.overrides.quotas = Some(quotas);
        self
    }

    /// Another clock. Certificates are valid from an hour before what it says now.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Changes the sample before it is founded.
    #[must_use]
    pub fn change(mut self, change: impl Fn(&mut Sample) + Send + Sync + 'static) -> Self {
        self.change = Box::new(change);
        self
    }

    /// Other databases than SQLite files, by folder and member.
    #[must_use]
    pub fn database(mut self, database: fn(&Path, &str) -> Option<String>) -> Self {
        self.database = database;
        self
    }
}
