//! The stable reason codes of the product. Interfaces, records and files carry the code; the words
//! may change, the codes may not. The documentation is generated from this table.
//!
//! Each line: variant, code, who is at fault, whether trying again may help; then the meaning and
//! the advice.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Who sent the request.
    Caller,
    /// Another party of the federation.
    Peer,
    /// Nobody erred: a rule or an agreement says no.
    Policy,
    /// The party that answers.
    Us,
}

impl Fault {
    /// The word used in documentation and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Peer => "peer",
            Self::Policy => "policy",
            Self::Us => "us",
        }
    }
}

/// No reason has this code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a reason code")]
pub struct UnknownReason;

macro_rules! reasons {
    ($($variant:ident $code:literal $fault:ident $again:literal $meaning:literal $advice:literal;)*) => {
        /// Why something was refused or failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $meaning] $variant,)*
        }

        impl Reason {
            const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable code, snake_case.
            #[must_use]
            pub const fn as_str(&self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// Who has to act.
            #[must_use]
            pub const fn fault(&self) -> Fault {
                match self { $(Self::$variant => Fault::$fault,)* }
            }

            /// Whether trying again, as the advice says, may help without anybody changing a rule.
            #[must_use]
            pub const fn may_retry(&self) -> bool {
                match self { $(Self::$variant => $again,)* }
            }

            /// What happened, in one sentence.
            #[must_use]
            pub const fn meaning(&self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What to do next, in one sentence.
            #[must_use]
            pub const fn advice(&self) -> &'static str {
                match self { $(Self::$variant => $advice,)* }
            }
        }

        impl FromStr for Reason {
            type Err = UnknownReason;
            fn from_str(code: &str) -> Result<Self, UnknownReason> {
                match code { $($code => Ok(Self::$variant),)* _ => Err(UnknownReason) }
            }
        }
    };
}

reasons! {
    // Decisions of rules.
    NotPermitted "not_permitted" Policy false
        "No signed agreement in force covers this question."
        "Ask the holder for an agreement that names this list and purpose, or drop the question.";
    ConsentRequired "consent_required" Policy false
        "The subject has not given a consent that covers this question; missing, refused, paused, withdrawn and expired look alike."
        "Ask the subject through their consent authority.";
    CaseRequired "case_required" Caller false
        "No case number was given."
        "Send the case number under which the question is asked.";
    PurposeRequired "purpose_required" Caller false
        "No purpose was given."
        "Send the code of the purpose; agreements name the allowed ones.";
    QuotaChecks "quota_checks" Policy false
        "The checks that the agreement allows per day are used up."
        "Wait for the next day, or have the agreement changed.";
    QuotaSubject "quota_subject" Policy false
        "This subject was checked as often today as the agreement allows."
        "Use the answer already received, or wait for the next day.";
    QuotaNewSubjects "quota_new_subjects" Policy false
        "As many new subjects were enrolled today as the agreement allows."
        "Resume the batch the next day, or have the agreement changed.";
    QuotaRate "quota_rate" Policy true
        "Too many requests in a short time."
        "Slow down and ask again after the stated time.";
    QuotaRequests "quota_requests" Policy false
        "As many requests for consent stand under this subject, or were made today, as may be."
        "Wait until the subject decides or the requests end, or ask the next day.";
    QuotaReads "quota_reads" Policy false
        "As many pseudonyms were read today as an authority may."
        "Read on the next day, or have the coordinator's limit raised.";
    QuotaLetters "quota_letters" Policy false
        "As many letters were sent today, or about this subject, as may be."
        "Send the letter the next day, or have the coordinator's limit raised.";
    // Reserved: nobody sends or records these. Why exactly a rule refused is `policy::ExactReason`, which has words of
    // its own and stands beside the rules; the requester hears the general word. They stay because a code once
    // published is never given up, and because a coordinator of another make may send one: then every boundary folds it
    // to its general word (`outward`), where an unknown word would become `not_permitted` even if it is about consent.
    // A test of `policy` holds the two tables together where they share a word.
    AgreementMissing "agreement_missing" Policy false
        "No agreement joins this requester and this holder."
        "Sign an agreement.";
    AgreementNotInForce "agreement_not_in_force" Policy false
        "The agreement has not begun, has ended or was ended early."
        "Renew the agreement.";
    AgreementList "agreement_list" Policy false
        "The agreement does not name this list."
        "Have the list added to the agreement.";
    AgreementPurpose "agreement_purpose" Policy false
        "The agreement does not allow this purpose for this list."
        "Use a purpose that the agreement names.";
    AgreementUnsigned "agreement_unsigned" Policy false
        "A signature of the agreement is missing or wrong."
        "Have both members sign the very same bytes.";
    TooManyLists "too_many_lists" Policy false
        "More lists in one check than the agreement allows."
        "Ask about fewer lists.";
    RuleForbids "rule_forbids" Policy false
        "A rule of the federation forbids this combination, whatever the members agreed."
        "Read the rule that the decision names.";
    ConsentMissing "consent_missing" Policy false
        "No consent with this id exists for this pseudonym."
        "Ask the subject for consent.";
    ConsentPending "consent_pending" Policy false
        "The subject has not answered yet."
        "Wait for the answer of the subject.";
    ConsentRefused "consent_refused" Policy false
        "The subject refused."
        "Respect the refusal.";
    ConsentPaused "consent_paused" Policy false
        "The subject paused the consent."
        "Wait until the subject resumes it.";
    ConsentWithdrawn "consent_withdrawn" Policy false
        "The subject withdrew the consent."
        "Erase what rests on it; only a new consent can allow new checks.";
    ConsentExpired "consent_expired" Policy false
        "The consent has ended."
        "Ask the subject to renew it.";
    ConsentNotYetValid "consent_not_yet_valid" Policy false
        "The consent has not begun."
        "Wait until its first moment.";
    ConsentTerms "consent_terms" Policy false
        "The consent does not cover this list or purpose."
        "Ask for consent to exactly this question.";
    ConsentFrequency "consent_frequency" Policy false
        "The consent does not allow another check so soon."
        "Wait as long as its frequency says.";
    // What was asked.
    Malformed "malformed" Caller false
        "The message is not what the interface describes."
        "Correct the field that the message names.";
    CodeInvalid "code_invalid" Caller false
        "The subject code is not valid in its scheme."
        "Compare it with the document; the message names the position or says that the characters do not agree.";
    CodeSchemeUnknown "code_scheme_unknown" Caller false
        "No such scheme of codes."
        "Use CN-USCC, CN-RID, LEI or a scheme of the registry.";
    CodeNotThisScheme "code_not_this_scheme" Caller false
        "The list holds codes of another scheme."
        "Give the code of the scheme that the list names.";
    UnknownList "unknown_list" Caller false
        "No such list."
        "Look up the list id in the registry.";
    UnknownPurpose "unknown_purpose" Caller false
        "No such purpose."
        "Look up the purpose code in the registry.";
    UnknownMember "unknown_member" Caller false
        "No such member of the federation."
        "Look up the member in the registry.";
    NotFound "not_found" Caller false
        "The thing asked for does not exist, or not for the caller."
        "Check the id.";
    Conflict "conflict" Caller false
        "The thing exists already with other content."
        "Read it again and decide anew.";
    TooLarge "too_large" Caller false
        "The message is larger than the limit."
        "Split it.";
    TooMany "too_many" Caller false
        "More items in one message than the limit."
        "Split it.";
    RowMalformed "row_malformed" Caller false
        "A row of the file cannot be read as a row."
        "Correct the line that is named; the other rows were taken.";
    DateInvalid "date_invalid" Caller false
        "A date does not exist or is not written YYYY-MM-DD."
        "Correct the date.";
    SubjectRepeated "subject_repeated" Caller false
        "The subject stands in the file more than once."
        "Keep one row per subject.";
    SubjectUnderAge "subject_under_age" Policy false
        "The person was under 18 on a day that the record names; nothing adverse is kept about people under 18."
        "Leave the row out.";
    TermOver "term_over" Policy false
        "The time for this step is over."
        "Nothing can be done here any more; the decision names what remains.";
    NotAnswered "not_answered" Peer true
        "The question is on record, but no answer came."
        "Resume the batch: the row is asked again and gets a record of its own.";
    // Freshness and replay.
    NotFresh "not_fresh" Caller true
        "The time in the request is more than 30 s from the time here."
        "Set the clock (NTP) and send a new request.";
    NonceReused "nonce_reused" Caller true
        "The nonce was used before with other content."
        "Send a new request with a fresh nonce.";
    QueryReused "query_reused" Caller true
        "The blinded query was used before."
        "Blind again with a fresh factor.";
    QueryMismatch "query_mismatch" Caller false
        "The blinded query is not the one in the record."
        "Send the query that was authorized.";
    EpochOver "epoch_over" Caller true
        "The epoch of the list has ended."
        "Fetch the newest manifest and authorize again.";
    EpochNotCurrent "epoch_not_current" Caller true
        "The epoch of the list is not the current one."
        "Fetch the newest manifest and authorize again.";
    VersionOld "version_old" Peer true
        "The version is older than what is already logged."
        "Fetch the newest manifest and try again.";
    ListNotReady "list_not_ready" Peer true
        "The list has no logged table yet."
        "Wait until its holder has sealed it.";
    // Proofs, keys and identity.
    ProofInvalid "proof_invalid" Peer false
        "A zero-knowledge proof does not verify."
        "Do not use the values; report it to the party that sent them.";
    SignatureInvalid "signature_invalid" Peer false
        "A signature does not verify under the pinned key."
        "Do not use the message; compare keys with its author.";
    CertificateMismatch "certificate_mismatch" Caller false
        "The TLS certificate is not the one named in the request."
        "Authorize again over a connection with the current certificate.";
    CertificateInvalid "certificate_invalid" Caller false
        "The certificate is expired, revoked or not of this federation."
        "Have the certificate renewed.";
    Unauthenticated "unauthenticated" Caller false
        "The caller did not show who it is."
        "Connect with a member certificate, or send the access token.";
    WrongRole "wrong_role" Caller false
        "The caller is known, but its role may not call this."
        "Call with the role that the interface names.";
    NotEnrolled "not_enrolled" Caller true
        "The pseudonym is not registered for this requester and epoch."
        "Enroll the subject, then ask again.";
    EnrolledOtherwise "enrolled_otherwise" Caller false
        "The blinded subject or evaluation is registered under another pseudonym."
        "Enroll again from the start, with fresh blinding.";
    BatchMismatch "batch_mismatch" Caller false
        "The batch is not exactly one batch of the custodian in its order."
        "Register what the custodian evaluated, complete and in order.";
    // Permits and the log.
    PermitExpired "permit_expired" Caller true
        "The permit is over; permits live 60 s at most."
        "Authorize again.";
    PermitNotYetValid "permit_not_yet_valid" Caller true
        "The time in the permit lies ahead of the time here."
        "Compare the clocks of coordinator and holder.";
    PermitNotLogged "permit_not_logged" Peer true
        "The record is not shown to be in a log that this member has verified."
        "Try again; if it stays, compare checkpoints with other members.";
    PermitUsed "permit_used" Caller false
        "The permit was used before with another query."
        "Authorize each question once.";
    PermitForOther "permit_for_other" Caller false
        "The permit names another requester, holder or list."
        "Send it to the party that it names.";
    BucketUsed "bucket_used" Caller false
        "This permit has fetched another bucket of this list."
        "Authorize again for another bucket.";
    LogInconsistent "log_inconsistent" Peer false
        "The log shows two histories, or its proof does not hold."
        "Stop, keep both checkpoints as evidence, tell the auditors.";
    LogBehind "log_behind" Peer true
        "The newest confirmed state of the log is too old or older than what was seen."
        "Wait for a new checkpoint; if none comes, tell the coordinator.";
    LogSealed "log_sealed" Us false
        "The log has stopped itself, because its own state did not agree."
        "Restore by the operating manual; nothing is answered meanwhile.";
    LogFrozen "log_frozen" Peer false
        "This member holds evidence that the log was forked, and has stopped."
        "Read the evidence with `tacit log evidence`, tell the auditors; an operator clears it once the cause is removed.";
    QuorumStale "quorum_stale" Peer true
        "No quorum of the log's witnesses stood behind it in the last ten minutes: nothing is decided until they do."
        "Wait for the witnesses; if they do not come back, tell the holders and the custodian.";
    ClockOff "clock_off" Us true
        "The clock here is not what the log's witnesses say, or has jumped: nothing is decided until they agree again."
        "Set the clock of the party that says so (NTP), then try again.";
    // Sealed lists.
    TableRejected "table_rejected" Peer false
        "The sealed table does not fit its manifest."
        "The holder seals and sends it again.";
    ManifestRejected "manifest_rejected" Peer false
        "The manifest breaks a rule of sealed lists."
        "The holder publishes a correct one as the next version.";
    BucketRejected "bucket_rejected" Peer false
        "A bucket does not fit the logged manifest."
        "Do not use it; fetch again, then tell the auditors.";
    EntryUnreadable "entry_unreadable" Peer false
        "An entry matches but does not open; this is an error and never means not listed."
        "Tell the holder; ask again after its next version.";
    // Consent authority.
    ConsentInvalid "consent_invalid" Caller false
        "The consent text or its signature is not acceptable."
        "Correct the field that the message names and sign again.";
    ConsentDead "consent_dead" Caller false
        "The consent was withdrawn and stays so."
        "Make a new consent.";
    ConsentOrder "consent_order" Caller false
        "The change of state has an old number or does not follow from the present state."
        "Read the present state and sign the next number.";
    // Measures.
    AnswerNotListed "answer_not_listed" Caller false
        "The answer does not say that the subject is on the list, so no measure can rest on it."
        "Name the record and the list whose answer is acted on.";
    AnswerTooOld "answer_too_old" Policy false
        "The answer is older than its agreement lets it be kept."
        "Ask again; a measure rests on an answer that is still kept.";
    MeasureUnknown "measure_unknown" Policy false
        "The agreement under which was asked names no such measure."
        "Name one of the agreement's measures by its number, or have the agreement changed.";
    // Service.
    RegistryInvalid "registry_invalid" Policy false
        "The registry breaks a rule or is not signed."
        "Correct the entry that the message names and sign again.";
    ConfigInvalid "config_invalid" Us false
        "The configuration does not fit."
        "Correct the key that the message names.";
    Overloaded "overloaded" Us true
        "Too much work at the moment."
        "Try again after the stated delay.";
    Unavailable "unavailable" Us true
        "The party cannot be reached, is starting or is stopping."
        "Try again with growing pauses; `tacit doctor` says what is missing.";
    Deadline "deadline" Us true
        "No answer within the deadline."
        "Send the same request again: it gets the same answer and no second record.";
    Internal "internal" Us false
        "An error of this software or its storage; details are in its own log only."
        "Send the request id to the operator.";
}

impl Reason {
    /// Every reason, in the order of the documentation.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        Self::ALL.iter().copied()
    }

    /// The word that the requester hears: to the requester all refusals of a kind look alike. Only the reserved codes
    /// differ from it, which no party of this version sends.
    #[must_use]
    pub const fn outward(self) -> Self {
        match self {
            Self::AgreementMissing
            | Self::AgreementNotInForce
            | Self::AgreementList
            | Self::AgreementPurpose
            | Self::AgreementUnsigned
            | Self::TooManyLists
            | Self::RuleForbids => Self::NotPermitted,
            Self::ConsentMissing
            | Self::ConsentPending
            | Self::ConsentRefused
            | Self::ConsentPaused
            | Self::ConsentWithdrawn
            | Self::ConsentExpired
            | Self::ConsentNotYetValid
            | Self::ConsentTerms
            | Self::ConsentFrequency => Self::ConsentRequired,
            other => other,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_is_unique_stable_and_documented() {
        let mut codes = HashSet::new();
        for reason in Reason::all() {
            let code = reason.as_str();
            assert_eq!(code.parse(), Ok(reason));
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{code}\""));
            assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code}");
            assert!(reason.meaning().ends_with('.') && reason.advice().ends_with('.'), "{code}");
            assert!(codes.insert(code), "{code} twice");
        }
        assert_eq!("not_a_reason".parse::<Reason>(), Err(UnknownReason));
    }

    #[test]
    fn the_code_is_the_name_of_the_variant() {
        for reason in Reason::all() {
            let squeezed = reason.as_str().replace('_', "");
            assert_eq!(format!("{reason:?}").to_lowercase(), squeezed);
        }
    }

    #[test]
    fn what_the_requester_hears_is_the_same_for_all_of_a_kind() {
        for reason in Reason::all() {
            let outward = reason.outward();
            assert_eq!(outward.outward(), outward);
            if outward != reason {
                assert!(matches!(outward, Reason::NotPermitted | Reason::ConsentRequired), "{reason}");
                assert_eq!(reason.fault(), Fault::Policy);
            }
        }
        assert_eq!(Reason::ConsentWithdrawn.outward(), Reason::ConsentMissing.outward());
    }
}
