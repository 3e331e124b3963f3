//! Letters at the coordinator: who may hand which in, how many, and that what is stored is what was recorded.

use sqlx::{Any, AssertSqlSafe, Encode, Type};
use tacit_blind::{
    group::SecretScalar,
    letter::{self, Envelope, LetterPublicKey, LetterSecretKey},
};
use tacit_client::Details;
use tacit_coordinator::StartError;
use tacit_identity::Role;
use tacit_ledger::{merkle::leaf_hash, record::Record};
use tacit_model::{MemberId, entropy::seeded_rng};
use tacit_store::StoreError;
use tacit_wire::coordinator::{
    self as pb, letter_service_client::LetterServiceClient, post_letter_response::Outcome,
};

use crate::{subjects::chains, support::*};

const DAY_MS: u64 = 86_400_000;

/// The key of a member for letters, as the registry of these tests has it.
fn public(member: &str) -> LetterPublicKey {
    LetterSecretKey::derive(&letter_seed(member)).1
}

/// A letter of `sender` about a pseudonym of `member`, sealed to `recipient`.
pub(crate) fn sealed(
    sender: &str,
    member: &str,
    pseudonym: &[u8; 32],
    recipient: &str,
    content: &str,
) -> Vec<u8> {
    let (sender_id, member, recipient_id): (MemberId, MemberId, MemberId) =
        (id(sender), id(member), id(recipient));
    let envelope = Envelope { sender: &sender_id, member: &member, pseudonym };
    let recipients = [(&recipient_id, &public(recipient))];
    // Seeded by what it is: the same again is the same.
    let seed = tacit_blind::encoding::b3("tacit test letter", &[content.as_bytes(), pseudonym]);
    let mut rng = seeded_rng(seed);
    letter::seal(&envelope, content.as_bytes(), &key(sender), &recipients, &mut rng).unwrap()
}

struct Setting {
    world: World,
    running: Running,
    /// Subjects of procurement.
    subjects: Vec<[u8; 32]>,
}

impl Setting {
    async fn new(change: impl FnOnce(&mut World)) -> Self {
        let mut world = World::new();
        change(&mut world);
        let running = world.start_with_lists().await;
        let mut requester = Requester::new(&world, &running, "procurement").await;
        let enrolled = requester.enroll(0, 3).await;
        let subjects = enrolled.iter().map(|it| *it.pseudonym()).collect();
        Self { world, running, subjects }
    }

    /// What becomes of a letter that a party hands in.
    async fn post_as(
        &self,
        (role, party): (Role, &str),
        member: &str,
        pseudonym: &[u8; 32],
        letter: &[u8],
    ) -> Result<(u64, Record), String> {
        let channel = self.world.channel(&self.running, role, party).await;
        let request = pb::PostLetterRequest {
            pseudonym: pseudonym.to_vec().into(),
            member: member.to_owned(),
            letter: letter.to_vec().into(),
        };
        let answer = LetterServiceClient::new(channel).post_letter(request).await;
        let answer = answer.map_err(|status| match tacit_wire::reason_of(&status) {
            Some(reason) => reason.as_str().to_owned(),
            None => status.to_string(),
        })?;
        match answer.into_inner().outcome.unwrap() {
            Outcome::Logged(logged) => {
                let verified = verified(logged.record.as_ref().unwrap(), &logged.checkpoint);
                Ok((verified.index(), verified.into_record()))
            }
            Outcome::Refusal(refusal) => Err(refusal.reason),
        }
    }

    /// Procurement writes to a subject.
    async fn write(&self, subject: usize, content: &str) -> Result<(u64, Record), String> {
        let pseudonym = &self.subjects[subject];
        let letter = sealed("procurement", "procurement", pseudonym, "portal", content);
        self.post_as((Role::Node, "procurement"), "procurement", pseudonym, &letter).await
    }

    /// The portal writes to procurement about a subject.
    async fn answer(&self, subject: usize, content: &str) -> Result<(u64, Record), String> {
        let pseudonym = &self.subjects[subject];
        let letter = sealed("portal", "procurement", pseudonym, "procurement", content);
        self.post_as((Role::Authority, "portal"), "procurement", pseudonym, &letter).await
    }

    /// The log indexes of letters for a member, page by page.
    async fn listed(&self, member: &str) -> Vec<Vec<u64>> {
        let channel = self.world.channel(&self.running, Role::Node, member).await;
        let mut client = LetterServiceClient::new(channel);
        let (mut pages, mut from_index) = (Vec::new(), 0);
        loop {
            let request = pb::ListLettersRequest { from_index };
            let page = client.list_letters(request).await.unwrap().into_inner();
            if page.letters.is_empty() {
                return pages;
            }
            let index =
                |it: &pb::MailedLetter| verified(it.record.as_ref().unwrap(), &page.checkpoint).index();
            let indexes: Vec<u64> = page.letters.iter().map(index).collect();
            from_index = indexes.last().unwrap() + 1;
            pages.push(indexes);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_is_a_record_of_its_chain_and_the_same_letter_again_is_the_same_record() {
    let set = Setting::new(|_| {}).await;
    let (index, record) = set.write(0, "a notice").await.unwrap();
    let Record::Notice(notice) = &record else { panic!("{record:?}") };
    assert_eq!((notice.sender.as_str(), notice.member.as_str()), ("procurement", "procurement"));
    assert_eq!(set.write(0, "a notice").await.unwrap().0, index, "a lost answer");
    let (answered, _) = set.answer(0, "an objection").await.unwrap();
    assert_eq!(set.answer(0, "an objection").await.unwrap().0, answered);
    // The authority finds both in the chain, each as its record names it; the member what is for it.
    let log = chains(&set.world, &set.running).await.log(&set.subjects[0]).await.unwrap();
    let [first, second] = &log.entries[..] else { panic!("{log:?}") };
    for (entry, letter) in [
        (first, sealed("procurement", "procurement", &set.subjects[0], "portal", "a notice")),
        (second, sealed("portal", "procurement", &set.subjects[0], "procurement", "an objection")),
    ] {
        let Details::Notice(found) = &entry.details else { panic!("{entry:?}") };
        assert_eq!((found.bytes.to_vec(), found.pseudonym), (letter, set.subjects[0]));
    }
    assert_eq!(log.statement.head, leaf_hash(&second.proof.record));
    assert_eq!(set.listed("procurement").await, [[answered]]);
    assert!(set.listed("tax").await.is_empty());
    // The same bytes about somebody else, or to somebody else, are another letter, and there is none such.
    let letter = sealed("procurement", "procurement", &set.subjects[0], "portal", "a notice");
    let elsewhere = set.post_as((Role::Node, "procurement"), "procurement", &set.subjects[1], &letter).await;
    assert_eq!(elsewhere.map(|_| ()), Err("conflict".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_under_another_members_pseudonym_or_past_its_door_is_refused() {
    let set = Setting::new(|_| {}).await;
    let subject = set.subjects[0];
    let node = (Role::Node, "procurement");
    let own = |pseudonym: &[u8; 32]| sealed("procurement", "procurement", pseudonym, "portal", "x");
    let stranger = SecretScalar::random(&mut seeded_rng([77; 32])).public().encode();
    let by_tax = sealed("tax", "tax", &subject, "portal", "x");
    let to_tax = sealed("portal", "tax", &subject, "tax", "x");
    let to_court = sealed("portal", "court", &subject, "court", "x");
    let to_portal = sealed("portal", "portal", &subject, "portal", "x");
    let nowhere = sealed("procurement", "procurement", &subject, "tax", "x");
    for (case, party, member, pseudonym, letter, due) in [
        ("a stranger's pseudonym", node, "procurement", &stranger, own(&stranger), "not_enrolled"),
        ("another member's", (Role::Node, "tax"), "tax", &subject, by_tax, "not_enrolled"),
        ("in another name", node, "tax", &subject, own(&subject), "wrong_role"),
        ("to no authority", node, "procurement", &subject, nowhere, "unknown_member"),
        ("to a third party", (Role::Authority, "portal"), "court", &subject, to_tax, "unknown_member"),
        ("to who gets none", (Role::Authority, "portal"), "court", &subject, to_court, "unknown_member"),
        ("to itself", (Role::Authority, "portal"), "portal", &subject, to_portal, "wrong_role"),
        ("no form", node, "procurement", &subject, vec![1; 5000], "malformed"),
        ("too long", node, "procurement", &subject, vec![1; letter::MAX_LETTER + 1], "malformed"),
        ("no pseudonym", node, "procurement", &[0xff; 32], own(&subject), "malformed"),
    ] {
        let outcome = set.post_as(party, member, pseudonym, &letter).await;
        assert_eq!(outcome.map(|_| ()), Err(due.to_owned()), "{case}");
    }
    assert_eq!(count(&set.world, &set.running, "notice").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_are_bounded_by_sender_and_subject_and_day() {
    let set = Setting::new(|world| {
        (world.limits.letters_per_day, world.limits.letters_per_subject_per_day) = (3, 2);
    })
    .await;
    let quota = Err("quota_letters".to_owned());
    let outcome = async |subject, content| set.write(subject, content).await.map(|_| ());
    assert_eq!(outcome(0, "1").await, Ok(()));
    assert_eq!(outcome(0, "2").await, Ok(()));
    assert_eq!(outcome(0, "3").await, quota, "of one subject");
    assert_eq!(outcome(0, "2").await, Ok(()), "what is there already costs nothing");
    assert_eq!(outcome(1, "1").await, Ok(()));
    assert_eq!(outcome(2, "1").await, quota, "of the day");
    // The other side's letters are its own.
    assert_eq!(set.answer(0, "1").await.map(|_| ()), Ok(()));
    set.world.clock.advance_ms(DAY_MS);
    assert_eq!(outcome(0, "3").await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_for_a_member_come_in_pages_and_outlive_a_restart() {
    let mut set = Setting::new(|_| {}).await;
    let mut due = Vec::new();
    for n in 0..18 {
        due.push(set.answer(n % 3, &format!("letter {n}")).await.unwrap().0);
        set.write(n % 3, &format!("notice {n}")).await.unwrap();
    }
    let pages = [due[..16].to_vec(), due[16..].to_vec()];
    assert_eq!(set.listed("procurement").await, pages);
    set.running.stop().await;
    set.running = set.world.start().await;
    assert_eq!(set.listed("procurement").await, pages);
    assert_eq!(set.answer(0, "letter 0").await.unwrap().0, due[0]);
    let log = chains(&set.world, &set.running).await.log(&set.subjects[0]).await.unwrap();
    assert_eq!(log.entries.len(), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_takes_letters_along_and_a_repeated_one_does_not_bring_it_back() {
    let set = Setting::new(|_| {}).await;
    let (written, _) = set.write(0, "a notice").await.unwrap();
    let (answered, _) = set.answer(0, "an objection").await.unwrap();
    let other = set.answer(1, "another one's").await.unwrap().0;
    let portal = chains(&set.world, &set.running).await;
    portal.erase(&set.subjects[0], "objection").await.unwrap();
    assert_eq!(set.listed("procurement").await, [[other]]);
    assert_eq!(set.write(0, "a notice").await.unwrap().0, written);
    assert_eq!(set.answer(0, "an objection").await.unwrap().0, answered);
    let log = portal.log(&set.subjects[0]).await.unwrap();
    assert!(matches!(&log.entries[..], [only] if only.details == Details::Erasure), "{log:?}");
    // Nothing in the database leads from the subject to its letters any more.
    let db = set.world.db().await;
    let left = "SELECT COUNT(*) FROM letter WHERE subject IS NOT NULL OR pseudonym IS NOT NULL";
    let left: i64 = sqlx::query_scalar(left).fetch_one(&mut *db.read().await.unwrap()).await.unwrap();
    assert_eq!(left, 1);
    db.close().await;
}

/// Changes a column of the letter with this record behind the coordinator's back.
async fn set_column<'v>(
    world: &World,
    index: u64,
    column: &str,
    value: impl Encode<'v, Any> + Type<Any> + Send + 'v,
) {
    let db = world.db().await;
    let mut conn = db.write().await.unwrap();
    let sql = format!("UPDATE letter SET {column} = $1 WHERE log_index = $2");
    let done = sqlx::query(AssertSqlSafe(sql)).bind(value).bind(i64::try_from(index).unwrap());
    let done = done.execute(&mut *conn).await.map_err(StoreError::from).unwrap();
    assert_eq!(done.rows_affected(), 1, "{column}");
    drop(conn);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_does_not_start_over_a_letter_whose_columns_are_not_what_its_record_says() {
    let set = Setting::new(|_| {}).await;
    let (index, record) = set.answer(0, "an objection").await.unwrap();
    let Record::Notice(record) = record else { panic!() };
    let Setting { world, running, .. } = set;
    running.stop().await;
    let refuses = async |column: &str| {
        let error = world.try_start().await.err().unwrap();
        assert!(matches!(&error, StartError::Store(StoreError::Corrupt { .. })), "{error}");
        let said = format!("corrupt data in letter.{column} (row {index}): ");
        assert!(error.to_string().starts_with(&said), "{error}");
    };
    for (column, changed, recorded) in
        [("sender", "portal-two", record.sender.as_str()), ("member", "tax", record.member.as_str())]
    {
        set_column(&world, index, column, changed).await;
        refuses(column).await;
        set_column(&world, index, column, recorded).await;
    }
    set_column(&world, index, "letter", vec![7_u8; 32]).await;
    refuses("letter").await;
    set_column(&world, index, "letter", record.letter.to_vec()).await;
    set_column(&world, index, "posted_ms", 5_i64).await;
    refuses("posted_ms").await;
    set_column(&world, index, "posted_ms", i64::try_from(record.time_ms).unwrap()).await;
    world.start().await.stop().await;
}
