//! The first registry of a new federation.

use rand_core::CryptoRng;
use tacit_model::{MemberId, Millis, new_ulid};
use tacit_policy::registry::{
    builder::RegistryBuilder,
    entry::{Agreement, Entry, Member, PseudonymKey, Quotas, Role},
    signed::Signer,
};

use super::{
    FoundError, PSEUDONYM_EPOCH, Ports, Service,
    keys::{Seeds, Use},
};
use crate::sample::{Sample, SampleAgreement, SampleMember};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The signed bytes of `registry.json`.
pub(super) fn build(
    sample: &Sample,
    seeds: &Seeds,
    ports: &Ports,
    quotas: Option<Quotas>,
    now: Millis,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, FoundError> {
    let (coordinator, custodian) = super::bodies(sample)?;
    let federation = sample.federation.as_str();
    let mut builder = RegistryBuilder::new(federation, 1, now, coordinator.clone(), custodian.clone());
    let add = |entry: Entry, signers: &[&MemberId]| {
        let keys: Vec<_> = signers.iter().map(|id| seeds.ed25519(id, Use::Signing)).collect();
        let signers: Vec<_> = signers.iter().zip(&keys).map(|(id, key)| Signer { id, key }).collect();
        tacit_policy::registry::signed::sign_entry(&entry, &signers)
    };
    let mut entries = Vec::new();
    for member in &sample.member {
        entries.push(add(Entry::Member(entry_of(member, seeds, ports)), &[&member.id])?);
        if has_pseudonyms(member) {
            let requester = member.id.clone();
            let public_key = seeds.pseudonym_key(custodian, &requester)?;
            let key = PseudonymKey { requester, epoch: PSEUDONYM_EPOCH, public_key };
            entries.push(add(Entry::PseudonymKey(key), &[custodian])?);
        }
    }
    for list in &sample.list {
        entries.push(add(Entry::List(list.clone()), &[&list.id.holder_id()])?);
    }
    let shared = sample.act.iter().cloned().map(Entry::Act);
    let shared = shared.chain(sample.purpose.iter().cloned().map(Entry::Purpose));
    let shared = shared.chain(sample.scheme.iter().cloned().map(Entry::Scheme));
    let shared = shared.chain(sample.category.iter().cloned().map(Entry::Category));
    for entry in shared.chain(sample.rule.iter().cloned().map(Entry::Rule)) {
        entries.push(add(entry, &[coordinator])?);
    }
    for draft in &sample.agreement {
        let agreement = agreement_of(draft, seeds, quotas, now, rng);
        let signers = [&draft.holder, &draft.requester];
        entries.push(add(Entry::Agreement(Box::new(agreement)), &signers)?);
    }
    for entry in entries {
        builder = builder.signed(entry);
    }
    Ok(builder.finish(&seeds.ed25519(coordinator, Use::Signing))?)
}

fn entry_of(member: &SampleMember, seeds: &Seeds, ports: &Ports) -> Member {
    Member {
        id: member.id.clone(),
        title: member.title.clone(),
        kind: member.kind,
        roles: member.roles.clone(),
        endpoint: ports.get(&member.id, Service::Federation).map(|at| format!("https://{at}")),
        keys: seeds.member_keys(&member.id),
        pseudonym_epoch: has_pseudonyms(member).then_some(PSEUDONYM_EPOCH),
    }
}

/// Who has pseudonyms of its own: who asks, and who writes letters about its subjects.
fn has_pseudonyms(member: &SampleMember) -> bool {
    [Role::Requester, Role::Authority, Role::Holder].into_iter().any(|role| member.has(role))
}

fn agreement_of(
    draft: &SampleAgreement,
    seeds: &Seeds,
    quotas: Option<Quotas>,
    now: Millis,
    rng: &mut impl CryptoRng,
) -> Agreement {
    // From the beginning of the day, so that a clock that is a little slow is inside.
    let valid_from = Millis(now.0 - now.0 % DAY_MS);
    Agreement {
        id: new_ulid(now, rng),
        holder: draft.holder.clone(),
        requester: draft.requester.clone(),
        holder_key: seeds.signing(&draft.holder),
        requester_key: seeds.signing(&draft.requester),
        lists: draft.lists.clone(),
        purposes: draft.purposes.clone(),
        purpose_context: draft.purpose_context.clone(),
        legal_basis: draft.legal_basis.clone(),
        consent_required: draft.consent_required,
        cross_context: draft.cross_context.clone(),
        measures: draft.measures.clone(),
        quotas: quotas.unwrap_or(draft.quotas),
        max_lists_per_check: draft.max_lists_per_check,
        data_life: draft.data_life,
        valid_from,
        valid_until: Millis(valid_from.0.saturating_add(u64::from(draft.valid_days).saturating_mul(DAY_MS))),
        size: draft.size,
    }
}
