//! The node's configuration, section by section. Durations are in milliseconds, as the names say.

use serde::Deserialize;

/// The holder's part: how its own lists are sealed and published.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HolderConfig {
    /// Pause between publications of changes; 100 ms to 10 minutes.
    pub tick_ms: u64,
    /// Length of a list epoch; 1 s to 366 days.
    pub epoch_ms: u64,
    /// Threads that seal a list; 1 to 64.
    pub seal_threads: usize,
}

impl Default for HolderConfig {
    fn default() -> Self {
        Self { tick_ms: 10_000, epoch_ms: 86_400_000, seal_threads: 2 }
    }
}

/// How letters are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CourierConfig {
    /// From one round to the next; 100 ms to 10 minutes. Letters that wait are sent in each, and looked for in every third.
    pub every_ms: u64,
}

impl Default for CourierConfig {
    fn default() -> Self {
        Self { every_ms: 1_000 }
    }
}

impl CourierConfig {
    /// Checks the bounds.
    ///
    /// # Errors
    /// [`ConfigError`] names the first key that is out of them.
    pub fn check(&self) -> Result<(), ConfigError> {
        if (100..=600_000).contains(&self.every_ms) {
            return Ok(());
        }
        Err(ConfigError { key: "letters.every_ms", bounds: "from 100 to 600000" })
    }
}

/// A value outside its bounds. Names the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} must be {bounds}")]
pub struct ConfigError {
    /// The key, with its section.
    pub key: &'static str,
    /// What it must be.
    pub bounds: &'static str,
}

impl HolderConfig {
    /// Checks the bounds.
    ///
    /// # Errors
    /// [`ConfigError`] names the first key that is out of them.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, bounds| Err(ConfigError { key, bounds });
        if !(100..=600_000).contains(&self.tick_ms) {
            return refuse("holder.tick_ms", "from 100 to 600000");
        }
        if !(1_000..=366 * 86_400_000).contains(&self.epoch_ms) {
            return refuse("holder.epoch_ms", "from 1000 to 31622400000");
        }
        if !(1..=64).contains(&self.seal_threads) {
            return refuse("holder.seal_threads", "from 1 to 64");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_refused_and_bounds_are_named() {
        let parsed: HolderConfig = toml::from_str("tick_ms = 200").unwrap();
        assert_eq!(parsed, HolderConfig { tick_ms: 200, ..HolderConfig::default() });
        assert!(toml::from_str::<HolderConfig>("tick = 200").is_err());
        let key = |config: HolderConfig| config.check().err().map(|error| error.key);
        assert_eq!(key(HolderConfig::default()), None);
        assert_eq!(key(HolderConfig { tick_ms: 99, ..HolderConfig::default() }), Some("holder.tick_ms"));
        assert_eq!(key(HolderConfig { epoch_ms: 999, ..HolderConfig::default() }), Some("holder.epoch_ms"));
        assert_eq!(
            key(HolderConfig { seal_threads: 0, ..HolderConfig::default() }),
            Some("holder.seal_threads")
        );
        assert!(toml::from_str::<CourierConfig>("each_ms = 200").is_err());
        let letters = |every_ms| CourierConfig { every_ms }.check().err().map(|error| error.key);
        assert_eq!((letters(99), letters(1_000)), (Some("letters.every_ms"), None));
    }
}
