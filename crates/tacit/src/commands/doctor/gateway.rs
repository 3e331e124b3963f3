//! A requester's gateway, and the measures that it takes on answers.

use tacit_federation::config::NodeFile;
use tacit_wire::gateway::{GetStatusRequest, MeasureCounts};

use super::Findings;
use crate::parties::gateway_of;

/// A node that has not heard of the coordinator for longer is a warning.
const STALE_MS: u64 = 60_000;

/// Whether the gateway of a node answers, knows the log, and has no measure that should have been lifted.
pub(super) async fn gateway(who: &str, node: &NodeFile, findings: &mut Findings) {
    let status = match gateway_of(node) {
        Ok(mut client) => {
            client.get_status(GetStatusRequest {}).await.map_err(|status| status.message().to_owned())
        }
        Err(failure) => Err(failure.to_string()),
    };
    match status {
        Ok(status) => {
            let status = status.into_inner();
            let mut found = format!(
                "answers; {} subjects enrolled, registry {}",
                status.subjects, status.registry_number
            );
            match status.age_ms {
                Some(age) => {
                    found.push_str(&format!(", log size {} as of {} s ago", status.log_size, age / 1000));
                }
                None => found.push_str(", log not known yet"),
            }
            if status.age_ms.is_some_and(|age| age <= STALE_MS) {
                findings.good(who, "gateway", found);
            } else {
                findings.warn(who, "gateway", found, "see that its node reaches the coordinator");
            }
            measures(who, status.measures.unwrap_or_default(), node.keys.letters.is_some(), findings);
        }
        Err(problem) => findings.bad(
            who,
            "gateway",
            problem,
            "see that the node runs, and that its file of tokens has a line for cli",
        ),
    }
}

/// How the measures stand: one that is overdue is a warning, and so is a subject that no letter reaches.
fn measures(who: &str, counts: MeasureCounts, writes: bool, findings: &mut Findings) {
    const WHAT: &str = "measures";
    let MeasureCounts { standing, unconfirmed, due, overdue } = counts;
    let found =
        format!("{standing} standing, {unconfirmed} unconfirmed, {due} to be lifted, {overdue} overdue");
    let any = standing + unconfirmed + due > 0;
    if overdue > 0 {
        findings.warn(who, WHAT, found, "lift what their lists give no ground for: tacit measure list");
    } else if any && !writes {
        let found = format!("{found}; no letters key, so that letters about them wait");
        findings.warn(who, WHAT, found, "give the node a letters key: tacit member init shows one");
    } else {
        findings.good(who, WHAT, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Verdict;

    #[test]
    fn an_overdue_measure_is_a_warning_and_so_are_measures_without_letters() {
        let counts = |standing, due, overdue| MeasureCounts { standing, unconfirmed: 0, due, overdue };
        for (counts, writes, verdict, words) in [
            (counts(0, 0, 0), false, Verdict::Good, "0 standing"),
            (counts(2, 1, 0), true, Verdict::Good, "1 to be lifted, 0 overdue"),
            (counts(2, 1, 1), true, Verdict::Warning, "1 to be lifted, 1 overdue"),
            (counts(1, 0, 0), false, Verdict::Warning, "letters about them wait"),
        ] {
            let mut findings = Findings::default();
            measures("node.toml", counts, writes, &mut findings);
            let [finding] = &findings.0[..] else { panic!("{findings:?}") };
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.found.contains(words), "{finding:?}");
        }
    }
}
