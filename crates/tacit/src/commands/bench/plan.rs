//! What a run measures, and how long it looks.

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;

use super::{
    figure::{Figure, Floor},
    measure::Effort,
};

/// Records at which the floors of sealing and of bytes on the wire are stated.
pub(super) const FULL_LIST: u64 = 1_000_000;

/// Arguments of `tacit bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Records of the list that is sealed and asked; about 300 MB on disk for a million.
    #[arg(long, default_value_t = FULL_LIST, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    records: u64,
    /// Checks of one run of a batch.
    #[arg(long, default_value_t = 10_240, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    checks: u64,
    /// Records of the log that is proven and verified; about 2 KB on disk for each.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    entries: u64,
    /// Runs of which the best counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
    runs: u8,
    /// A look in a few seconds: one run, a list and a log of 20,000 records, fewer checks.
    #[arg(long, conflicts_with_all = ["records", "checks", "entries", "runs"])]
    quick: bool,
    /// Measure this only; may be given several times.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// A folder on the disk to measure; the system's temporary folder unless given.
    #[arg(long)]
    pub(super) dir: Option<PathBuf>,
    /// A PostgreSQL database for this alone, postgres://USER@HOST/DATABASE, for two replicas over it. The log that is
    /// written there stays there.
    #[arg(long, value_name = "URL", env = "TACIT_TEST_POSTGRES", hide_env_values = true)]
    postgres: Option<String>,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    /// Raw limits, evaluation, sealing.
    Crypto,
    /// All cryptography of a check, in memory.
    Protocol,
    /// A registry of real size, and decisions under it.
    Law,
    /// Durable log appends.
    Log,
    /// Appends of two replicas over one PostgreSQL database.
    Replicas,
    /// Inclusion proofs from a stored log.
    Proofs,
    /// `tacit log verify` of an exported log.
    Fsck,
    /// What a check leaves in the coordinator's tables.
    Size,
    /// Plain calls over mutual TLS.
    Calls,
    /// Import, sealing and checks of a whole federation.
    Checks,
    /// From a removal to the first check that says so, in a whole federation.
    Removal,
}

/// What a run is like.
#[derive(Debug)]
pub(super) struct Plan {
    /// Records of the list.
    pub(super) records: u64,
    /// Checks of a batch.
    pub(super) checks: u64,
    /// Checks of each kind whose traces are weighed.
    pub(super) weighed: u64,
    /// Records of the log that is proven and verified.
    pub(super) entries: u64,
    /// Rounds of appends in one run.
    pub(super) rounds: usize,
    /// Runs.
    pub(super) effort: Effort,
    /// The PostgreSQL database to measure on.
    pub(super) postgres: Option<String>,
    only: Vec<Part>,
}

impl Plan {
    pub(super) fn of(arguments: &Arguments) -> Self {
        let only = arguments.only.clone();
        // A variable that is set to nothing names no server.
        let postgres = arguments.postgres.clone().filter(|url| !url.is_empty());
        if arguments.quick {
            return Self {
                records: 20_000,
                checks: 2_048,
                weighed: 1_024,
                entries: 20_000,
                rounds: 4,
                effort: Effort { runs: 1, at_least: Duration::from_millis(100) },
                postgres,
                only,
            };
        }
        Self {
            records: arguments.records,
            checks: arguments.checks,
            weighed: 5_120,
            entries: arguments.entries,
            rounds: 20,
            effort: Effort { runs: arguments.runs.into(), at_least: Duration::from_millis(500) },
            postgres,
            only,
        }
    }

    pub(super) fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    pub(super) fn wants_any(&self, parts: &[Part]) -> bool {
        parts.iter().any(|part| self.wants(*part))
    }

    #[expect(clippy::cast_precision_loss, reason = "at most ten million")]
    pub(super) fn records_f64(&self) -> f64 {
        self.records as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "at most a million")]
    pub(super) fn checks_f64(&self) -> f64 {
        self.checks as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "at most ten million")]
    pub(super) fn entries_f64(&self) -> f64 {
        self.entries as f64
    }

    /// A floor that is stated for a list of a million records.
    pub(super) fn floor_of_full_list(&self, figure: Figure, floor: Floor) -> Figure {
        if self.records >= FULL_LIST { figure.floor(floor) } else { figure }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn plan(words: &[&str]) -> Result<Plan, clap::Error> {
        let words = ["bench"].iter().chain(words);
        Ok(Plan::of(&Line::try_parse_from(words)?.arguments))
    }

    #[test]
    fn everything_is_measured_unless_something_is_named() {
        let all = plan(&[]).unwrap();
        assert!(Part::value_variants().iter().all(|part| all.wants(*part)));
        assert_eq!((all.records, all.entries, all.effort.runs), (FULL_LIST, 200_000, 3));
        let some = plan(&["--only", "log", "--only", "fsck"]).unwrap();
        assert!(some.wants(Part::Log) && some.wants(Part::Fsck));
        assert!(!some.wants(Part::Replicas) && !some.wants_any(&[Part::Checks, Part::Calls]));
        assert!(plan(&["--only", "everything"]).is_err());
    }

    #[test]
    fn a_quick_look_has_its_own_sizes() {
        let quick = plan(&["--quick"]).unwrap();
        assert_eq!((quick.records, quick.entries, quick.effort.runs), (20_000, 20_000, 1));
        for own in [["--records", "5"], ["--checks", "5"], ["--entries", "5"], ["--runs", "5"]] {
            assert!(plan(&[&["--quick"][..], &own].concat()).is_err(), "{own:?}");
            plan(&own).unwrap();
        }
        assert!(plan(&["--entries", "0"]).is_err());
    }

    #[test]
    fn an_empty_url_names_no_server() {
        assert_eq!(plan(&["--postgres", ""]).unwrap().postgres, None);
        assert_eq!(
            plan(&["--postgres", "postgres://h/d"]).unwrap().postgres.as_deref(),
            Some("postgres://h/d")
        );
    }
}
