//! Letters between agencies and the consent authorities, with every role at work.

#![cfg(test)]

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use tacit_client::{ClientError, LetterDraft, LetterFault, LetterSecretKey, Requester, SealedLetter};
use tacit_desk::conformance::assert_documented;
use tacit_federation::desk::DeskClient;
use tacit_ledger::record::Record;
use tacit_model::{SubjectCode, entropy::seeded_rng, generate::generate_uscc};
use tacit_testkit::{Federation, Options};

/// What stands in letters here; found nowhere else.
const NOTICE: &str = "canary: you are listed as of the first of the month";
const OBJECTION: &str = "canary: I have paid, see the receipt";

fn draft(text: &str) -> LetterDraft {
    LetterDraft { content: text.as_bytes().to_vec(), case: "NOTICE-1".to_owned(), officer: "wang".to_owned() }
}

async fn ask(desk: &DeskClient, path: &str, body: &Value) -> Value {
    let answer = desk.post(path, body).await.unwrap();
    assert_documented(tacit_authority::openapi(), "POST", path, answer.status, &answer.body.to_string());
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

struct Scene {
    federation: Federation,
    subject: SubjectCode,
    code: String,
}

impl Scene {
    async fn new(seed: u8) -> Self {
        let options = Options::quick().reading_ms(500);
        let federation = Federation::start("procurement", options).await.unwrap();
        let code = generate_uscc(&mut seeded_rng([seed; 32]));
        let subject = federation.registry().schemes().parse("CN-USCC", &code).unwrap().subject;
        let scene = Self { federation, subject, code };
        ask(&scene.desk(), "/v1/users", &scene.person()).await;
        scene
    }

    fn desk(&self) -> DeskClient {
        self.federation.desk("portal").unwrap()
    }

    fn person(&self) -> Value {
        json!({ "scheme": "CN-USCC", "code": self.code })
    }

    async fn court(&self) -> Requester {
        self.federation.correspondent("court").await.unwrap()
    }

    /// The letters that the portal shows the person.
    async fn shown(&self) -> Vec<Value> {
        let answer = ask(&self.desk(), "/v1/letters", &self.person()).await;
        answer["letters"].as_array().unwrap().clone()
    }
}

fn text(letter: &Value) -> String {
    String::from_utf8(BASE64.decode(letter["content"].as_str().unwrap()).unwrap()).unwrap()
}

fn reason(outcome: Result<tacit_client::LetterSent, ClientError>) -> String {
    outcome.unwrap_err().reason().as_str().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_arrives_with_the_next_reading_and_the_answer_at_the_court_and_only_they_can_read_them() {
    let mut scene = Scene::new(71).await;
    let court = scene.court().await;
    let sealed = court.seal_letter(&draft(NOTICE), &scene.subject).await.unwrap();
    let sent = court.post_letter(&sealed).await.unwrap();
    // A lost answer: the same letter gets the same record.
    let again = court.post_letter(&sealed).await.unwrap();
    assert_eq!((again.record, again.time), (sent.record, sent.time));

    scene.federation.read_anew("portal").await.unwrap();
    let shown = scene.shown().await;
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!((text(&shown[0]), &shown[0]["sender"]), (NOTICE.to_owned(), &json!("court")));
    assert_eq!(
        (&shown[0]["record"]["id"], &shown[0]["proof"]),
        (&json!(sent.record.id.to_string()), &json!("verified"))
    );
    // It stands among the uses, and its proof shows what it says to whoever verifies it.
    let usage = ask(&scene.desk(), "/v1/findUsage", &scene.person()).await;
    assert_eq!(
        (&usage["usage"][0]["outcome"], &usage["usage"][0]["receiver"]),
        (&json!("letter_to_person"), &json!("court"))
    );
    let mut prove = scene.person();
    prove["record_id"] = json!(sent.record.id.to_string());
    let proof = ask(&scene.desk(), "/v1/proofs", &prove).await["proof"].clone();
    shows(&scene, &proof);

    // The answer, under the court's pseudonym, which the authority has from its reading.
    let portal = scene.federation.authority("portal").await.unwrap();
    let court_id = "court".parse().unwrap();
    let reply = portal.seal_letter_about(&court_id, &scene.subject, OBJECTION.as_bytes()).await.unwrap();
    assert_eq!(reply.pseudonym, sealed.pseudonym);
    let replied = portal.post_letter(&reply).await.unwrap();
    assert_eq!(portal.post_letter(&reply).await.unwrap().record, replied.record);
    let page = court.letters_from(0).await.unwrap();
    let [came] = &page.letters[..] else { panic!("{page:?}") };
    assert_eq!((came.record, page.next), (replied.record, replied.record.index + 1));
    assert_eq!(came.opened.as_ref().unwrap().content(), OBJECTION.as_bytes());
    assert!(court.is_own_pseudonym(&scene.subject, &came.letter.pseudonym).await.unwrap());
    assert!(court.letters_from(page.next).await.unwrap().letters.is_empty());
    // Nobody else gets it.
    for other in ["tax", "procurement"] {
        let other = scene.federation.correspondent(other).await.unwrap();
        assert!(other.letters_from(0).await.unwrap().letters.is_empty());
    }

    // The coordinator has both, and can read neither: no text in its files, and no key in its hands opens them.
    let keys = seeds(scene.federation.folder(), |name| name.starts_with("coordinator"));
    assert!(!keys.is_empty());
    for (letter, recipient) in [(&sealed, "portal"), (&reply, "court")] {
        for key in &keys {
            assert!(open(&scene.federation, letter, recipient, key).is_err());
        }
        let own = seeds(scene.federation.folder(), |name| name == format!("{recipient}-letters.seed"));
        assert!(open(&scene.federation, letter, recipient, &own[0]).is_ok());
    }
    drop(court);

    // Letters survive a restart of every role.
    for role in ["coordinator", "custodian", "court", "portal"] {
        scene.federation.kill(role);
    }
    for role in ["coordinator", "custodian", "court", "portal"] {
        scene.federation.restart(role).await.unwrap();
    }
    let court = scene.court().await;
    assert_eq!(court.letters_from(0).await.unwrap().letters.len(), 1);
    assert_eq!(court.post_letter(&sealed).await.unwrap().record, sent.record);
    scene.federation.read_anew("portal").await.unwrap();
    let shown = scene.shown().await;
    assert_eq!((shown.len(), text(&shown[0])), (2, NOTICE.to_owned()));
    assert_eq!((&shown[1]["to_person"], &shown[1]["sender"]), (&json!(false), &json!("portal")));
    drop(court);
    let Scene { federation, .. } = scene;
    let folder = federation.folder().join("data");
    for member in ["coordinator", "custodian", "court", "portal"] {
        has_no_text(&folder, member);
    }
    federation.shut_down().await.unwrap();
}

/// No file of a member's data has the text of a letter.
fn has_no_text(folder: &Path, member: &str) {
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with(member) {
            let bytes = std::fs::read(&path).unwrap();
            for text in [NOTICE, OBJECTION, "canary"] {
                let found = bytes.windows(text.len()).any(|it| it == text.as_bytes());
                assert!(!found, "{} has the text of a letter", path.display());
            }
        }
    }
}

/// Seeds in the folder of keys.
fn seeds(folder: &Path, whose: impl Fn(&str) -> bool) -> Vec<[u8; 32]> {
    let files = std::fs::read_dir(folder.join("keys")).unwrap().map(|file| file.unwrap().path());
    let ours = files.filter(|path| whose(path.file_name().unwrap().to_str().unwrap()));
    ours.map(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
    })
    .collect()
}

fn open(
    federation: &Federation,
    letter: &SealedLetter,
    recipient: &str,
    seed: &[u8; 32],
) -> Result<(), LetterFault> {
    let secret = LetterSecretKey::derive(seed).0;
    let envelope = tacit_blind::letter::Envelope {
        sender: &letter.sender,
        member: &letter.member,
        pseudonym: &letter.pseudonym,
    };
    let sender = federation.registry().member(&letter.sender).unwrap().keys.signing.0;
    let recipient = recipient.parse().unwrap();
    tacit_blind::letter::open(&letter.bytes, &envelope, &recipient, &secret, &sender).map(drop)
}

/// Whoever has a proof of a letter reads what its sender signed, under the hash that the record has.
fn shows(scene: &Scene, proof: &Value) {
    let bytes = |field: &Value| BASE64.decode(field.as_str().unwrap()).unwrap();
    let Record::Notice(record) = Record::parse(proof["record"].as_str().unwrap().as_bytes()).unwrap() else {
        panic!("{proof}")
    };
    let opening = &proof["opening"];
    let letter = SealedLetter {
        sender: record.sender.parse().unwrap(),
        member: record.member.parse().unwrap(),
        pseudonym: bytes(&opening["about"]).try_into().unwrap(),
        bytes: bytes(&opening["letter"]).into(),
    };
    assert_eq!(letter.hash(), record.letter);
    let key: [u8; 32] = bytes(&opening["key"]).try_into().unwrap();
    let opened = letter.open_with(&key, scene.federation.registry()).unwrap();
    assert_eq!(opened.content(), NOTICE.as_bytes());
    let other = [key[0] ^ 1; 32];
    assert_eq!(letter.open_with(&other, scene.federation.registry()).unwrap_err(), LetterFault::Sealed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_that_may_not_be_written_are_refused_and_forged_ones_are_shown_as_unreadable() {
    let scene = Scene::new(72).await;
    let (court, tax) = (scene.court().await, scene.federation.correspondent("tax").await.unwrap());
    let sealed = court.seal_letter(&draft(NOTICE), &scene.subject).await.unwrap();
    // Under another member's pseudonym; in another member's name; about nobody.
    let stolen =
        SealedLetter { sender: "tax".parse().unwrap(), member: "tax".parse().unwrap(), ..sealed.clone() };
    assert_eq!(reason(tax.post_letter(&stolen).await), "not_enrolled");
    assert_eq!(reason(tax.post_letter(&sealed).await), "wrong_role");
    let nobody = SealedLetter { pseudonym: [0xff; 32], ..sealed.clone() };
    assert_eq!(reason(court.post_letter(&nobody).await), "malformed");
    let cut = SealedLetter { bytes: sealed.bytes.slice(..sealed.bytes.len() - 1), ..sealed.clone() };
    assert_eq!(reason(court.post_letter(&cut).await), "malformed");

    // A letter to an agency from another agency has no way; from the authority to itself neither.
    let portal = scene.federation.authority("portal").await.unwrap();
    let portal_id = "portal".parse().unwrap();
    let own = portal.seal_letter(&portal_id, sealed.pseudonym, b"to myself").unwrap();
    assert_eq!(reason(portal.post_letter(&own).await), "wrong_role");
    let for_court = portal.seal_letter(&"court".parse().unwrap(), sealed.pseudonym, b"text").unwrap();
    let for_tax = SealedLetter { member: "tax".parse().unwrap(), ..for_court.clone() };
    assert_eq!(reason(portal.post_letter(&for_tax).await), "unknown_member");

    // Altered on the way: there is a record, and both sides see that it cannot be read.
    let altered = |letter: &SealedLetter| {
        let mut bytes = letter.bytes.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        SealedLetter { bytes: bytes.into(), ..letter.clone() }
    };
    let forged = court.post_letter(&altered(&sealed)).await.unwrap();
    portal.post_letter(&altered(&for_court)).await.unwrap();
    let page = court.letters_from(0).await.unwrap();
    assert_eq!(page.letters[0].opened.as_ref().unwrap_err(), &LetterFault::Sealed);
    scene.federation.read_anew("portal").await.unwrap();
    let shown = scene.shown().await;
    let unreadable =
        shown.iter().find(|it| it["record"]["id"] == json!(forged.record.id.to_string())).unwrap();
    assert_eq!(unreadable["unreadable"], "the letter does not open");
    assert!(unreadable.get("content").is_none());
    drop((court, tax));
    scene.federation.shut_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_takes_the_letters_along_and_none_comes_back() {
    let scene = Scene::new(73).await;
    let court = scene.court().await;
    let sealed = court.seal_letter(&draft(NOTICE), &scene.subject).await.unwrap();
    let sent = court.post_letter(&sealed).await.unwrap();
    let portal = scene.federation.authority("portal").await.unwrap();
    let reply = portal.seal_letter(&"court".parse().unwrap(), sealed.pseudonym, b"text").unwrap();
    portal.post_letter(&reply).await.unwrap();
    scene.federation.read_anew("portal").await.unwrap();
    assert_eq!(scene.shown().await.len(), 2);
    portal.chains().erase(&sealed.pseudonym, "objection").await.unwrap();
    assert!(court.letters_from(0).await.unwrap().letters.is_empty());
    scene.federation.read_anew("portal").await.unwrap();
    assert!(scene.shown().await.is_empty());
    // Handed in again it is what it was: recorded then, and erased.
    assert_eq!(court.post_letter(&sealed).await.unwrap().record, sent.record);
    assert!(court.letters_from(0).await.unwrap().letters.is_empty());
    // What is written after it arrives.
    court.send_letter(&draft("after"), &scene.subject).await.unwrap();
    scene.federation.read_anew("portal").await.unwrap();
    let shown = scene.shown().await;
    assert_eq!((shown.len(), text(&shown[0])), (1, "after".to_owned()));
    drop(court);
    scene.federation.shut_down().await.unwrap();
}
