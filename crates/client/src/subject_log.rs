//! Everything on record about one pseudonym, read back as a chain in which nothing can be missing.
//!
//! ```text
//! statement: n records at size N, the newest has leaf hash H      signed by the log's key
//!     │
//!     ▼
//! record n-1 ──previous──▶ record n-2 ──▶ ... ──▶ record 0, or the newest erasure
//!     each in the log of size N, each opens as "this pseudonym, this place, after that record"
//! ```
//!
//! What this shows: the coordinator has named every record of the chain that it states. What it cannot show: that the
//! coordinator has not kept a second chain. A record about the pseudonym that the statement does not count is proof
//! against it, so statements are worth keeping.

use std::fmt;

use bytes::Bytes;
use tacit_blind::commit;
use tacit_ledger::Hash;
use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_ledger::merkle::leaf_hash;
use tacit_ledger::note::NoteVerifier;
use tacit_ledger::record::{self, ERASURE_GROUNDS, Record};
use tacit_ledger::statement::{SignedStatement, SubjectStatement};
use tacit_model::{Basis, Millis, Reason};
use tacit_policy::{Consent, ConsentRequest};
use tacit_wire::chunks32;
use tacit_wire::coordinator::subject_service_client::SubjectServiceClient;
use tacit_wire::coordinator::{
    EraseRequest, GetSubjectLogRequest, GetSubjectLogResponse, SubjectEntry, SubjectFrom, erase_response,
    subject_entry,
};
use tonic::Request;
use tonic::transport::Channel;

use crate::chain_details::details;
use crate::chain_finding::ChainFinding;
use crate::connections::MAX_MESSAGE;
use crate::error::{ClientError, Party};
use crate::judge::record_id;
use crate::letters::SealedLetter;
use crate::question::RecordRef;
use crate::record_subject::subject_of;
use crate::records::{LogKey, MAX_PATH};
use crate::retry::{self, Deadlines, Patience, is_passing};

/// Reads and erases chains, as a consent authority. Clones share everything.
#[derive(Debug, Clone)]
pub struct SubjectChains {
    client: SubjectServiceClient<Channel>,
    log: LogKey,
    key: NoteVerifier,
    deadlines: Deadlines,
}

/// How far a chain was read and verified before; what is new is verified from here on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KnownChain {
    /// Records of the chain.
    pub records: u64,
    /// Leaf hash of the last of them; zeros when there are none.
    pub head: Hash,
    /// Of these, records whose openings were erased.
    pub erased: u64,
}

/// What proves one record of a chain, as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct EntryProof {
    /// The record's bytes.
    pub record: Bytes,
    /// Inclusion proof under the checkpoint of the reading.
    pub path: Vec<Hash>,
    /// Salt of the record's subject commitment.
    pub salt: [u8; 32],
    /// Leaf hash of the record before it in the chain.
    pub previous: Hash,
    /// Of a change of consent: its text.
    pub terms: Option<TermsProof>,
    /// Of a measure: salt of the record's details commitment.
    pub salt_details: Option<[u8; 32]>,
}

impl fmt::Debug for EntryProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EntryProof(..)")
    }
}

/// The text beside the record of a change of consent.
#[derive(Clone, PartialEq, Eq)]
pub struct TermsProof {
    /// The text that stood then, of a consent or of a request for one.
    pub text: Bytes,
    /// Over the text, as it came: the authority's, of a request the requester's. Who shows it verifies it.
    pub signature: [u8; 64],
    /// Salt of the record's terms commitment.
    pub salt: [u8; 32],
}

impl fmt::Debug for TermsProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TermsProof(..)")
    }
}

/// A chain as it came; anyone can have made it. [`SubjectChains::verify`] makes a [`SubjectLog`] of it.
#[derive(Clone, Default)]
pub struct ReadChain(pub Vec<GetSubjectLogResponse>);

impl ReadChain {
    /// The pseudonyms under which the coordinator says that its records open, by epoch; none when it is one alone. Who
    /// verifies takes none of them from here: it has them evaluated by itself, and names them.
    #[must_use]
    pub fn said_names(&self) -> Vec<[u8; 32]> {
        let said = self.0.first().map_or(&[][..], |message| message.pseudonyms.as_slice());
        said.iter().filter_map(|it| it.as_ref().try_into().ok()).collect()
    }
}

impl fmt::Debug for ReadChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadChain({} messages)", self.0.len())
    }
}

/// All records about one pseudonym, verified: none is missing, and each opens.
#[derive(Debug, Clone)]
pub struct SubjectLog {
    /// How many records there are, at which size of the tree.
    pub statement: SubjectStatement,
    /// The same as it was signed, to keep.
    pub signed: SignedStatement,
    /// The checkpoint that all was proven under, a signed note.
    pub checkpoint: Bytes,
    /// Records whose openings were erased; they have the sequences below this number.
    pub erased: u64,
    /// The others, oldest first. After an erasure the first one is its record. When a part of the chain was known
    /// before, what is new.
    pub entries: Vec<ChainEntry>,
}

/// One record of a chain.
#[derive(Debug, Clone)]
pub struct ChainEntry {
    /// Its place, from 0.
    pub sequence: u64,
    /// Log index.
    pub index: u64,
    /// The record.
    pub record: Record,
    /// What the coordinator says beside it.
    pub details: Details,
    /// What proves it.
    pub proof: Box<EntryProof>,
}

/// What stands beside a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Details {
    /// Of a check: why it was decided as it was, in the coordinator's words.
    Check {
        /// Exact reason of a refusal; empty when permitted.
        exact: String,
        /// Rules that decided.
        rules: Vec<String>,
        /// Agreement that allowed it, a ULID; empty when refused.
        agreement: String,
        /// What the requester named as its basis.
        basis: Basis,
    },
    /// Of a change of consent: the terms, which the record commits to.
    Consent {
        /// The consent.
        consent: Box<Consent>,
        /// Number of the change.
        number: u64,
    },
    /// Of a request for consent, its refusal or its end.
    Request {
        /// What was asked for.
        request: Box<ConsentRequest>,
        /// Number of the change; 0 of the request.
        number: u64,
    },
    /// Of a letter: as it was sealed, which the record names.
    Notice(Box<SealedLetter>),
    /// Of an erasure.
    Erasure,
    /// Of a measure, which the record commits to.
    Measure {
        /// The list whose answer it rests on.
        list: String,
        /// Who decided.
        decider: String,
        /// The measure in the agreement's words.
        words: String,
    },
}

/// An erasure with the proof that it is in the log.
#[derive(Debug, Clone)]
pub struct Erasure {
    /// The record.
    pub record: RecordRef,
    /// Time of the record.
    pub time: Millis,
    /// Who asked for it: another authority, when that was before and nothing followed.
    pub authority: String,
    /// Why.
    pub ground: String,
    /// How many openings are gone.
    pub openings: u64,
    /// The checkpoint it was proven under, a signed note.
    pub checkpoint: Bytes,
}

impl SubjectChains {
    /// Reads chains from `coordinator` under the log's pinned key.
    #[must_use]
    pub fn new(coordinator: Channel, key: NoteVerifier, deadlines: Deadlines) -> Self {
        let client = SubjectServiceClient::new(coordinator).max_decoding_message_size(MAX_MESSAGE);
        Self { client, log: LogKey::new(key.clone()), key, deadlines }
    }

    /// All records about a pseudonym, verified.
    ///
    /// # Errors
    /// [`ChainFinding`]: what is missing or false is named.
    pub async fn log(&self, pseudonym: &[u8; 32]) -> Result<SubjectLog, ChainFinding> {
        let chain = self.read(pseudonym).await?;
        self.verify(pseudonym, &chain)
    }

    /// [`SubjectChains::log`] of a subject whose pseudonym changed with the pseudonym epochs (P41): the first name is the
    /// one to read by, the others are those of other epochs, which the reader had evaluated itself.
    ///
    /// # Errors
    /// As [`SubjectChains::log`]; a record that opens under none of the names is one that does not open.
    pub async fn log_among(&self, names: &[[u8; 32]]) -> Result<SubjectLog, ChainFinding> {
        let [pseudonym, others @ ..] = names else { return Err(ChainFinding::OtherStatement("pseudonym")) };
        let chain = self.read(pseudonym).await?;
        self.verify_among(pseudonym, others, &chain, KnownChain::default())
    }

    /// The chain as the coordinator sends it, begun anew when it is erased or the connection breaks meanwhile.
    ///
    /// # Errors
    /// No answer.
    pub async fn read(&self, pseudonym: &[u8; 32]) -> Result<ReadChain, ClientError> {
        let chains = self.read_many(&[(*pseudonym, 0)]).await?;
        chains.into_iter().next().ok_or_else(|| ClientError::missing(Party::Coordinator, "statement"))
    }

    /// Chains of up to 1024 pseudonyms, each different, from these sequences on and in their order: one reading, which
    /// is on record before any of it is answered, and counts against the limit of the day. Begun anew when a chain is
    /// erased or the connection breaks meanwhile.
    ///
    /// # Errors
    /// No answer; [`Reason::QuotaReads`] beyond the limit.
    pub async fn read_many(&self, subjects: &[([u8; 32], u64)]) -> Result<Vec<ReadChain>, ClientError> {
        let mut patience = Patience::new(&self.deadlines);
        loop {
            let status = match self.read_once(subjects).await {
                Ok(chains) => return Ok(chains),
                Err(status) => status,
            };
            if !is_passing(&status) || !patience.pause().await {
                let reason = retry::reason(&status);
                return Err(ClientError::NoAnswer { party: Party::Coordinator, reason });
            }
        }
    }

    async fn read_once(&self, subjects: &[([u8; 32], u64)]) -> Result<Vec<ReadChain>, tonic::Status> {
        let from = |(pseudonym, from_sequence): &([u8; 32], u64)| SubjectFrom {
            pseudonym: Bytes::copy_from_slice(pseudonym),
            from_sequence: *from_sequence,
        };
        let request = GetSubjectLogRequest { subjects: subjects.iter().map(from).collect() };
        let mut client = self.client.clone();
        // Long chains take long: no deadline for the stream, one for each message.
        let mut stream = client.get_subject_log(Request::new(request)).await?.into_inner();
        let patience = Patience::new(&self.deadlines);
        let mut chains = vec![ReadChain::default(); subjects.len()];
        while let Some(message) = patience.once((), |_| stream.message()).await? {
            // What is of no chain that was asked for is dropped; a chain that lacks it says so when it is verified.
            let place = usize::try_from(message.subject).ok();
            if let Some(chain) = place.and_then(|place| chains.get_mut(place)) {
                chain.0.push(message);
            }
        }
        Ok(chains)
    }

    /// Verifies a chain: the statement, and every record from the newest back, each in the log under the statement's
    /// checkpoint.
    ///
    /// # Errors
    /// [`ChainFinding`] for the first thing that is wrong, from the newest record back.
    pub fn verify(&self, pseudonym: &[u8; 32], chain: &ReadChain) -> Result<SubjectLog, ChainFinding> {
        self.verify_from(pseudonym, chain, KnownChain::default())
    }

    /// [`SubjectChains::verify`] of a chain that was known up to a record: from the newest back to that one.
    ///
    /// # Errors
    /// As [`SubjectChains::verify`]; also when the chain does not continue what was known.
    pub fn verify_from(
        &self,
        pseudonym: &[u8; 32],
        chain: &ReadChain,
        known: KnownChain,
    ) -> Result<SubjectLog, ChainFinding> {
        self.verify_among(pseudonym, &[], chain, known)
    }

    /// [`SubjectChains::verify_from`] of a chain whose records may open under other pseudonyms of the same subject too:
    /// exactly those that the reader had evaluated itself, never what the coordinator says.
    ///
    /// # Errors
    /// As [`SubjectChains::verify_from`].
    pub fn verify_among(
        &self,
        pseudonym: &[u8; 32],
        others: &[[u8; 32]],
        chain: &ReadChain,
        known: KnownChain,
    ) -> Result<SubjectLog, ChainFinding> {
        let first = chain.0.first().and_then(|message| message.statement.as_ref());
        let first = first.ok_or_else(|| ClientError::missing(Party::Coordinator, "statement"))?;
        let signature = tacit_wire::array("signature", &first.signature)
            .map_err(ClientError::malformed(Party::Coordinator))?;
        let signed = SignedStatement { text: first.statement.to_vec(), signature };
        let statement = signed.verify(&self.key)?;
        if statement.pseudonym != *pseudonym {
            return Err(ChainFinding::OtherStatement("pseudonym"));
        }
        let checkpoint = self.log.open(&first.checkpoint)?;
        if (statement.size, &statement.root) != (checkpoint.size(), checkpoint.root()) {
            return Err(ChainFinding::OtherStatement("checkpoint"));
        }
        if statement.records < known.records {
            return Err(ChainFinding::Missing { sequence: known.records - 1, records: statement.records });
        }
        let came: Vec<&SubjectEntry> = chain.0.iter().flat_map(|message| &message.entries).collect();
        let mut back = Back {
            statement: &statement,
            others,
            checkpoint: &checkpoint,
            due: statement.records,
            leaf: statement.head,
        };
        let mut entries = Vec::with_capacity(came.len());
        let mut end = known;
        for entry in &came {
            let entry = back.step(entry, &came)?;
            if entry.details == Details::Erasure {
                // The chain begins anew here: what was before is counted, and opens to nobody.
                end = KnownChain { erased: entry.sequence, ..KnownChain::default() };
                back.due = 0;
            }
            entries.push(entry);
        }
        if back.due > end.records {
            return Err(ChainFinding::Missing { sequence: back.due - 1, records: statement.records });
        }
        if back.due < end.records || back.leaf != end.head {
            let sequence = if end.records > 0 { end.records - 1 } else { end.erased };
            return Err(ChainFinding::NotLinked { sequence });
        }
        entries.reverse();
        let erased = end.erased;
        Ok(SubjectLog { statement, signed, checkpoint: first.checkpoint.clone(), erased, entries })
    }

    /// Destroys what opens the records of a pseudonym, for good, and verifies that this is in the log.
    ///
    /// # Errors
    /// [`ClientError::Question`] for a ground that is none; refused with `not_found` when nothing is on record; a record
    /// that does not hold.
    pub async fn erase(&self, pseudonym: &[u8; 32], ground: &str) -> Result<Erasure, ClientError> {
        if !ERASURE_GROUNDS.contains(&ground) {
            return Err(ClientError::Question { reason: Reason::Malformed, field: "ground" });
        }
        let request =
            EraseRequest { pseudonym: Bytes::copy_from_slice(pseudonym), ground: ground.to_owned() };
        let response = retry::call(Party::Coordinator, &self.deadlines, request, |request| {
            let mut client = self.client.clone();
            async move { client.erase(request).await }
        })
        .await?;
        let erased = match response.outcome {
            Some(erase_response::Outcome::Erased(erased)) => erased,
            Some(erase_response::Outcome::Refusal(refusal)) => {
                return Err(ClientError::Refused { party: Party::Coordinator, refusal: (&refusal).into() });
            }
            None => return Err(ClientError::missing(Party::Coordinator, "outcome")),
        };
        let verified = self.log.verify(erased.record.as_ref(), &erased.checkpoint)?;
        let index = verified.index();
        let record: record::Erasure = verified
            .into_record()
            .try_into()
            .map_err(|_| ClientError::OtherRecord("it is not of kind erasure"))?;
        Ok(Erasure {
            record: RecordRef { id: record_id(&record.id)?, index },
            time: Millis(record.time_ms),
            authority: record.authority,
            ground: record.ground,
            openings: record.openings,
            checkpoint: erased.checkpoint,
        })
    }
}

/// Where the verification of a chain stands, from its head back.
struct Back<'a> {
    statement: &'a SubjectStatement,
    /// Other pseudonyms of the subject.
    others: &'a [[u8; 32]],
    checkpoint: &'a VerifiedCheckpoint,
    /// Sequence of the record that was verified last; the one below it is due.
    due: u64,
    /// Leaf hash of the record that is due.
    leaf: Hash,
}

impl Back<'_> {
    /// Verifies the next record back.
    fn step(&mut self, entry: &SubjectEntry, came: &[&SubjectEntry]) -> Result<ChainEntry, ChainFinding> {
        let records = self.statement.records;
        let found = entry.sequence;
        let Some(sequence) = self.due.checked_sub(1) else {
            return Err(ChainFinding::Misplaced { due: 0, found });
        };
        if found != sequence {
            return Err(match came.iter().any(|other| other.sequence == sequence) {
                true => ChainFinding::Misplaced { due: sequence, found },
                false => ChainFinding::Missing { sequence, records },
            });
        }
        let malformed = || ChainFinding::Malformed { sequence };
        let logged = entry.record.as_ref().ok_or(ChainFinding::Malformed { sequence })?;
        let inclusion =
            chunks32("path", &logged.path, MAX_PATH).map_err(|_| ChainFinding::Malformed { sequence })?;
        let leaf = leaf_hash(&logged.record);
        if let Err(problem) = self.checkpoint.verify_inclusion(&leaf, logged.index, &inclusion) {
            return Err(ChainFinding::NotLogged { sequence, problem: problem.into() });
        }
        let record = Record::parse(&logged.record)
            .map_err(|problem| ChainFinding::NotLogged { sequence, problem: problem.into() })?;
        let subject = subject_of(&record).ok_or_else(malformed)?;
        let salt =
            tacit_wire::array("salt", &entry.salt).map_err(|_| ChainFinding::Malformed { sequence })?;
        let previous: Hash = tacit_wire::array("previous", &entry.previous)
            .map_err(|_| ChainFinding::Malformed { sequence })?;
        let names: Vec<&[u8; 32]> = std::iter::once(&self.statement.pseudonym).chain(self.others).collect();
        let name = names.iter().find(|name| commit::subject(&salt, name, sequence, &previous) == subject);
        let name = *name.ok_or(ChainFinding::NotOpened { sequence })?;
        if leaf != self.leaf {
            return Err(ChainFinding::NotLinked { sequence });
        }
        let details = details(&record, entry, &names, name).ok_or_else(malformed)?;
        (self.due, self.leaf) = (sequence, previous);
        let terms = match &entry.opening {
            Some(subject_entry::Opening::Consent(beside)) => {
                let salt = tacit_wire::array("salt_terms", &beside.salt_terms).map_err(|_| malformed())?;
                let signature = tacit_wire::array("signature", &beside.signature).map_err(|_| malformed())?;
                Some(TermsProof { text: beside.consent.clone(), signature, salt })
            }
            _ => None,
        };
        let salt_details = match &entry.opening {
            Some(subject_entry::Opening::Measure(beside)) => {
                Some(tacit_wire::array("salt_details", &beside.salt_details).map_err(|_| malformed())?)
            }
            _ => None,
        };
        let record_bytes = logged.record.clone();
        let proof = EntryProof { record: record_bytes, path: inclusion, salt, previous, terms, salt_details };
        Ok(ChainEntry { sequence, index: logged.index, record, details, proof: Box::new(proof) })
    }
}
