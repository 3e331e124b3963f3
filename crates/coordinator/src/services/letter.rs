//! Letters between members and consent authorities: what is checked of their form, and those that are for a member.

use tacit_blind::{
    group::Point,
    letter::{self, MAX_LETTER},
};
use tacit_identity::Role;
use tacit_model::{MemberId, Reason};
use tacit_policy::registry::entry;
use tacit_store::{Conn, StoreError};
use tacit_wire::{
    Malformed,
    coordinator::{self as pb, letter_service_server::LetterService, post_letter_response::Outcome},
};
use tonic::{Request, Response, Status};

use super::{Service, Shared, malformed, parts, store_trouble};
use crate::{
    answer,
    append::{LetterJob, Write},
    caller::caller,
    opening::{NoticeOpening, Opening, open},
    store::{
        chains,
        letters::{self, About, StoredLetter},
        openings,
    },
};

/// Letters of one answer.
const PAGE: u32 = 16;

#[tonic::async_trait]
impl LetterService for Service {
    async fn post_letter(
        &self,
        request: Request<pb::PostLetterRequest>,
    ) -> Result<Response<pb::PostLetterResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Node, Role::Authority])?;
        let (message, metadata) = parts(request);
        let job = posted(message, peer.spiffe.member).map_err(|error| malformed(&error, &metadata))?;
        shared.writable(&metadata).await?;
        let sound = job.and_then(|(job, recipients)| shared.may_write(peer.spiffe.role, job, &recipients));
        let written = match sound {
            Ok(job) => shared.write_logged(Write::Letter(Box::new(job))).await,
            Err(reason) => Ok(Err(reason)),
        };
        let outcome = match written.map_err(|error| store_trouble(&error, &metadata))? {
            Ok((record, checkpoint)) => {
                metrics::counter!("tacit_coordinator_letters_total").increment(1);
                Outcome::Logged(pb::LetterLogged { record: Some(record), checkpoint })
            }
            Err(reason) => Outcome::Refusal(tacit_wire::refusal(reason)),
        };
        Ok(Response::new(pb::PostLetterResponse { outcome: Some(outcome) }))
    }

    async fn list_letters(
        &self,
        request: Request<pb::ListLettersRequest>,
    ) -> Result<Response<pb::ListLettersResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Node])?;
        let (message, metadata) = parts(request);
        let found = shared.letters(&peer.spiffe.member, message.from_index).await;
        Ok(Response::new(found.map_err(|error| store_trouble(&error, &metadata))?))
    }
}

/// A letter of a sound form, with those whom it is sealed to.
type Posted = (LetterJob, Vec<MemberId>);

/// A letter as it came: its form, and whom it is for if that is a name.
fn posted(message: pb::PostLetterRequest, sender: MemberId) -> Result<Result<Posted, Reason>, Malformed> {
    let pseudonym = tacit_wire::array("pseudonym", &message.pseudonym)?;
    if Point::decode(&pseudonym).is_err() {
        return Err(Malformed { field: "pseudonym", problem: "is no pseudonym" });
    }
    let wrong = |problem| Malformed { field: "letter", problem };
    if message.letter.len() > MAX_LETTER {
        return Err(wrong("has more than 67,906 bytes"));
    }
    let recipients =
        letter::recipients(&message.letter).map_err(|_| wrong("has not the form of a letter"))?;
    let Ok(member) = message.member.parse() else { return Ok(Err(Reason::UnknownMember)) };
    let letter = letter::letter_hash(&message.letter);
    Ok(Ok((LetterJob { sender, member, pseudonym, sealed: message.letter, letter }, recipients)))
}

impl Shared {
    /// Whether this sender may write to those whom the letter is sealed to: a node to the authorities, about its own
    /// subject; an authority to a member that gets letters.
    fn may_write(&self, role: Role, job: LetterJob, recipients: &[MemberId]) -> Result<LetterJob, Reason> {
        let registry = self.registry();
        let authority =
            |id: &MemberId| registry.member(id).is_some_and(|member| member.has(entry::Role::Authority));
        let sound = match role {
            Role::Authority if job.member == job.sender || authority(&job.member) => {
                return Err(Reason::WrongRole);
            }
            Role::Authority => {
                recipients == std::slice::from_ref(&job.member) && registry.letter_key(&job.member).is_some()
            }
            _ if job.member != job.sender => return Err(Reason::WrongRole),
            _ => recipients.iter().all(authority),
        };
        if sound { Ok(job) } else { Err(Reason::UnknownMember) }
    }

    /// The next letters for a member, with what opens their records.
    async fn letters(&self, member: &MemberId, from: u64) -> Result<pb::ListLettersResponse, StoreError> {
        let mut found = Vec::new();
        {
            let mut conn = self.db.read().await?;
            for stored in letters::for_member(&mut conn, member, from, PAGE).await? {
                // None: erased since it was found.
                if let Some(mailed) = mailed(&mut conn, &stored).await? {
                    found.push((stored.log_index, mailed));
                }
            }
        }
        if found.is_empty() {
            return Ok(pb::ListLettersResponse::default());
        }
        let indexes: Vec<u64> = found.iter().map(|(index, _)| *index).collect();
        let (records, checkpoint) = answer::prove_stored(&self.log, &indexes).await?;
        let letters = found.into_iter().zip(records).map(|((_, mut letter), record)| {
            letter.record = Some(record);
            letter
        });
        Ok(pb::ListLettersResponse { letters: letters.collect(), checkpoint: checkpoint.into() })
    }
}

/// A stored letter with its opening, without its record.
async fn mailed(conn: &mut Conn, stored: &StoredLetter) -> Result<Option<pb::MailedLetter>, StoreError> {
    let Some(About { subject, pseudonym }) = stored.about else { return Ok(None) };
    let chain = openings::chains(conn, &[subject]).await?.remove(&subject);
    let sealed = chains::opening(conn, subject, stored.log_index).await?;
    if let (Some(chain), Some(mut sealed)) = (chain, sealed)
        && let Ok(Opening::Notice(NoticeOpening { link, letter })) =
            open(&mut sealed, &chain.opening_key, stored.log_index)
        && letter::letter_hash(letter.0) == stored.letter
    {
        return Ok(Some(pb::MailedLetter {
            record: None,
            pseudonym: pseudonym.to_vec().into(),
            letter: letter.0.to_vec().into(),
            salt: link.salt.to_vec().into(),
            sequence: link.sequence,
            previous: link.previous.to_vec().into(),
        }));
    }
    let now = letters::by_index(conn, stored.log_index).await?;
    if now.is_some_and(|letter| letter.about.is_none()) {
        return Ok(None);
    }
    Err(StoreError::corrupt("opening", "sealed", stored.log_index, "is not that of a letter"))
}
