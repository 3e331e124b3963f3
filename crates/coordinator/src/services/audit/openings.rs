//! Audit boxes: asked for by one auditor, approved by another, read by the first. One alone gets nothing that opens.

use tacit_blind::{
    audit_box,
    opening::{approval_message, request_message},
};
use tacit_ledger::record::Record;
use tacit_model::{MemberId, Reason, Ulid};
use tacit_policy::{Registry, registry::entry::Role as Registered};
use tacit_store::{Conn, StoreError};
use tacit_wire::coordinator as pb;
use tonic::{Status, metadata::MetadataMap};

use super::{Shared, id, malformed, store_trouble};
use crate::{
    append::AuditJob,
    caller::signing_key,
    opening::{CheckOpening, Opening, open},
    store::{
        audits::{self, BoxOpening},
        chains, openings,
    },
};

/// Longest ground, in characters.
const GROUND_MAX: usize = 500;

/// What a record's opening says of the check and its registration.
struct Body {
    blinded_subject: [u8; 32],
    register_hash: [u8; 32],
    request: [u8; 32],
    salt_evidence: [u8; 32],
    proof: Vec<u8>,
    context: Vec<u8>,
}

impl Shared {
    pub(super) async fn request_opening(
        &self,
        auditor: MemberId,
        message: pb::RequestOpeningRequest,
        metadata: &MetadataMap,
    ) -> Result<Result<pb::AuditLogged, Reason>, Status> {
        let wrong = |field, problem| malformed(&tacit_wire::Malformed { field, problem }, metadata);
        let length = message.ground.chars().count();
        if !(1..=GROUND_MAX).contains(&length) || message.ground.chars().any(char::is_control) {
            return Err(wrong("ground", "has not 1 to 500 characters without control characters"));
        }
        let signature: [u8; 64] = tacit_wire::array("signature", &message.signature)
            .map_err(|error| malformed(&error, metadata))?;
        let trouble = |error| store_trouble(&error, metadata);
        let registry = self.registry();
        let Some((first, second)) = key_holders(&registry) else { return Ok(Err(Reason::NotPermitted)) };
        if first != auditor || first == second {
            return Ok(Err(Reason::NotPermitted));
        }
        let Some(about) = self.check_at(message.index).await.map_err(trouble)? else {
            return Ok(Err(Reason::NotFound));
        };
        let signed =
            request_message(&about.id, &message.ground).map_err(|_| wrong("ground", "is too long"))?;
        if !signs(&registry, &auditor, &signed, &signature) {
            return Ok(Err(Reason::SignatureInvalid));
        }
        let found = self.registration_behind(&registry, &about.requester, message.index).await;
        let Some((epoch, body)) = found.map_err(trouble)? else { return Ok(Err(Reason::NotFound)) };
        let opening = BoxOpening {
            id: Ulid(0),
            auditor: auditor.to_string(),
            second: second.to_string(),
            requester: about.requester,
            epoch,
            blinded_subject: body.blinded_subject,
            register_hash: body.register_hash,
            about: about.id,
            about_index: message.index,
            ground: message.ground,
            ground_salt: [0; 32],
            requested_ms: 0,
            requested_index: 0,
            approved: None,
            read_index: None,
        };
        self.log_step(AuditJob::Request(Box::new(opening)), metadata).await
    }

    pub(super) async fn approve_opening(
        &self,
        second: MemberId,
        message: pb::ApproveOpeningRequest,
        metadata: &MetadataMap,
    ) -> Result<Result<pb::AuditLogged, Reason>, Status> {
        let wrong = |error: &tacit_wire::Malformed| malformed(error, metadata);
        let id = id(&message.id).map_err(|error| wrong(&error))?;
        let signature: [u8; 64] =
            tacit_wire::array("signature", &message.signature).map_err(|error| wrong(&error))?;
        if message.inner.len() != audit_box::INNER_BYTES {
            return Err(wrong(&tacit_wire::Malformed { field: "inner", problem: "has not 560 bytes" }));
        }
        let opening = self.box_opening(id).await.map_err(|error| store_trouble(&error, metadata))?;
        let Some(opening) = opening else { return Ok(Err(Reason::NotFound)) };
        if *opening.second != *second || *opening.auditor == *second {
            return Ok(Err(Reason::NotPermitted));
        }
        let signed = approval_message(&message.id, &opening.register_hash, &message.inner)
            .map_err(|_| wrong(&tacit_wire::Malformed { field: "inner", problem: "is too long" }))?;
        if !signs(&self.registry(), &second, &signed, &signature) {
            return Ok(Err(Reason::SignatureInvalid));
        }
        let (inner, signature) = (message.inner.to_vec(), signature.to_vec());
        self.log_step(AuditJob::Approve { id, second, inner, signature }, metadata).await
    }

    pub(super) async fn openings(&self) -> Result<Vec<pb::Opening>, StoreError> {
        let mut conn = self.db.read().await?;
        Ok(audits::box_openings(&mut conn).await?.iter().map(told).collect())
    }

    async fn box_opening(&self, id: Ulid) -> Result<Option<BoxOpening>, StoreError> {
        let mut conn = self.db.read().await?;
        audits::box_opening(&mut conn, id).await
    }

    /// What an opening shows to one of its two auditors; to the first after the record of its reading.
    pub(super) async fn show_opening(
        &self,
        caller: &MemberId,
        id: Ulid,
    ) -> Result<Result<pb::ShownRegistration, Reason>, StoreError> {
        let Some(opening) = self.box_opening(id).await? else { return Ok(Err(Reason::NotFound)) };
        let first = *opening.auditor == **caller;
        if !first && *opening.second != **caller {
            return Ok(Err(Reason::NotPermitted));
        }
        if first {
            if opening.approved.is_none() {
                return Ok(Err(Reason::NotPermitted));
            }
            let job = AuditJob::Read { id, auditor: caller.clone() };
            if let Err(reason) = self.write_logged(crate::append::Write::Audit(Box::new(job))).await? {
                return Ok(Err(reason));
            }
        }
        let (record, checkpoint) = self.logged(opening.about_index).await?;
        let shown = async {
            let mut conn = self.db.read().await?;
            let Some(body) = body(&mut conn, opening.about_index, &record.record).await? else {
                return Ok(None);
            };
            let BoxOpening { requester, epoch, blinded_subject, .. } = &opening;
            let registered = audits::registration(&mut conn, requester, *epoch, blinded_subject).await?;
            let request = audits::request(&mut conn, &body.request).await?;
            Ok::<_, StoreError>(
                registered.zip(request).map(|(registered, request)| (body, registered, request)),
            )
        };
        // Erased meanwhile, when it is not there.
        let Some((body, registered, (hashes, signature))) = shown.await? else {
            return Ok(Err(Reason::NotFound));
        };
        let peeled = opening.approved.clone().filter(|_| first);
        let (inner, approval) =
            peeled.map_or_else(Default::default, |(_, inner, approval)| (inner, approval));
        Ok(Ok(pb::ShownRegistration {
            opening: Some(told(&opening)),
            epoch: opening.epoch,
            blinded_subject: opening.blinded_subject.to_vec().into(),
            evaluated: registered.evaluated.to_vec().into(),
            pseudonym: registered.pseudonym.to_vec().into(),
            proof: registered.proof.into(),
            audit_box: registered.audit_box.into(),
            record: Some(record),
            checkpoint,
            salt_evidence: body.salt_evidence.to_vec().into(),
            context: body.context.into(),
            bind_proof: body.proof.into(),
            signature: signature.into(),
            check_hashes: hashes.into(),
            inner: inner.into(),
            approval: approval.into(),
        }))
    }

    /// The registration that stood behind a check, with its pseudonym epoch; none when its opening is erased.
    async fn registration_behind(
        &self,
        registry: &Registry,
        requester: &str,
        index: u64,
    ) -> Result<Option<(u32, Body)>, StoreError> {
        let record = self.log.records(&[index]).await?.pop().unwrap_or_default();
        let mut conn = self.db.read().await?;
        let Some(body) = body(&mut conn, index, &record).await? else { return Ok(None) };
        let Ok(member) = requester.parse::<MemberId>() else { return Ok(None) };
        for epoch in registry.pseudonym_epochs(&member) {
            let registered = audits::registration(&mut conn, requester, epoch, &body.blinded_subject).await?;
            if registered.is_some_and(|it| it.register_hash == body.register_hash) {
                return Ok(Some((epoch, body)));
            }
        }
        Ok(None)
    }
}

/// Who has the first and the second box key.
fn key_holders(registry: &Registry) -> Option<(MemberId, MemberId)> {
    let auditors = registry.members().filter(|it| it.has(Registered::Auditor));
    let mut holders = auditors.flat_map(|it| it.keys.boxes.iter().map(|_| it.id.clone()));
    Some((holders.next()?, holders.next()?))
}

fn signs(registry: &Registry, member: &MemberId, message: &[u8], signature: &[u8; 64]) -> bool {
    signing_key(registry, member).is_some_and(|key| key.verify(message, signature).is_ok())
}

fn told(it: &BoxOpening) -> pb::Opening {
    let step = match (&it.approved, it.read_index) {
        (None, _) => "requested",
        (Some(_), None) => "approved",
        (Some(_), Some(_)) => "read",
    };
    pb::Opening {
        id: it.id.to_string(),
        auditor: it.auditor.clone(),
        second: it.second.clone(),
        requester: it.requester.clone(),
        about: it.about.clone(),
        ground: it.ground.clone(),
        requested_ms: it.requested_ms,
        step: step.to_owned(),
    }
}

/// What opens the evidence of a record; the check stands with the first item of the same check.
async fn body(conn: &mut Conn, index: u64, record: &[u8]) -> Result<Option<Body>, StoreError> {
    let corrupt = || StoreError::corrupt("opening", "sealed", index, "does not open");
    if !matches!(Record::parse(record), Ok(Record::Access(_) | Record::Refused(_))) {
        return Ok(None);
    }
    let Some(subject) = audits::subject_of(conn, index).await? else { return Ok(None) };
    let Some(chain) = openings::chains(conn, &[subject]).await?.remove(&subject) else { return Ok(None) };
    let Some(mut sealed) = chains::opening(conn, subject, index).await? else { return Ok(None) };
    let Ok(Opening::Check(CheckOpening { salt_evidence, item, check, .. })) =
        open(&mut sealed, &chain.opening_key, index)
    else {
        return Err(corrupt());
    };
    let of = |body: &crate::opening::CheckBody<'_>| Body {
        blinded_subject: body.blinded_subject,
        register_hash: body.register_hash,
        request: body.request,
        salt_evidence,
        proof: body.proof.0.to_vec(),
        context: body.context.0.to_vec(),
    };
    if let Some(body) = &check {
        return Ok(Some(of(body)));
    }
    let first = index.checked_sub(u64::from(item)).ok_or_else(corrupt)?;
    let Some(mut sealed) = chains::opening(conn, subject, first).await? else { return Ok(None) };
    match open(&mut sealed, &chain.opening_key, first) {
        Ok(Opening::Check(CheckOpening { check: Some(body), .. })) => Ok(Some(of(&body))),
        _ => Err(corrupt()),
    }
}
