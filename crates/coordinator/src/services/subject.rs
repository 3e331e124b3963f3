//! A pseudonym's chain with what opens it, a signed statement of its length, and its erasure: for consent authorities.
//!
//! An authority that names a pseudonym knows whose it is: nobody else can, but the requester that it belongs to, whose
//! certificate is of another role.

use std::collections::HashSet;

use tacit_blind::check::CheckContext;
use tacit_identity::Role;
use tacit_ledger::{checkpoint::VerifiedCheckpoint, record::ERASURE_GROUNDS, statement::SubjectStatement};
use tacit_model::{MemberId, Reason, Ulid, parse_ulid};
use tacit_store::{Conn, StoreError};
use tacit_wire::{
    common,
    coordinator::{
        self as pb, erase_response::Outcome as Erased, subject_entry, subject_service_server::SubjectService,
    },
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, metadata::MetadataMap};

use super::{Responses, Service, Shared, malformed, parts, store_trouble};
use crate::{
    append::{AuditJob, EraseJob, Write},
    caller::caller,
    opening::{CheckOpening, ConsentOpening, MeasureOpening, Opening, open},
    store::{carried, chains, consent_requests, consent_texts, consents, openings::Chain, subjects::Number},
    writer::Logged,
};

/// Records of one message of GetSubjectLog.
const PAGE: usize = 64;

/// Bytes of letters after which a message is full.
const PAGE_BYTES: usize = 1 << 20;

/// Pseudonyms of one GetSubjectLog.
const MAX_SUBJECTS: usize = 1024;

/// Messages that may wait for a slow reader.
const AHEAD: usize = 2;

/// How often a chain that moves is read anew before the statement about it.
const TRIES: usize = 50;

#[tonic::async_trait]
impl SubjectService for Service {
    type GetSubjectLogStream = Responses<pb::GetSubjectLogResponse>;

    async fn get_subject_log(
        &self,
        request: Request<pb::GetSubjectLogRequest>,
    ) -> Result<Response<Self::GetSubjectLogStream>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Authority])?;
        let (message, metadata) = parts(request);
        let wanted = wanted(message).map_err(|error| malformed(&error, &metadata))?;
        shared.writable(&metadata).await?;
        // On record before anything of it is answered.
        let (count, per_day) = (wanted.len() as u64, Some(shared.limits.reads_per_day));
        shared.record_reading(&peer.spiffe.member, count, per_day, &metadata).await?;
        metrics::counter!("tacit_coordinator_pseudonyms_read_total").increment(wanted.len() as u64);
        let (sender, receiver) = mpsc::channel(AHEAD);
        let shared = shared.clone();
        tokio::spawn(async move {
            for (place, wanted) in (0..).zip(&wanted) {
                match shared.send_chain(place, wanted, &sender, |part| part).await {
                    Ok(true) => {}
                    // The reader is gone.
                    Ok(false) => return,
                    Err(trouble) => {
                        let status = match trouble {
                            Some(error) => store_trouble(&error, &metadata),
                            // It moves too fast, or was erased meanwhile: the reader begins anew.
                            None => tacit_wire::trouble(Reason::Unavailable, &metadata),
                        };
                        let _ = sender.send(Err(status)).await;
                        return;
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn erase(&self, request: Request<pb::EraseRequest>) -> Result<Response<pb::EraseResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Authority])?;
        let (message, metadata) = parts(request);
        let pseudonym = tacit_wire::array("pseudonym", &message.pseudonym)
            .map_err(|error| malformed(&error, &metadata))?;
        if !ERASURE_GROUNDS.contains(&message.ground.as_str()) {
            let error = tacit_wire::Malformed { field: "ground", problem: "is none of the grounds" };
            return Err(malformed(&error, &metadata));
        }
        shared.writable(&metadata).await?;
        let job = EraseJob { pseudonym, authority: peer.spiffe.member, ground: message.ground, again: None };
        let written = shared.write_logged(Write::Erase(Box::new(job))).await;
        let outcome = match written.map_err(|error| store_trouble(&error, &metadata))? {
            Ok((record, checkpoint)) => {
                if let Err(error) = chains::wipe_traces(&shared.db).await {
                    tracing::warn!(%error, "old pages of an erasure stay in the write-ahead log for now");
                }
                metrics::counter!("tacit_coordinator_erasures_total").increment(1);
                Erased::Erased(pb::Erased { record: Some(record), checkpoint })
            }
            // Nothing was done, and the same call may be answered later.
            Err(reason @ (Reason::Unavailable | Reason::Internal)) => {
                return Err(tacit_wire::trouble(reason, &metadata));
            }
            Err(reason) => Erased::Refusal(tacit_wire::refusal(reason)),
        };
        Ok(Response::new(pb::EraseResponse { outcome: Some(outcome) }))
    }
}

/// A pseudonym that is to be read, from which sequence on.
pub(super) struct Wanted {
    pub(super) pseudonym: [u8; 32],
    pub(super) from_sequence: u64,
}

fn wanted(message: pb::GetSubjectLogRequest) -> Result<Vec<Wanted>, tacit_wire::Malformed> {
    let wrong = |problem| tacit_wire::Malformed { field: "subjects", problem };
    if message.subjects.is_empty() || message.subjects.len() > MAX_SUBJECTS {
        return Err(wrong("has not 1 to 1024 pseudonyms"));
    }
    let read = |subject: &pb::SubjectFrom| {
        let pseudonym = tacit_wire::array("pseudonym", &subject.pseudonym)?;
        Ok(Wanted { pseudonym, from_sequence: subject.from_sequence })
    };
    let wanted = message.subjects.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let different: HashSet<_> = wanted.iter().map(|it| it.pseudonym).collect();
    if different.len() == wanted.len() { Ok(wanted) } else { Err(wrong("names a pseudonym twice")) }
}

/// Where a reading of a chain stands, from its head back.
struct Walk {
    head: VerifiedCheckpoint,
    subject: Number,
    key: [u8; 32],
    /// Log index of the next record back.
    next: Option<u64>,
}

impl Shared {
    /// Puts a reading of pseudonyms on record.
    pub(super) async fn record_reading(
        &self,
        reader: &MemberId,
        pseudonyms: u64,
        per_day: Option<u64>,
        metadata: &MetadataMap,
    ) -> Result<(), Status> {
        let job = AuditJob::Reading { reader: reader.clone(), pseudonyms, per_day };
        match self
            .writer
            .log(Write::Audit(Box::new(job)))
            .await
            .map_err(|error| store_trouble(&error, metadata))?
        {
            Logged::Record(_) => Ok(()),
            Logged::Before(_) => Err(tacit_wire::trouble(Reason::Internal, metadata)),
            Logged::Refused(reason) => Err(tacit_wire::trouble(reason, metadata)),
        }
    }

    /// Sends one chain, each part as `wrap` makes it; false when nobody reads any more, no error at hand when the
    /// reader should begin anew.
    pub(super) async fn send_chain<T>(
        &self,
        place: u32,
        wanted: &Wanted,
        sender: &mpsc::Sender<Result<T, Status>>,
        wrap: impl Fn(pb::GetSubjectLogResponse) -> T,
    ) -> Result<bool, Option<StoreError>> {
        let (statement, mut walk) = self.statement(&wanted.pseudonym).await?.ok_or(None)?;
        let mut statement = Some(statement);
        let mut names = {
            let mut conn = self.db.read().await?;
            carried::of_subjects(&mut conn, &[walk.subject]).await?.remove(&walk.subject)
        };
        loop {
            let entries = self.page(&mut walk, wanted.from_sequence).await?.ok_or(None)?;
            let done = walk.next.is_none();
            let pseudonyms = names.take().unwrap_or_default();
            let message = pb::GetSubjectLogResponse {
                statement: statement.take(),
                entries,
                subject: place,
                pseudonyms: pseudonyms.iter().map(|it| it.to_vec().into()).collect(),
            };
            if sender.send(Ok(wrap(message))).await.is_err() {
                return Ok(false);
            }
            if done {
                return Ok(true);
            }
        }
    }

    /// The statement about a pseudonym under the newest checkpoint, and where its chain begins; none when the chain
    /// moves faster than it can be read.
    async fn statement(
        &self,
        pseudonym: &[u8; 32],
    ) -> Result<Option<(pb::SignedSubjectStatement, Walk)>, StoreError> {
        let mut conn = self.db.read().await?;
        let mut chain = chains::head(&mut conn, pseudonym).await?;
        for _ in 0..TRIES {
            let newest = chain.and_then(|(_, chain)| chain.last_index);
            if newest.is_some_and(|index| index >= self.log.head().size()) {
                self.log.refresh().await?;
            }
            let head = self.log.head();
            // The chain that stood before and after the head was taken is the chain at that head.
            let again = chains::head(&mut conn, pseudonym).await?;
            let place = |chain: Option<(Number, Chain)>| chain.map(|(_, chain)| (chain.sequence, chain.leaf));
            let covered = newest.is_none_or(|index| index < head.size());
            if place(chain) == place(again) && covered {
                return self.state(pseudonym, chain, head).map(Some);
            }
            chain = again;
        }
        Ok(None)
    }

    fn state(
        &self,
        pseudonym: &[u8; 32],
        chain: Option<(Number, Chain)>,
        head: VerifiedCheckpoint,
    ) -> Result<(pb::SignedSubjectStatement, Walk), StoreError> {
        let (subject, chain) = chain.unwrap_or((Number(0), Chain::empty([0; 32])));
        let statement = SubjectStatement {
            coordinator: self.registry().coordinator().to_string(),
            pseudonym: *pseudonym,
            records: chain.sequence,
            head: chain.leaf,
            size: head.size(),
            root: *head.root(),
            time_ms: self.clock.now().0,
        };
        let signed = statement
            .sign(self.log.signer())
            .map_err(|_| StoreError::LogHead("a statement could not be written in its form"))?;
        let message = pb::SignedSubjectStatement {
            statement: signed.text.into(),
            signature: signed.signature.to_vec().into(),
            checkpoint: head.note().to_vec().into(),
        };
        Ok((message, Walk { head, subject, key: chain.opening_key, next: chain.last_index }))
    }

    /// The next records back, as many as fit a message; none when they were erased meanwhile.
    async fn page(
        &self,
        walk: &mut Walk,
        from_sequence: u64,
    ) -> Result<Option<Vec<pb::SubjectEntry>>, StoreError> {
        let mut conn = self.db.read().await?;
        let mut entries: Vec<pb::SubjectEntry> = Vec::new();
        let mut indexes = Vec::new();
        let mut room = PAGE_BYTES;
        while let Some(index) = walk.next.filter(|_| entries.len() < PAGE && room > 0) {
            let Some(mut sealed) = chains::opening(&mut conn, walk.subject, index).await? else {
                return Ok(None);
            };
            let opening = open(&mut sealed, &walk.key, index)
                .map_err(|_| StoreError::corrupt("opening", "sealed", index, "does not open"))?;
            let link = *opening.link();
            if link.sequence < from_sequence {
                walk.next = None;
                break;
            }
            walk.next = link.previous_index;
            indexes.push(index);
            entries.push(pb::SubjectEntry {
                record: None,
                salt: link.salt.to_vec().into(),
                sequence: link.sequence,
                previous: link.previous.to_vec().into(),
                opening: match &opening {
                    Opening::Check(check) => {
                        details(&mut conn, walk, index, check).await?.map(subject_entry::Opening::Check)
                    }
                    Opening::Consent(consent) => {
                        terms(&mut conn, consent).await?.map(subject_entry::Opening::Consent)
                    }
                    Opening::Notice(notice) => {
                        room = room.saturating_sub(notice.letter.0.len());
                        let letter = notice.letter.0.to_vec().into();
                        Some(subject_entry::Opening::Notice(pb::NoticeDetails { letter }))
                    }
                    Opening::Erasure(_) => None,
                    Opening::Measure(measure) => {
                        Some(subject_entry::Opening::Measure(measure_details(measure)))
                    }
                },
            });
        }
        drop(conn);
        let paths = self.log.inclusion(&indexes, walk.head.size()).await?;
        let records = self.log.records(&indexes).await?;
        for (((entry, index), path), record) in entries.iter_mut().zip(indexes).zip(paths).zip(records) {
            let path = tacit_wire::concat32(&path);
            entry.record = Some(common::LoggedRecord { record: record.into(), index, path });
        }
        Ok(Some(entries))
    }
}

/// Why a check was decided as it was; none when it was erased meanwhile.
async fn details(
    conn: &mut Conn,
    walk: &Walk,
    index: u64,
    check: &CheckOpening<'_>,
) -> Result<Option<pb::CheckDetails>, StoreError> {
    let corrupt = |column| StoreError::corrupt("opening", column, index, "is missing or does not parse");
    let basis = |context: &[u8]| CheckContext::parse(context).map(|context| context.basis.to_string());
    let basis = match &check.check {
        Some(body) => basis(body.context.0),
        // The records of a check follow each other in the log, and the first has the context.
        None => {
            let first = index.saturating_sub(u64::from(check.item));
            let Some(mut sealed) = chains::opening(conn, walk.subject, first).await? else { return Ok(None) };
            match open(&mut sealed, &walk.key, first) {
                Ok(Opening::Check(CheckOpening { check: Some(body), .. })) => basis(body.context.0),
                _ => return Err(corrupt("sealed")),
            }
        }
    };
    let rules = chains::rules(conn, &check.rules).await?.ok_or_else(|| corrupt("rules"))?;
    Ok(Some(pb::CheckDetails {
        exact: check.exact.to_owned(),
        rules: rules.split_whitespace().map(str::to_owned).collect(),
        agreement: check.agreement.to_owned(),
        basis: basis.map_err(|_| corrupt("context"))?,
    }))
}

fn measure_details(opening: &MeasureOpening<'_>) -> pb::MeasureDetails {
    pb::MeasureDetails {
        salt_details: opening.salt_details.to_vec().into(),
        list: opening.list.to_owned(),
        decider: opening.decider.to_owned(),
        words: opening.words.to_owned(),
    }
}

/// The text that stood when a change was recorded: of the consent, or of the request before there was one.
async fn terms(
    conn: &mut Conn,
    opening: &ConsentOpening<'_>,
) -> Result<Option<pb::ConsentDetails>, StoreError> {
    let missing = || StoreError::corrupt("consent", "id", opening.consent, "is missing");
    let id = parse_ulid(opening.consent).ok_or_else(missing)?;
    let (text, signature) = text_at(conn, id, opening.number).await?.ok_or_else(missing)?;
    Ok(Some(pb::ConsentDetails {
        consent: text.into(),
        salt_terms: opening.salt_terms.to_vec().into(),
        number: opening.number,
        signature: signature.into(),
    }))
}

/// A text and its signature.
async fn text_at(conn: &mut Conn, id: Ulid, number: u64) -> Result<Option<(Vec<u8>, Vec<u8>)>, StoreError> {
    if number > 0 {
        if let Some(old) = consent_texts::at(conn, id, number).await? {
            return Ok(Some((old.text, old.signature)));
        }
        if let Some(consent) = consents::by_ids(conn, &[id]).await?.remove(&id) {
            return Ok(Some((consent.text, consent.signature.to_vec())));
        }
    }
    let request = consent_requests::by_ids(conn, &[id]).await?.remove(&id);
    Ok(request.map(|request| (request.text, request.signature.to_vec())))
}
