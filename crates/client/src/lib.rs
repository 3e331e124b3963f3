//! The requester's whole flow, and the consent authority's: enroll, authorize, evaluate, fetch, open, receipts,
//! retries.
//!
//! ```text
//! Question, Subject ─▶ Requester::check_batch ─▶ RowOutcome
//!    │                                              ▲
//!    ├─ know:     D evaluates, C registers          │ only after the receipt is durable
//!    ├─ round:    durable ─▶ C authorizes ─▶ judge: is each record exactly what was asked?
//!    └─ holder:   B evaluates ─▶ verify ─▶ D gives buckets ─▶ verify ─▶ open
//! ```
//!
//! * [`Requester`]: questions ([`Requester::check_batch`], [`Requester::check_many`]), their cost
//!   ([`Requester::plan`]), what became of lost ones ([`Requester::recover`], [`Requester::unanswered`]), receipts
//!   ([`Requester::receipts`], [`Requester::receipt`], [`Receipt::verify`]);
//! * [`ConsentAuthority`]: pseudonyms, consents, withdrawals, each with its proof;
//! * [`SubjectChains`]: everything on record about one pseudonym, and its erasure;
//! * letters: [`Requester::send_letter`], [`Requester::letters_from`], [`ConsentAuthority::post_letter`];
//! * [`LogReader`]: the whole log, verified;
//! * [`Auditor`]: one pseudonym followed, boxes opened by two, case evidence, counts, a watch; [`Findings`]: what
//!   it found, in a file;
//! * [`RequesterStore`](store::RequesterStore): what a storage has to do; it sees keyed hashes and sealed bytes.
//!
//! What this crate does *not* do: it parses no code as typed, decides nothing (the coordinator and the holder do),
//! and holds no database. Nothing here writes a code, a pseudonym or an answer to a log, and an answer leaves only
//! with its record in the log and its receipt on disk.

mod asked;
mod asking;
mod auditor;
mod authority;
mod authorize;
mod batch;
mod carrying;
mod chain_details;
mod chain_finding;
mod codec;
mod connections;
mod consent_proof;
mod consents;
mod enroll;
mod enrolling;
mod error;
mod evidence;
mod federation;
mod fetch;
mod holder;
mod judge;
mod letters;
mod log_reader;
mod manifests;
mod measures;
mod pace;
mod prepared;
mod question;
mod quorum;
mod receipt;
mod record_subject;
mod records;
mod recover;
mod requester;
mod retry;
mod round;
mod settle;
pub mod store;
mod subject_log;
mod subject_row;
mod vault;

pub use asked::AskedConsent;
pub use asking::{ConsentAsked, ConsentWanted};
pub use auditor::{
    Alarm, Auditor, AuditorConfig, BoxKey, CaseAnswer, CaseFiles, CaseFinding, Demand, Finding,
    FindingStatus, Findings, FindingsError, Followed, Found, Opened, OpeningState, Seen, Signals,
    Step as AuditStep, Usual, What, is_odd, stated, unusual,
};
pub use authority::{
    Acknowledged, AuthorityConfig, AuthorityKeys, ConsentAuthority, Grant, KeptConsent, Narrower, Pseudonym,
};
pub use batch::{AgreementLimit, GROUP, Plan};
pub use chain_finding::ChainFinding;
pub use codec::CodecError;
pub use connections::Connections;
pub use consent_proof::{ChangeProof, ConsentEvent, ConsentProof, ConsentProofError, ProvenConsent};
pub use error::{ClientError, Party};
pub use federation::{FetchedRegistry, RegistryTrouble, fetch_next, fetch_registry};
pub use letters::{LetterDraft, LetterPage, LetterProof, LetterSent, ReceivedLetter, SealedLetter};
pub use log_reader::{Entry, LogFinding, LogReader, VerifiedLog};
pub use measures::{
    Asked, KnownMeasure, LIFT_WITHIN_MS, MAX_MEASURES, MeasureCounts, MeasurePage, MeasureRow, MeasureState,
    MeasureStore, MeasureWanted, Measures, RecordAt, Said,
};
pub use prepared::asked_under;
pub use question::{
    Answer, ListAnswer, MAX_WORDS, Outcome, Question, RecordRef, Refusal, RowOutcome, Subject, TableVersion,
    Unanswered,
};
pub use receipt::{
    FileProblem, MAX_RECEIPT_BYTES, MAX_RECEIPTS, Proven, ProvenAnswer, Receipt, ReceiptError, ReceiptFilter,
    ReceiptPage, ReceiptSummary, Step, Whose, Witnessed,
};
pub use record_subject::opens_under;
pub use recover::Recovery;
pub use requester::{Requester, RequesterConfig, RequesterKeys};
pub use retry::Deadlines;
pub use subject_log::{
    ChainEntry, Details, EntryProof, Erasure, KnownChain, ReadChain, SubjectChains, SubjectLog, TermsProof,
};
pub use tacit_blind::audit_box::AuditorSecretKey;
pub use tacit_blind::letter::{LetterFault, LetterSecretKey, OpenedLetter};
pub use vault::{Kind, RowKey, SealBroken, Vault};
