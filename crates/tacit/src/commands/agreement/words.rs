//! An agreement in words.

use serde::Serialize;
use tacit_model::Millis;
use tacit_policy::{Registry, registry::trial::Trial};

/// A question that the agreement seems to cover and that will be refused.
#[derive(Debug, Serialize)]
pub(super) struct Refused {
    list: String,
    purpose: String,
    reason: &'static str,
    rules: Vec<String>,
}

/// Every pair of list and purpose that will be refused at `now`, or at the beginning when that is later.
pub(super) fn refused(trial: &Trial, registry: &Registry, now: Millis) -> Vec<Refused> {
    let agreement = trial.agreement();
    let at = now.max(agreement.valid_from);
    let mut refused = Vec::new();
    for list in &agreement.lists {
        for purpose in &agreement.purposes {
            if let Err(refusal) = trial.judge(list, purpose, at) {
                refused.push(Refused {
                    list: registry
                        .list(list)
                        .map_or_else(|| list.to_string(), |it| format!("{} ({list})", it.title)),
                    purpose: purpose.to_string(),
                    reason: refusal.exact.as_str(),
                    rules: refusal.rules.iter().map(ToString::to_string).collect(),
                });
            }
        }
    }
    refused
}

pub(super) fn of(trial: &Trial, registry: &Registry, refused: &[Refused]) -> String {
    let it = trial.agreement();
    let mut lines = vec![
        format!("Agreement {}", it.id),
        format!(
            "  {} ({}) lets {} ({}) ask",
            registry.member_title(&it.holder),
            it.holder,
            registry.member_title(&it.requester),
            it.requester
        ),
    ];
    for id in &it.lists {
        let list = registry.list(id);
        let adverse = list.is_some_and(|list| list.adverse);
        lines.push(format!(
            "    list {id}: {}{}",
            list.map_or("", |list| &list.title),
            if adverse { " (adverse)" } else { " (favorable)" }
        ));
    }
    for code in &it.purposes {
        let purpose = registry.purpose(code).map_or("", |purpose| &purpose.title);
        lines.push(format!("    for {code}: {purpose}"));
    }
    let law = |act: &str, place: &str| match registry.act(act) {
        Some(act) => format!("{} ({}), {place}", act.title, act.rank),
        None => format!("{act}, {place}"),
    };
    lines.push(format!(
        "  in the context {}, under {}",
        it.purpose_context,
        law(&it.legal_basis.act, &it.legal_basis.citation)
    ));
    if let Some(cross) = &it.cross_context {
        lines.push(format!(
            "  outside the lists' own context under {}: {}",
            law(&cross.act, &cross.citation),
            cross.proportionality
        ));
    }
    lines.push(match trial.needs_consent() {
        true => "  each check needs the subject's consent".to_owned(),
        false => "  without the subject's consent".to_owned(),
    });
    for measure in &it.measures {
        let restricts = if measure.restricts { " (restricts)" } else { "" };
        lines.push(format!("  may lead to: {}{restricts}", measure.title));
    }
    lines.push(format!(
        "  at most {} checks a day{}, {} about one subject, {} new subjects; {} lists in one check",
        it.quotas.checks_per_day,
        it.quotas.checks_per_minute.map_or_else(String::new, |most| format!(" and {most} a minute")),
        it.quotas.per_subject_per_day,
        it.quotas.new_subjects_per_day,
        it.max_lists_per_check,
    ));
    lines.push(format!("  from {} until {}", it.valid_from.to_rfc3339(), it.valid_until.to_rfc3339()));
    lines.push(match trial.signed_by() {
        [] => format!("  signed by nobody; {} signs first", it.holder),
        [holder] => format!("  signed by {holder}; {} signs next", it.requester),
        _ => format!(
            "  signed by {} and {}; it is in force once the registry carries it",
            it.holder, it.requester
        ),
    });
    for no in refused {
        lines.push(format!(
            "  REFUSED: {} for {}: {} ({})",
            no.list,
            no.purpose,
            no.reason,
            no.rules.join(", ")
        ));
    }
    lines.join("\n")
}
