//! `README.txt` of a new federation: what is what, and what to do first.

use std::fmt::Write as _;

use tacit_policy::registry::entry::Role;
use tacit_portal::DeskName;

use super::{Ports, Service, ports::desks, role_of};
use crate::sample::{Sample, SampleAgreement};

pub(super) fn text(sample: &Sample, ports: &Ports) -> String {
    let mut out = format!(
        "{}\n\nThe federation {}, made by `tacit init` for one machine. All keys of all parties lie in this one folder,\n\
         so it is for trying things out; in earnest each party keeps only its own.\n\nParties\n\n",
        sample.title, sample.federation
    );
    for member in &sample.member {
        let roles: Vec<_> = member.roles.iter().map(|role| role.as_str()).collect();
        let at = ports.get(&member.id, Service::Federation);
        let api = ports.get(&member.id, Service::Api).map(|at| format!("http://{at}"));
        let at = at.map(|at| format!("https://{at}")).or(api).unwrap_or_default();
        let file = format!("{}.toml", member.id);
        let _ = writeln!(out, "  {:<18} {:<24} {:<22} {}", file, roles.join(", "), at, member.title);
    }
    let desks: Vec<_> = desks(sample)
        .into_iter()
        .filter_map(|(desk, member)| Some((desk, ports.get(&member?.id, Service::Desk)?)))
        .collect();
    if !desks.is_empty() {
        out.push_str(
            "\nThe web, when all of it runs; whoever opens it on this machine chooses who to be\n\n",
        );
    }
    for (desk, at) in desks {
        let what = match desk {
            DeskName::Subject => "who asked about me and why, am I on a list, consents, objections",
            DeskName::Officer => "one check, batches, own checks, measures, objections",
            DeskName::Auditor => "the log, verified: who asked what, by which agreement, with which proof",
        };
        let _ = writeln!(out, "  http://{at}/  {desk:<8} {what}");
    }
    out.push_str("\nLists\n\n");
    for list in &sample.list {
        let kind = if list.adverse { "adverse" } else { "favorable" };
        let _ = writeln!(out, "  {:<26} {:<9} {:<10} {}", list.id, list.scheme, kind, list.title);
    }
    out.push_str("\nWho may ask what\n\n");
    for agreement in &sample.agreement {
        let lists: Vec<_> = agreement.lists.iter().map(|it| it.as_str()).collect();
        let purposes: Vec<_> = agreement.purposes.iter().map(|it| it.as_str()).collect();
        let quotas = &agreement.quotas;
        let _ = writeln!(
            out,
            "  {} asks {}\n    for {}\n    {} checks, {} new subjects a day{}{}",
            agreement.requester,
            lists.join(", "),
            purposes.join(", "),
            quotas.checks_per_day,
            quotas.new_subjects_per_day,
            quotas.checks_per_minute.map_or_else(String::new, |most| format!("; {most} checks a minute")),
            if sample.needs_consent(agreement) { "; only with the subject's consent" } else { "" },
        );
    }
    out.push_str(
        "\nFiles\n\n\
         \x20 registry.json   who is in the federation, which lists, purposes and agreements; every entry signed by its owner\n\
         \x20 *.toml          one configuration per party, with comments\n\
         \x20 ca/             the development CA; ca.key can make certificates for any party: keep it away from all of them\n\
         \x20 tls/            certificate and key of each party, the CA certificate, the revocation list\n\
         \x20 keys/           private keys of each party; never in version control\n\
         \x20 tokens/         access tokens of gateways and authorities\n\
         \x20 desks/          who can be chosen at the web desks; never in version control\n\
         \x20 data/           databases; empty before the first start\n",
    );
    first_steps(&mut out, sample);
    out
}

fn first_steps(out: &mut String, sample: &Sample) {
    out.push_str("\nFirst steps, from this folder\n\n  tacit up .\n");
    let is_requester = |it: &&SampleAgreement| {
        sample.member.iter().any(|member| member.id == it.requester && member.has(Role::Requester))
    };
    let asking = sample.agreement.iter().filter(is_requester).min_by_key(|it| sample.needs_consent(it));
    if let Some(agreement) = asking
        && let (Some(list), Some(purpose)) = (agreement.lists.first(), agreement.purposes.first())
    {
        let (holder, requester) = (&agreement.holder, &agreement.requester);
        let _ = write!(
            out,
            "  tacit list import {list} records.csv --config {holder}.toml\n\
             \x20 tacit list seal {list} --config {holder}.toml\n",
        );
        let authority = sample.member.iter().find(|member| member.has(Role::Authority));
        if let Some(authority) = authority.filter(|_| sample.needs_consent(agreement)) {
            let _ = write!(
                out,
                "  tacit consent ask CODE --list {list} --purpose {purpose} --days 90 --frequency '4 MONTH' --config \
                 {requester}.toml\n\
                 \x20 tacit consent allow ID --config {}.toml\n",
                authority.id,
            );
        }
        let _ = writeln!(
            out,
            "  tacit check CODE --list {list} --purpose {purpose} --case CASE-1 --config {requester}.toml",
        );
    }
    if let Some(auditor) = sample.member.iter().find(|it| role_of(it) == tacit_identity::Role::Auditor) {
        let _ = writeln!(out, "  tacit log verify --config {}.toml", auditor.id);
    }
    out.push_str("  tacit doctor .\n");
}
