//! Why a registry file is refused: where, what, why, and what to do.

use std::fmt::Display;

use tacit_model::{ListId, MemberId, PurposeCode, SchemeError};

use super::entry::Role;

/// A registry file that this member will not use.
///
/// `path` is the place in the document, for example `entries[3].lists[0]`; the problem says what is wrong there, why it
/// matters and what to do. The one at fault is who signed that entry (or the coordinator, for the outer body).
#[derive(Debug, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct RegistryError {
    path: String,
    problem: RegistryProblem,
}

impl RegistryError {
    pub(crate) fn new(path: impl Display, problem: RegistryProblem) -> Self {
        Self { path: path.to_string(), problem }
    }

    /// Where in the document, e.g. `entries[3].lists[0]`; `registry` for the document as a whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong there.
    #[must_use]
    pub fn problem(&self) -> &RegistryProblem {
        &self.problem
    }
}

/// What is wrong at one place of a registry file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryProblem {
    /// The file is larger than [`super::MAX_REGISTRY_BYTES`].
    #[error(
        "{bytes} bytes are more than the {max} a registry may have; remove entries that are no longer in force"
    )]
    TooLarge {
        /// Bytes found.
        bytes: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Not the JSON that is expected here: broken, an unknown or repeated field, or a value of another type.
    #[error(
        "not what a registry has here: {source}; unknown or repeated fields are refused because signers could mean different things by them; correct the entry and sign it again"
    )]
    Json {
        /// What the parser found, with line and column inside the text of that body.
        source: serde_json::Error,
    },
    /// The registry is of another federation.
    #[error(
        "this registry is of federation `{found}`, the configuration pins `{pinned}`; fetch the file of your own federation or correct the configuration"
    )]
    OtherFederation {
        /// In the file.
        found: String,
        /// In the configuration.
        pinned: String,
    },
    /// A text is empty, too long, or has control characters.
    #[error(
        "a text of 1 to {max} characters without control characters is needed, this one has {found}; shorten or correct it"
    )]
    Text {
        /// Characters found.
        found: usize,
        /// Characters allowed.
        max: usize,
    },
    /// A word does not match the pattern of names.
    #[error("`{found}` is not a name; names match [a-z0-9][a-z0-9-]{{0,62}}")]
    Name {
        /// As written.
        found: String,
    },
    /// A number is outside its range.
    #[error("{found} is out of range; allowed is {min} to {max}")]
    Range {
        /// As written.
        found: u64,
        /// Smallest allowed value.
        min: u64,
        /// Largest allowed value.
        max: u64,
    },
    /// A list in the document has too few or too many elements.
    #[error("{found} elements; allowed are {min} to {max}")]
    Count {
        /// Elements found.
        found: usize,
        /// Fewest allowed.
        min: usize,
        /// Most allowed.
        max: usize,
    },
    /// The same name, id or key stands twice.
    #[error(
        "`{value}` stands here a second time; each may appear once, otherwise two readers could take different ones; remove or rename one"
    )]
    Repeated {
        /// What is repeated.
        value: String,
    },
    /// A member that no entry names.
    #[error("there is no member `{id}` in this registry; add its entry or correct the name")]
    UnknownMember {
        /// The name used.
        id: MemberId,
    },
    /// A list that no entry names.
    #[error(
        "there is no list `{id}` in this registry; add its entry or correct the name (there are no wildcards)"
    )]
    UnknownList {
        /// The name used.
        id: ListId,
    },
    /// A purpose that no entry names.
    #[error(
        "there is no purpose `{code}` in this registry; add its entry or correct the code (there are no wildcards)"
    )]
    UnknownPurpose {
        /// The code used.
        code: PurposeCode,
    },
    /// An identifier scheme that is neither built in nor registered.
    #[error("there is no scheme `{name}`; use CN-USCC, CN-RID, LEI or register an X- scheme")]
    UnknownScheme {
        /// The name used.
        name: String,
    },
    /// The pattern of an `X-` scheme cannot be used.
    #[error("scheme `{name}` cannot be used: {source}; correct the entry and sign it again")]
    Scheme {
        /// The scheme's name.
        name: String,
        /// What is wrong with its name or pattern.
        source: SchemeError,
    },
    /// A member lacks the role that this entry needs.
    #[error(
        "member `{member}` does not have the role `{role}` that is needed here; add the role to its entry or name another member"
    )]
    Role {
        /// The member.
        member: MemberId,
        /// The role it lacks.
        role: Role,
    },
    /// A list is reviewed by the body that listed.
    #[error(
        "an objection about `{list}` is reviewed by another body than its holder; name another member or leave it out"
    )]
    ReviewBody {
        /// The list.
        list: ListId,
    },
    /// Appeals and decisions are letters.
    #[error("`{member}` reviews objections by letter; add `keys.letters` and a pseudonym epoch to its entry")]
    ReviewLetters {
        /// The member.
        member: MemberId,
    },
    /// A member lacks a key or an endpoint that its role needs.
    #[error("a member with the role `{role}` needs `{field}`; add it to the member's entry")]
    RoleNeeds {
        /// The role.
        role: Role,
        /// The missing field.
        field: &'static str,
    },
    /// The coordinator or the custodian does something else besides, or a second member claims its role.
    #[error(
        "`{member}` cannot have the role `{role}` like this; there is one coordinator and one custodian, they are different members, named in the body, and neither has another role, because what each knows must stay apart"
    )]
    RoleAlone {
        /// The member.
        member: MemberId,
        /// The role.
        role: Role,
    },
    /// An endpoint is not `https://host:port`.
    #[error("`{found}` is not an endpoint; write https://host:port and nothing after it")]
    Endpoint {
        /// As written.
        found: String,
    },
    /// A time zone that the IANA database does not have.
    #[error("`{found}` is not a time zone of the IANA database; write for example Asia/Shanghai or Etc/UTC")]
    TimeZone {
        /// As written.
        found: String,
    },
    /// Signatures are missing, superfluous or in another order than the signers the entry needs.
    #[error(
        "signed by [{found}], needed are exactly [{needed}]; each owner signs its own entries and an agreement is signed by holder and requester"
    )]
    Signers {
        /// Names on the signature lines.
        found: String,
        /// Names that are needed.
        needed: String,
    },
    /// The key on a signature line is not the signer's.
    #[error(
        "the key shown for `{signer}` is not its signing key; sign with the key of the member's own entry"
    )]
    KeyDiffers {
        /// The signer.
        signer: MemberId,
    },
    /// A signature does not verify.
    #[error(
        "the signature of `{signer}` does not fit the text; the entry was changed after signing or signed with another key; get it signed again"
    )]
    SignatureInvalid {
        /// The signer.
        signer: MemberId,
    },
    /// A member's key is not the one this member's configuration pins.
    #[error(
        "the signing key of `{member}` is not the pinned one; a registry must not swap a pinned key; ask `{member}` by another way, and change the pin only if it confirms"
    )]
    PinnedKey {
        /// The member whose key differs.
        member: MemberId,
    },
    /// A consent authority or auditor without a pin.
    #[error(
        "`{member}` has the role `{role}`, whose keys count only when pinned; confirm its key by another way and add it to the pinned keys in the configuration"
    )]
    NotPinned {
        /// The member.
        member: MemberId,
        /// Its role.
        role: Role,
    },
    /// A list is written into an entry of another holder.
    #[error("list `{list}` does not belong to `{holder}`; a holder can speak only for its own lists")]
    ForeignList {
        /// The list.
        list: ListId,
        /// The holder of the agreement.
        holder: MemberId,
    },
    /// The key named in an agreement is not the member's.
    #[error(
        "the key named for `{member}` is not its first signing key; an agreement pins the keys of both members; draft and sign it again"
    )]
    AgreementKey {
        /// The member.
        member: MemberId,
    },
    /// A purpose of another context than the agreement states.
    #[error(
        "purpose `{code}` is of context `{context}`, the agreement states `{stated}`; make one agreement per purpose context"
    )]
    PurposeContext {
        /// The purpose.
        code: PurposeCode,
        /// Its context.
        context: String,
        /// The context the agreement states.
        stated: String,
    },
    /// A list is used in a context other than its own, without the citation that allows it.
    #[error(
        "list `{list}` comes from context `{origin}` and would be used for `{context}`; that needs `cross_context` with the citation that allows it and a proportionality statement"
    )]
    CrossContext {
        /// The list.
        list: ListId,
        /// Where its records come from.
        origin: String,
        /// Where the answer would be used.
        context: String,
    },
    /// A context that may not be expressed at all.
    #[error(
        "`{context}` is not a context that lists or purposes may have; religion, ethnicity, political opinion, biometrics, health and family may not be listed, and answers are not for publication; this cannot be expressed"
    )]
    ForbiddenContext {
        /// As written.
        context: String,
    },
    /// A title or an id that says what may not be listed.
    #[error(
        "`{word}` is about {matter}, which may not be listed; this cannot be expressed; if the list is about something else, name that"
    )]
    ForbiddenMatter {
        /// The word that was found.
        word: &'static str,
        /// What it is about.
        matter: &'static str,
    },
    /// A restriction without law.
    #[error(
        "what restricts rests here on a memorandum alone (`{act}`); cite a statute, regulation or order, or take the restriction out"
    )]
    MemorandumAlone {
        /// The act cited.
        act: String,
    },
    /// An act that no entry names.
    #[error("there is no act `{id}` in this registry; add its entry or correct the name")]
    UnknownAct {
        /// The name used.
        id: String,
    },
    /// A rule of the federation's own that cannot be taken.
    #[error("not a rule that a federation can have: {problem}; correct it and sign it again")]
    Rule {
        /// What is wrong.
        problem: String,
    },
    /// `subject-access` for who is no authority, or an authority with another purpose.
    #[error(
        "purpose `subject-access` and the role `authority` go together and with nothing else, so that nobody can both ask for consent and use it; use another purpose or another requester (here `{member}`)"
    )]
    SubjectAccess {
        /// The requester of the agreement.
        member: MemberId,
    },
    /// A period ends before it starts.
    #[error("the period ends before it starts; correct `valid_from` or `valid_until`")]
    Period,
    /// An agreement that no entry names.
    #[error("there is no agreement `{id}` in this registry; its ending says nothing without it")]
    UnknownAgreement {
        /// The id used, a ULID.
        id: String,
    },
    /// An ending by who is no party.
    #[error("`{member}` is no party of this agreement; only its holder or its requester can end it")]
    NoParty {
        /// Who signed the ending.
        member: MemberId,
    },
    /// A recovery version lacks countersignatures.
    #[error(
        "it removes members from a federation whose quorum is lost, and lacks the countersignature of [{missing}]; the custodian and every auditor answer for it: tacit registry countersign"
    )]
    Countersigners {
        /// Who has not signed, in order.
        missing: String,
    },
    /// A recovery version in a federation without auditors.
    #[error(
        "this federation has no auditor, and the custodian alone is not enough: with the coordinator it could choose who the witnesses are; bring enough of the witnesses back"
    )]
    NoAuditor,
    /// Who is removed stands in the version all the same.
    #[error("`{member}` is said to be removed and stands here; take its entry out or do not name it")]
    NotRemoved {
        /// The member.
        member: MemberId,
    },
    /// The auditors' box keys are not two.
    #[error(
        "the auditors have {found} box keys together; needed are exactly two, held by different people, or none while there is no auditor"
    )]
    AuditBox {
        /// Keys found.
        found: usize,
    },
}

/// Puts the place onto a problem.
pub(crate) trait At<T> {
    /// The result with the problem's place, e.g. `.at(format_args!("{path}.title"))`.
    fn at(self, path: impl Display) -> Result<T, RegistryError>;
}

impl<T> At<T> for Result<T, RegistryProblem> {
    fn at(self, path: impl Display) -> Result<T, RegistryError> {
        self.map_err(|problem| RegistryError::new(path, problem))
    }
}
