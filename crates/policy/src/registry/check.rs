//! What can be checked about an entry alone: lengths, ranges, names, repetitions. Bounds are stated on the fields.

use std::{
    collections::BTreeSet,
    fmt::{Arguments, Display},
    ops::RangeInclusive,
};

use jiff::tz::TimeZoneDatabase;

use super::{
    ended::AgreementEnd,
    entry::{
        Act, Agreement, Category, Entry, FederationRule, LegalBasis, List, Member, PseudonymKey, Purpose,
        Role, SUBJECT_ACCESS, Scheme,
    },
    error::{At, RegistryError, RegistryProblem as Problem},
    matter,
};
use crate::duration::{MAX_VALUE, Span};

const TITLE: usize = 200;
const SHORT: usize = 500;
const CITATION: usize = 1000;
const LONG: usize = 2000;
const STATEMENT: usize = 4000;

/// Characters of a rule of the federation's own.
const RULE: usize = 8000;

pub(super) type Checked = Result<(), RegistryError>;

/// Checks one entry at `path` by itself.
pub(super) fn entry(entry: &Entry, path: &str) -> Checked {
    match entry {
        Entry::Member(it) => member(it, path),
        Entry::Act(it) => act(it, path),
        Entry::List(it) => list(it, path),
        Entry::Purpose(it) => purpose(it, path),
        Entry::Scheme(it) => scheme(it, path),
        Entry::Category(it) => category(it, path),
        Entry::Rule(it) => rule(it, path),
        Entry::Agreement(it) => agreement(it, path),
        Entry::PseudonymKey(PseudonymKey { requester: _, epoch: _, public_key: _ })
        | Entry::AgreementEnd(AgreementEnd { agreement: _, member: _, ended_at: _ }) => Ok(()),
    }
}

fn member(member: &Member, path: &str) -> Checked {
    text(&member.title, TITLE, format_args!("{path}.title"))?;
    super::keychange::check(member, path)?;
    count(member.roles.len(), 1..=6, format_args!("{path}.roles"))?;
    unique(&member.roles, format_args!("{path}.roles"))?;
    count(member.keys.boxes.len(), 0..=2, format_args!("{path}.keys.box"))?;
    if let Some(endpoint) = &member.endpoint {
        let problem = || Problem::Endpoint { found: clip(endpoint) };
        is_endpoint(endpoint).then_some(()).ok_or_else(problem).at(format_args!("{path}.endpoint"))?;
    }
    for role in &member.roles {
        let missing = match role {
            Role::Holder if member.keys.manifest.is_none() => Some("keys.manifest"),
            Role::Coordinator if member.keys.log.is_none() => Some("keys.log"),
            Role::Holder | Role::Coordinator | Role::Custodian if member.endpoint.is_none() => {
                Some("endpoint")
            }
            Role::Requester if member.pseudonym_epoch.is_none() => Some("pseudonym_epoch"),
            Role::Holder
            | Role::Requester
            | Role::Authority
            | Role::Auditor
            | Role::Custodian
            | Role::Coordinator => None,
        };
        if let Some(field) = missing {
            return Err(Problem::RoleNeeds { role: *role, field }).at(format_args!("{path}.{field}"));
        }
    }
    if !member.has(Role::Auditor) && !member.keys.boxes.is_empty() {
        return Err(Problem::Role { member: member.id.clone(), role: Role::Auditor })
            .at(format_args!("{path}.keys.box"));
    }
    Ok(())
}

fn act(act: &Act, path: &str) -> Checked {
    name(&act.id, format_args!("{path}.id"))?;
    text(&act.title, SHORT, format_args!("{path}.title"))?;
    text(&act.issued_by, TITLE, format_args!("{path}.issued_by"))?;
    text(&act.published, CITATION, format_args!("{path}.published"))
}

fn category(category: &Category, path: &str) -> Checked {
    text(&category.title, TITLE, format_args!("{path}.title"))?;
    listable(&category.title, format_args!("{path}.title"))?;
    context(&category.origin_context, format_args!("{path}.origin_context"))?;
    basis(&category.legal_basis, format_args!("{path}.legal_basis"))?;
    range(category.notice_days, 0..=365, format_args!("{path}.notice_days"))?;
    range(category.retention_days, 1..=36_525, format_args!("{path}.retention_days"))
}

fn rule(rule: &FederationRule, path: &str) -> Checked {
    name(&rule.id, format_args!("{path}.id"))?;
    text(&rule.title, SHORT, format_args!("{path}.title"))?;
    let found = rule.policy.chars().count();
    if found > RULE {
        return Err(Problem::Text { found, max: RULE }).at(format_args!("{path}.policy"));
    }
    // Whether it is a rule at all is for the schema to say.
    crate::own::parse(rule).map(|_| ()).at(format_args!("{path}.policy"))
}

fn list(list: &List, path: &str) -> Checked {
    text(&list.title, TITLE, format_args!("{path}.title"))?;
    listable(&list.title, format_args!("{path}.title"))?;
    listable(list.id.as_str(), format_args!("{path}.id"))?;
    basis(&list.legal_basis, format_args!("{path}.legal_basis"))?;
    context(&list.origin_context, format_args!("{path}.origin_context"))?;
    text(&list.what_listing_means, LONG, format_args!("{path}.what_listing_means"))?;
    range(list.retention_days, 1..=36_525, format_args!("{path}.retention_days"))?;
    // The bundled database, so that every member of one version decides alike and no file is read.
    if TimeZoneDatabase::bundled().get(&list.time_zone).is_err() {
        return Err(Problem::TimeZone { found: clip(&list.time_zone) }).at(format_args!("{path}.time_zone"));
    }
    text(&list.objection_contact, SHORT, format_args!("{path}.objection_contact"))?;
    range(list.notice_days, 0..=365, format_args!("{path}.notice_days"))?;
    count(list.status_texts.len(), 0..=256, format_args!("{path}.status_texts"))?;
    let mut seen = BTreeSet::new();
    for (i, status) in list.status_texts.iter().enumerate() {
        text(&status.text, SHORT, format_args!("{path}.status_texts[{i}].text"))?;
        once(seen.insert(status.status), status.status, format_args!("{path}.status_texts[{i}].status"))?;
    }
    Ok(())
}

fn purpose(purpose: &Purpose, path: &str) -> Checked {
    text(&purpose.title, TITLE, format_args!("{path}.title"))?;
    context(&purpose.context, format_args!("{path}.context"))?;
    text(&purpose.dpv, TITLE, format_args!("{path}.dpv"))
}

fn scheme(scheme: &Scheme, path: &str) -> Checked {
    // Name and pattern are checked where the scheme is defined.
    text(&scheme.title, TITLE, format_args!("{path}.title"))?;
    count(scheme.rules.normalize.len(), 0..=5, format_args!("{path}.rules.normalize"))
}

fn agreement(agreement: &Agreement, path: &str) -> Checked {
    count(agreement.lists.len(), 1..=64, format_args!("{path}.lists"))?;
    unique(&agreement.lists, format_args!("{path}.lists"))?;
    for (i, list) in agreement.lists.iter().enumerate() {
        if list.holder() != agreement.holder.as_str() {
            return Err(Problem::ForeignList { list: list.clone(), holder: agreement.holder.clone() })
                .at(format_args!("{path}.lists[{i}]"));
        }
    }
    count(agreement.purposes.len(), 1..=256, format_args!("{path}.purposes"))?;
    unique(&agreement.purposes, format_args!("{path}.purposes"))?;
    context(&agreement.purpose_context, format_args!("{path}.purpose_context"))?;
    basis(&agreement.legal_basis, format_args!("{path}.legal_basis"))?;
    if let Some(cross) = &agreement.cross_context {
        name(&cross.act, format_args!("{path}.cross_context.act"))?;
        text(&cross.citation, CITATION, format_args!("{path}.cross_context.citation"))?;
        text(&cross.proportionality, STATEMENT, format_args!("{path}.cross_context.proportionality"))?;
    }
    count(agreement.measures.len(), 0..=64, format_args!("{path}.measures"))?;
    for (i, measure) in agreement.measures.iter().enumerate() {
        text(&measure.title, SHORT, format_args!("{path}.measures[{i}].title"))?;
        if let Some(law) = &measure.legal_basis {
            basis(law, format_args!("{path}.measures[{i}].legal_basis"))?;
        }
    }
    let quotas = &agreement.quotas;
    range(quotas.checks_per_day, 1..=1_000_000_000, format_args!("{path}.quotas.checks_per_day"))?;
    if let Some(burst) = quotas.checks_per_minute {
        let most = quotas.checks_per_day.min(1_000_000);
        range(burst, 1..=most, format_args!("{path}.quotas.checks_per_minute"))?;
    }
    range(quotas.per_subject_per_day, 1..=1_000_000, format_args!("{path}.quotas.per_subject_per_day"))?;
    range(
        quotas.new_subjects_per_day,
        0..=1_000_000_000,
        format_args!("{path}.quotas.new_subjects_per_day"),
    )?;
    range(agreement.max_lists_per_check, 1..=16, format_args!("{path}.max_lists_per_check"))?;
    span(agreement.data_life, format_args!("{path}.data_life"))?;
    if agreement.valid_from >= agreement.valid_until {
        return Err(Problem::Period).at(format_args!("{path}.valid_until"));
    }
    // Who may ask for consent may not use it: the one purpose an authority has is the subject's own view.
    let self_view = agreement.purposes.iter().filter(|code| code.as_str() == SUBJECT_ACCESS).count();
    if self_view > 0 && agreement.purposes.len() > 1 {
        return Err(Problem::SubjectAccess { member: agreement.requester.clone() })
            .at(format_args!("{path}.purposes"));
    }
    Ok(())
}

fn basis(basis: &LegalBasis, path: Arguments<'_>) -> Checked {
    if let Some(term) = &basis.basis {
        text(term, TITLE, format_args!("{path}.basis"))?;
    }
    name(&basis.act, format_args!("{path}.act"))?;
    text(&basis.citation, CITATION, format_args!("{path}.citation"))
}

/// A title or id of what may be listed.
fn listable(words: &str, path: Arguments<'_>) -> Checked {
    match matter::forbidden_in(words) {
        Some((word, matter)) => Err(Problem::ForbiddenMatter { word, matter }).at(path),
        None => Ok(()),
    }
}

fn span(span: Span, path: Arguments<'_>) -> Checked {
    range(span.value, 1..=MAX_VALUE, format_args!("{path}.value"))
}

/// 1 to `max` characters, none of them a control or direction character (which could make text read as another).
pub(super) fn text(text: &str, max: usize, path: impl Display) -> Checked {
    let found = text.chars().count();
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if found == 0 || found > max || text.trim().is_empty() || text.chars().any(hidden) {
        return Err(Problem::Text { found, max }).at(path);
    }
    Ok(())
}

/// A name that is allowed as a context.
fn context(name: &str, path: Arguments<'_>) -> Checked {
    self::name(name, path)?;
    if matter::is_forbidden_context(name) {
        return Err(Problem::ForbiddenContext { context: name.to_owned() }).at(path);
    }
    Ok(())
}

/// A name, `[a-z0-9][a-z0-9-]{0,62}`.
pub(super) fn name(name: &str, path: impl Display) -> Checked {
    // Member names have exactly this pattern (protocol, first section).
    match name.parse::<tacit_model::MemberId>() {
        Ok(_) => Ok(()),
        Err(_) => Err(Problem::Name { found: clip(name) }).at(path),
    }
}

pub(super) fn range<N: Into<u64> + Copy + PartialOrd>(
    value: N,
    allowed: RangeInclusive<N>,
    path: Arguments<'_>,
) -> Checked {
    if allowed.contains(&value) {
        return Ok(());
    }
    let (min, max) = ((*allowed.start()).into(), (*allowed.end()).into());
    Err(Problem::Range { found: value.into(), min, max }).at(path)
}

pub(super) fn count(found: usize, allowed: RangeInclusive<usize>, path: impl Display) -> Checked {
    if allowed.contains(&found) {
        return Ok(());
    }
    Err(Problem::Count { found, min: *allowed.start(), max: *allowed.end() }).at(path)
}

fn unique<T: Ord + Display>(values: &[T], path: Arguments<'_>) -> Checked {
    let mut seen = BTreeSet::new();
    values
        .iter()
        .enumerate()
        .try_for_each(|(i, value)| once(seen.insert(value), value, format_args!("{path}[{i}]")))
}

/// Refuses a value that was there before (`fresh` is what inserting it into a set or map said).
pub(super) fn once(fresh: bool, value: impl Display, path: impl Display) -> Checked {
    if fresh { Ok(()) } else { Err(Problem::Repeated { value: value.to_string() }).at(path) }
}

/// `https://host:port`, host a DNS name, an IPv4 address or an IPv6 address in brackets, and nothing behind.
fn is_endpoint(text: &str) -> bool {
    let Some((host, port)) = text.strip_prefix("https://").and_then(|rest| rest.rsplit_once(':')) else {
        return false;
    };
    let host_is_fine = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            (1..=253).contains(&host.len())
                && host.split('.').all(|label| {
                    (1..=63).contains(&label.len())
                        && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                        && !label.starts_with('-')
                        && !label.ends_with('-')
                })
        }
    };
    host_is_fine && port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port)
}

/// As much of a foreign text as an error message shows.
fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_https_host_port_and_nothing_else() {
        for good in [
            "https://court.example:443",
            "https://127.0.0.1:7001",
            "https://[::1]:65535",
            "https://localhost:1",
        ] {
            assert!(is_endpoint(good), "{good}");
        }
        for bad in [
            "",
            "https://",
            "http://a:1",
            "https://a",
            "https://a:0",
            "https://a:65536",
            "https://a:1/",
            "https://a:01",
            "https://:1",
            "https://a b:1",
            "https://a@b:1",
            "https://[::1:1",
            "https://-a:1",
            "https://a..b:1",
            "https://A:1",
        ] {
            assert!(!is_endpoint(bad), "{bad}");
        }
    }

    #[test]
    fn a_text_cannot_hide_its_direction_or_its_length() {
        assert!(text("Judgment defaulters 失信被执行人", 200, "t").is_ok());
        for bad in ["", " ", "a\nb", "a\u{202e}b", "\u{2066}"] {
            assert!(text(bad, 200, "t").is_err(), "{bad:?}");
        }
        assert!(text("abc", 2, "t").is_err());
    }
}
