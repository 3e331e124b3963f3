//! The lists: made-up records with valid codes, written as the CSV files that agencies would have, and taken in by the
//! way that `tacit list import` and `tacit list seal` go.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand_core::Rng;
use serde_json::{Value, json};
use tacit_model::{ListId, generate::generate_uscc};
use tacit_node::records::{ImportOptions, Records, SealOutcome, format_day};

use super::report::ms;
use crate::{cli::Context, exit::Failure, parties};

/// How often is looked whether a list is published.
const POLL: Duration = Duration::from_millis(50);
/// Longest wait for a list to be published.
const PATIENCE: Duration = Duration::from_secs(300);
/// Who imports, for the history.
const BY: &str = "demonstration";
/// Fewest records of a list.
const FEWEST: u32 = 300;

/// A list to be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// `<holder>/<name>`.
    pub(super) list: &'static str,
    /// Records at full size.
    records: u32,
    /// Grounds of listing, from the catalogue.
    categories: &'static [u16],
    /// Adverse listings are notified to their subject, favorable ones joined by its consent.
    adverse: bool,
    /// Decisions are at most this many days old, so that most are in force.
    oldest_days: u32,
}

/// The three lists of the sample federation.
pub(super) const PLANS: [Plan; 3] = [
    Plan {
        list: super::COURT_LIST,
        records: 120_000,
        categories: &[101, 102, 103],
        adverse: true,
        oldest_days: 640,
    },
    Plan {
        list: super::TAX_LIST,
        records: 40_000,
        categories: &[201, 202, 203],
        adverse: true,
        oldest_days: 900,
    },
    Plan {
        list: "tax/trusted-taxpayers",
        records: 60_000,
        categories: &[301],
        adverse: false,
        oldest_days: 300,
    },
];

/// A list's file.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) list: ListId,
    pub(super) holder: &'static str,
    path: PathBuf,
    /// Some codes on it that are answered today.
    pub(super) examples: Vec<String>,
}

/// Codes that are all different, over all lists.
pub(super) struct Codes<R> {
    rng: R,
    used: HashSet<String>,
}

impl<R: Rng> Codes<R> {
    pub(super) fn new(rng: R) -> Self {
        Self { rng, used: HashSet::new() }
    }

    /// A valid code that is on no list and was not given before.
    pub(super) fn fresh(&mut self) -> String {
        loop {
            let code = generate_uscc(&mut self.rng);
            if self.used.insert(code.clone()) {
                return code;
            }
        }
    }

    /// A number below `bound`.
    fn below(&mut self, bound: u32) -> u32 {
        let wide = u64::from(self.rng.next_u32()) * u64::from(bound);
        u32::try_from(wide >> 32).unwrap_or(0)
    }

    /// Writes the CSV file of a list, `today` in days since 1970-01-01.
    pub(super) fn write(
        &mut self,
        plan: &Plan,
        scale: f64,
        today: u32,
        folder: &Path,
    ) -> Result<Made, Failure> {
        let list: ListId = plan.list.parse().map_err(Failure::internal)?;
        let (holder, name) = plan.list.split_once('/').unwrap_or((plan.list, ""));
        let path = folder.join(format!("{holder}-{name}.csv"));
        let mut file = BufWriter::new(File::create(&path)?);
        let joined = if plan.adverse { "" } else { ",consented_on" };
        writeln!(file, "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on{joined}")?;
        let records = scaled(plan.records, scale);
        let mut examples = Vec::new();
        for number in 1..=records {
            let code = self.fresh();
            let place =
                usize::try_from(self.below(u32::try_from(plan.categories.len()).unwrap_or(1))).unwrap_or(0);
            let category = plan.categories.get(place).copied().unwrap_or_default();
            // A month at least, so that notice periods are over and the list's own day does not matter.
            let decided = today.saturating_sub(30 + self.below(plan.oldest_days));
            // Of some the notice, or the consent to a favorable listing, has not arrived: they are kept, and not
            // answered.
            let has_arrived = self.below(100) > 0;
            let arrived = if has_arrived { format_day(decided + 1 + self.below(10)) } else { String::new() };
            let decided = format_day(decided);
            let reference = format!("{}-{}", decided.get(..4).unwrap_or_default(), number);
            if plan.adverse {
                writeln!(file, "{code},{category},{reference},{decided},{arrived},,")?;
            } else {
                writeln!(file, "{code},{category},{reference},{decided},,{decided},,{arrived}")?;
            }
            if examples.len() < 64 && has_arrived {
                examples.push(code);
            }
        }
        file.flush()?;
        Ok(Made { list, holder, path, examples })
    }
}

impl Made {
    /// The first records of the file, as a file of its own.
    pub(super) fn first(&self, records: usize) -> Result<Self, Failure> {
        let lines = BufReader::new(File::open(&self.path)?).lines().take(records + 1);
        let lines: Vec<String> = lines.collect::<Result<_, _>>()?;
        let path = self.path.with_extension("first.csv");
        std::fs::write(&path, lines.join("\n") + "\n")?;
        Ok(Self { list: self.list.clone(), holder: self.holder, path, examples: Vec::new() })
    }
}

/// Records at this scale.
fn scaled(records: u32, scale: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the scale is from 0 to 1, so the product lies between 0 and the full size"
    )]
    let scaled = (f64::from(records) * scale) as u32;
    scaled.max(FEWEST)
}

/// A list that is imported, sealed and published.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) list: ListId,
    pub(super) records: u64,
    /// Records that are kept and not answered today.
    pub(super) held_back: u64,
    pub(super) buckets: u32,
    pub(super) import: Duration,
    pub(super) seal: Duration,
}

impl Published {
    pub(super) fn facts(&self) -> Value {
        json!({
            "list": self.list,
            "records": self.records,
            "held_back": self.held_back,
            "buckets": self.buckets,
            "import_ms": ms(self.import),
            "seal_ms": ms(self.seal),
        })
    }
}

/// Imports a file beside the running node and waits until the node has published it.
pub(super) async fn publish(context: &Context, folder: &Path, made: &Made) -> Result<Published, Failure> {
    let (records, ..) = parties::records(context, &folder.join(format!("{}.toml", made.holder))).await?;
    let started = Instant::now();
    let source = made.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let options = ImportOptions { by: BY.to_owned(), source, keep_rejections: 1 };
    let report = records.import(File::open(&made.path)?, &made.list, &options, |_| ()).await?;
    if let Some(rejection) = report.rejections.first() {
        return Err(Failure::internal(format!("line {}: {}", rejection.line, rejection.problem)));
    }
    let import = started.elapsed();
    let started = Instant::now();
    wait_published(&records, &made.list).await?;
    let seal = started.elapsed();
    let counts = records.counts(&made.list).await?;
    Ok(Published {
        list: made.list.clone(),
        records: report.read,
        held_back: report.held_back.values().sum(),
        buckets: counts.sealed.map_or(0, |sealed| sealed.buckets),
        import,
        seal,
    })
}

/// Has the node publish a list, and waits for it.
pub(super) async fn wait_published(records: &Records, list: &ListId) -> Result<(), Failure> {
    let mut request = records.request_seal(list, BY).await?;
    let until = Instant::now() + PATIENCE;
    loop {
        match records.seal_outcome(request).await? {
            Some(SealOutcome::Published { .. }) => return Ok(()),
            Some(SealOutcome::Waiting) if Instant::now() < until => tokio::time::sleep(POLL).await,
            // The node goes on trying: it may not have seen the newest checkpoint yet.
            Some(SealOutcome::Failed(_)) if Instant::now() < until => {
                tokio::time::sleep(POLL).await;
                request = records.request_seal(list, BY).await?;
            }
            Some(SealOutcome::Failed(reason)) => {
                return Err(Failure::trouble(format!("{list} was not published")).reason(reason));
            }
            Some(SealOutcome::Waiting) | None => {
                return Err(Failure::trouble(format!("{list} was not published in time"))
                    .next("read tacit.log in the federation's folder"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tacit_model::{Schemes, entropy::seeded_rng};

    use super::*;

    #[test]
    fn a_made_list_has_the_size_wanted_and_only_different_valid_codes() {
        let folder = tempfile::tempdir().unwrap();
        let (schemes, mut codes) = (Schemes::built_in(), Codes::new(seeded_rng([5; 32])));
        let made = codes.write(&PLANS[0], 0.01, 20_000, folder.path()).unwrap();
        let text = std::fs::read_to_string(&made.path).unwrap();
        let listed: HashSet<&str> = text.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
        assert_eq!(listed.len(), 1200);
        assert!(listed.iter().all(|code| schemes.parse_exact("CN-USCC", code).is_ok()));
        assert!(made.examples.len() == 64 && made.examples.iter().all(|code| listed.contains(code.as_str())));
        assert!(!listed.contains(codes.fresh().as_str()));
        assert_eq!(scaled(120_000, 1.0), 120_000);
    }
}
