//! The checks themselves.

use std::{collections::BTreeMap, path::Path};

use tacit_blind::table::Manifest;
use tacit_client::{LogReader, fetch_registry};
use tacit_federation::{
    config::{Pinned, Tls, WhereIs},
    run::read_seed,
};
use tacit_identity::{Credentials, Federation, Role, SpiffeId, channel, dial};
use tacit_ledger::note::NoteVerifier;
use tacit_model::{MemberId, Millis};
use tacit_policy::Registry;

use super::{
    Findings, Loaded, authority,
    gateway::gateway,
    health::{health, services},
};
use crate::{
    cli::Context,
    parties::{Caller, DEADLINES},
};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Certificates and lists that end sooner are a warning.
const SOON_DAYS: u64 = 14;
/// Clocks further apart than this make permits fail.
const SKEW_MS: u64 = 5_000;

/// What all files have.
struct Common<'a> {
    federation: &'a Federation,
    member: &'a MemberId,
    role: Role,
    tls: &'a Tls,
    pins: &'a Pinned,
    coordinator: Option<&'a WhereIs>,
    custodian: Option<&'a WhereIs>,
    seeds: Vec<&'a Path>,
}

impl Loaded {
    fn common(&self) -> Common<'_> {
        match self {
            Self::Coordinator(it) => Common {
                federation: &it.federation,
                member: &it.member,
                role: Role::Coordinator,
                tls: &it.tls,
                pins: &it.pins,
                coordinator: None,
                custodian: None,
                seeds: vec![&it.keys.log],
            },
            Self::Custodian(it) => Common {
                federation: &it.federation,
                member: &it.member,
                role: Role::Custodian,
                tls: &it.tls,
                pins: &it.pins,
                coordinator: Some(&it.coordinator),
                custodian: None,
                seeds: it.keys.pseudonym.iter().map(|seed| seed.seed.as_path()).collect(),
            },
            Self::Node(it) => Common {
                federation: &it.federation,
                member: &it.member,
                role: Role::Node,
                tls: &it.tls,
                pins: &it.pins,
                coordinator: Some(&it.coordinator),
                custodian: Some(&it.custodian),
                seeds: std::iter::once(&it.keys.signing)
                    .chain([&it.keys.manifest, &it.keys.store, &it.keys.letters].into_iter().flatten())
                    .map(std::path::PathBuf::as_path)
                    .collect(),
            },
            Self::Authority(it) => Common {
                federation: &it.federation,
                member: &it.member,
                role: Role::Authority,
                tls: &it.tls,
                pins: &it.pins,
                coordinator: Some(&it.coordinator),
                custodian: Some(&it.custodian),
                seeds: [&it.keys.signing, &it.keys.blind, &it.keys.store]
                    .into_iter()
                    .chain(&it.keys.letters)
                    .map(std::path::PathBuf::as_path)
                    .collect(),
            },
            Self::Auditor(it) => Common {
                federation: &it.federation,
                member: &it.member,
                role: Role::Auditor,
                tls: &it.tls,
                pins: &it.pins,
                coordinator: Some(&it.coordinator),
                custodian: None,
                seeds: it.keys.audit_box.iter().map(std::path::PathBuf::as_path).collect(),
            },
        }
    }
}

/// Certificates, revocation lists and keys, without connecting to anybody.
pub(super) fn at_rest(context: &Context, who: &str, file: &Loaded, findings: &mut Findings) {
    let common = file.common();
    match Credentials::load(common.tls.into(), context.clock.clone()) {
        Err(error) => {
            findings.bad(who, "certificate", error, "renew the certificate, or correct the table [tls]")
        }
        Ok(credentials) => {
            let expected = SpiffeId::new(common.federation.clone(), common.role, common.member.clone());
            if *credentials.spiffe() == expected {
                let status = credentials.status();
                validity(
                    context,
                    who,
                    "certificate",
                    status.own.not_after,
                    "renew the certificate",
                    findings,
                );
                validity(
                    context,
                    who,
                    "revocation",
                    status.crl_next_update,
                    "fetch the newest revocation list",
                    findings,
                );
            } else {
                let found = format!("it is of {}, the file is for {expected}", credentials.spiffe());
                findings.bad(who, "certificate", found, "install the certificate of this member");
            }
        }
    }
    let kept = match file {
        Loaded::Node(node) => Some(&node.registry),
        Loaded::Authority(authority) => Some(&authority.registry),
        Loaded::Auditor(auditor) => Some(&auditor.registry),
        Loaded::Coordinator(_) | Loaded::Custodian(_) => None,
    };
    if let Some(refused) = kept.and_then(|kept| tacit_federation::registry::refused(kept)) {
        let next =
            "compare the registry with other members by another way; the old version stays in use here";
        findings.bad(who, "registry", format!("a newer version was refused: {refused}"), next);
    }
    let unfit: Vec<_> = common.seeds.iter().filter_map(|path| read_seed(path).err()).collect();
    match unfit.first() {
        None => findings.good(who, "keys", format!("{} files, for their owner alone", common.seeds.len())),
        Some(error) => findings.bad(who, "keys", error, "restore the file, or correct its mode"),
    }
}

fn validity(
    context: &Context,
    who: &str,
    what: &'static str,
    until: Millis,
    next: &str,
    findings: &mut Findings,
) {
    let days = until.0.saturating_sub(context.clock.now().0) / DAY_MS;
    let found = format!("valid for {days} days, until {}", until.to_rfc3339());
    if days < SOON_DAYS { findings.warn(who, what, found, next) } else { findings.good(who, what, found) }
}

/// Whom this party reaches, what it sees of the log, and what it holds.
pub(super) async fn in_service(context: &Context, who: &str, file: &Loaded, findings: &mut Findings) {
    let common = file.common();
    if let Loaded::Authority(file) = file {
        authority::look(context, who, file, findings).await;
    }
    let Ok(credentials) = Credentials::load(common.tls.into(), context.clock.clone()) else { return };
    for (role, at) in [(Role::Coordinator, common.coordinator), (Role::Custodian, common.custodian)] {
        if let Some(at) = at {
            let expected = SpiffeId::new(common.federation.clone(), role, at.member.clone());
            reach(who, &at.endpoint, expected, &credentials, findings).await;
        }
    }
    let Some(coordinator) = common.coordinator else { return };
    let Ok(caller) = Caller::new(common.federation, common.tls, coordinator, common.pins, &context.clock)
    else {
        return;
    };
    let reader = LogReader::new(caller.coordinator.clone(), caller.log_key.clone(), DEADLINES);
    match reader.checkpoint().await {
        Ok(checkpoint) => {
            findings.good(who, "log", format!("checkpoint of size {} verifies", checkpoint.size()))
        }
        Err(error) => {
            findings.bad(who, "log", error, "compare pins.log with the coordinator's key; see that it runs")
        }
    }
    match file {
        Loaded::Node(_) | Loaded::Authority(_) => {
            let pins = common.pins.for_registry(common.federation);
            if let Ok(fetched) = fetch_registry(caller.coordinator, &pins, &caller.log_key, &DEADLINES).await
            {
                quorum(context, who, &reader, &fetched.registry, findings).await;
                holders(who, &fetched.registry, common.member, &credentials, findings).await;
            }
        }
        Loaded::Auditor(_) => clock_and_history(context, who, &reader, file, findings).await,
        Loaded::Coordinator(_) | Loaded::Custodian(_) => {}
    }
    if let Loaded::Node(node) = file
        && node.gateway.is_some()
    {
        gateway(who, node, findings).await;
    }
}

/// What more than half of the log's witnesses stand behind.
async fn quorum(
    context: &Context,
    who: &str,
    reader: &LogReader,
    registry: &Registry,
    findings: &mut Findings,
) {
    let next = "see that holders and custodian run and reach the coordinator, and compare their clocks; a member that \
                froze says so in its log";
    let witnesses = match registry.witnesses() {
        Ok(witnesses) => witnesses,
        Err(error) => return findings.bad(who, "quorum", error, "publish a registry that shows the key"),
    };
    let now_s = context.clock.now().0 / 1000;
    match reader.cosigned(&witnesses, now_s).await {
        Ok(cosigned) => {
            let (found, all) = (cosigned.witnesses().len(), witnesses.iter().len());
            let age_s = now_s.saturating_sub(cosigned.time_s());
            findings.good(who, "quorum", format!("{found} of {all} witnesses, {age_s} s ago"));
        }
        Err(error) => findings.bad(who, "quorum", error, next),
    }
}

async fn reach(
    who: &str,
    endpoint: &str,
    expected: SpiffeId,
    credentials: &Credentials,
    findings: &mut Findings,
) {
    let address = endpoint.trim_start_matches("https://");
    match dial(address, &expected, credentials).await {
        Ok(_) => findings.good(who, "reach", format!("{expected} at {endpoint}")),
        Err(error) => {
            let next = "see that it runs, and that address and certificate are right";
            return findings.bad(who, "reach", format!("{expected} at {endpoint}: {error}"), next);
        }
    }
    let services = services(expected.role);
    let found = expected.to_string();
    match channel(endpoint, expected, credentials.clone()) {
        Ok(channel) => health(who, found, channel, services, findings).await,
        Err(error) => findings.bad(who, "health", error, "correct the address"),
    }
}

/// The holders that this requester has agreements with.
async fn holders(
    who: &str,
    registry: &Registry,
    member: &MemberId,
    credentials: &Credentials,
    findings: &mut Findings,
) {
    let mut asked: Vec<_> =
        registry.agreements().filter(|it| it.requester == *member).map(|it| &it.holder).collect();
    asked.sort();
    asked.dedup();
    for holder in asked {
        let Some(endpoint) = registry.member(holder).and_then(|it| it.endpoint.as_deref()) else { continue };
        let expected = SpiffeId::new(credentials.spiffe().federation.clone(), Role::Node, holder.clone());
        reach(who, endpoint, expected, credentials, findings).await;
    }
}

/// The newest record's time against the own clock, and the log against what was verified before.
async fn clock_and_history(
    context: &Context,
    who: &str,
    reader: &LogReader,
    file: &Loaded,
    findings: &mut Findings,
) {
    let Ok(newest) = reader.checkpoint().await else { return };
    let mut time = None;
    let last = newest.size().saturating_sub(1);
    let read = reader
        .entries(last, newest.size().min(1), |entry| -> Result<(), tacit_client::ClientError> {
            time = entry.record.ok().map(|record| Millis(record.time_ms()));
            Ok(())
        })
        .await;
    match (read, time) {
        (Ok(()), Some(time)) => {
            let now = context.clock.now();
            let ahead = time.0.saturating_sub(now.0);
            let found = format!("newest record of {}", time.to_rfc3339());
            if ahead > SKEW_MS {
                findings.bad(
                    who,
                    "clock",
                    format!("{found}: {ahead} ms ahead of this clock"),
                    "set both clocks by NTP",
                );
            } else {
                findings.good(who, "clock", format!("{found}, not ahead of this clock"));
            }
        }
        (Err(error), _) => {
            findings.bad(who, "entries", error, "see that the registry names this member as auditor")
        }
        (Ok(()), None) => {}
    }
    let Loaded::Auditor(auditor) = file else { return };
    let Ok(note) = std::fs::read(&auditor.checkpoint) else { return };
    let verifier = auditor.pins.log_verifier(&auditor.coordinator.member);
    let Some(older) =
        verifier.ok().and_then(|key| tacit_ledger::checkpoint::VerifiedCheckpoint::open(&note, &key).ok())
    else {
        findings.bad(who, "history", "the kept checkpoint is none of this log", "find out who changed it");
        return;
    };
    match reader.extends(&older).await {
        Ok(_) => findings.good(
            who,
            "history",
            format!("the log still begins with the {} records that were verified", older.size()),
        ),
        Err(error) => {
            findings.bad(who, "history", error, "keep the checkpoint as evidence; tell the other auditors")
        }
    }
}

/// Every party sees one registry, and every list is sealed.
pub(super) async fn same_everywhere(context: &Context, loaded: &[(String, Loaded)], findings: &mut Findings) {
    let mut seen: BTreeMap<([u8; 32], u64), Vec<&str>> = BTreeMap::new();
    let mut lists = None;
    for (who, file) in loaded {
        let common = file.common();
        let Some(coordinator) = common.coordinator else { continue };
        let Ok(caller) = Caller::new(common.federation, common.tls, coordinator, common.pins, &context.clock)
        else {
            continue;
        };
        let pins = common.pins.for_registry(common.federation);
        match fetch_registry(caller.coordinator.clone(), &pins, &caller.log_key, &DEADLINES).await {
            Ok(fetched) => {
                seen.entry((fetched.registry.hash(), fetched.registry.number())).or_default().push(who);
                lists.get_or_insert((caller, fetched.registry));
            }
            Err(error) => findings.bad(
                who,
                "registry",
                error,
                "compare the pins with those of other members; see that the coordinator runs",
            ),
        }
    }
    match seen.len() {
        0 => {}
        1 => {
            for ((hash, number), whom) in &seen {
                findings.good(
                    "all",
                    "registry",
                    format!(
                        "version {number}, {}, the same for {} parties",
                        hex::encode(&hash[..8]),
                        whom.len()
                    ),
                );
            }
        }
        _ => findings.bad(
            "all",
            "registry",
            format!("{} different ones are in use", seen.len()),
            "stop; tell the auditors: a coordinator must not show two",
        ),
    }
    if let Some((caller, registry)) = lists {
        sealed(context, &caller, &registry, findings).await;
    }
}

/// Whether each list has a logged table that is in its time.
async fn sealed(context: &Context, caller: &Caller, registry: &Registry, findings: &mut Findings) {
    use tacit_wire::coordinator::{
        GetManifestRequest, get_manifest_response::Outcome, log_service_client::LogServiceClient,
    };
    let mut client = LogServiceClient::new(caller.coordinator.clone());
    for list in registry.lists() {
        let who = list.id.as_str();
        let request = GetManifestRequest { list_id: who.to_owned(), epoch: 0, version: 0 };
        let outcome = match client.get_manifest(request).await {
            Ok(response) => response.into_inner().outcome,
            Err(status) => {
                findings.bad(who, "sealed", status.message(), "see that the coordinator runs");
                continue;
            }
        };
        match outcome {
            Some(Outcome::Manifest(found)) => {
                let key = registry.member(&list.id.holder_id()).and_then(|holder| holder.keys.manifest);
                let name = format!("{}/manifest", list.id.holder());
                let key = key.and_then(|key| NoteVerifier::new(&name, key.0).ok());
                tell_manifest(context, who, key.as_ref(), &found.manifest, findings);
            }
            Some(Outcome::Refusal(_)) | None => {
                findings.warn(
                    who,
                    "sealed",
                    "it has no table yet and cannot be asked",
                    "start its holder's node; tacit list seal",
                );
            }
        }
    }
}

fn tell_manifest(
    context: &Context,
    who: &str,
    key: Option<&NoteVerifier>,
    note: &[u8],
    findings: &mut Findings,
) {
    let manifest = key.and_then(|key| Manifest::parse(key.open(note).ok()?).ok());
    let Some(manifest) = manifest else {
        findings.bad(
            who,
            "sealed",
            "its manifest is not signed by its holder",
            "tell its holder and the auditors",
        );
        return;
    };
    let found =
        format!("table {}.{}, until {}", manifest.epoch, manifest.version, manifest.until.to_rfc3339());
    if manifest.until < context.clock.now() {
        findings.warn(who, "sealed", format!("{found}: over"), "see that its holder's node runs");
    } else {
        findings.good(who, "sealed", found);
    }
}
