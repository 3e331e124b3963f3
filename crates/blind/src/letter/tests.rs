//! What opens, and what does not.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;

struct World {
    court: MemberId,
    portal: MemberId,
    chamber: MemberId,
    signing: SigningKey,
    keys: Vec<(LetterSecretKey, LetterPublicKey)>,
    rng: ChaCha20Rng,
}

const T: [u8; 32] = [7; 32];

impl World {
    fn new() -> Self {
        Self {
            court: "court".parse().unwrap(),
            portal: "portal".parse().unwrap(),
            chamber: "chamber".parse().unwrap(),
            signing: SigningKey::from_seed(&[3; 32]),
            keys: [1, 2].map(|seed| LetterSecretKey::derive(&[seed; 32])).into(),
            rng: ChaCha20Rng::from_seed([9; 32]),
        }
    }

    fn envelope(&self) -> Envelope<'_> {
        Envelope { sender: &self.court, member: &self.court, pseudonym: &T }
    }

    fn seal(&mut self, content: &[u8]) -> Result<Vec<u8>, BlindError> {
        let envelope = Envelope { sender: &self.court, member: &self.court, pseudonym: &T };
        let recipients = [(&self.portal, &self.keys[0].1), (&self.chamber, &self.keys[1].1)];
        seal(&envelope, content, &self.signing, &recipients, &mut self.rng)
    }

    fn open(&self, sealed: &[u8]) -> Result<OpenedLetter, LetterFault> {
        let sender = self.signing.verifying_key();
        open(sealed, &self.envelope(), &self.portal, &self.keys[0].0, &sender)
    }
}

#[test]
fn each_recipient_opens_a_letter_and_so_does_who_is_shown_its_key() {
    let mut world = World::new();
    let sealed = world.seal(b"a notice").unwrap();
    assert_eq!(recipients(&sealed).unwrap(), [world.portal.clone(), world.chamber.clone()]);
    let sender = world.signing.verifying_key();
    for (id, (secret, public)) in [&world.portal, &world.chamber].into_iter().zip(&world.keys) {
        assert_eq!(secret.public(), *public);
        let opened = open(&sealed, &world.envelope(), id, secret, &sender).unwrap();
        assert_eq!(opened.content(), b"a notice");
        let shown = open_with(&sealed, &world.envelope(), opened.key(), &sender).unwrap();
        assert_eq!((shown.content(), shown.signature()), (opened.content(), opened.signature()));
        assert_eq!(format!("{opened:?}"), "OpenedLetter(..)");
    }
}

#[test]
fn altered_bytes_another_recipient_another_pseudonym_another_member_or_sender_do_not_open() {
    let mut world = World::new();
    let sealed = world.seal(b"a notice").unwrap();
    let head = sealed.len() - (BODY_SIZES[0] + TAG);
    for place in (0..head).chain([head, sealed.len() / 2, sealed.len() - 1]) {
        let mut altered = sealed.clone();
        altered[place] ^= 1;
        assert!(world.open(&altered).is_err(), "byte {place}");
    }
    assert_eq!(world.open(&sealed[..sealed.len() - 1]).unwrap_err(), LetterFault::Form);
    assert_eq!(world.open(&[sealed.clone(), vec![0]].concat()).unwrap_err(), LetterFault::Form);
    let sender = world.signing.verifying_key();
    let (secret, other) = (&world.keys[0].0, &world.keys[1].0);
    let envelope = world.envelope();
    assert_eq!(open(&sealed, &envelope, &world.court, secret, &sender), Err(LetterFault::Recipient));
    assert_eq!(open(&sealed, &envelope, &world.portal, other, &sender), Err(LetterFault::Sealed));
    for wrong in [
        Envelope { sender: &world.chamber, ..envelope },
        Envelope { member: &world.chamber, ..envelope },
        Envelope { pseudonym: &[8; 32], ..envelope },
    ] {
        assert_eq!(open(&sealed, &wrong, &world.portal, secret, &sender), Err(LetterFault::Sealed));
    }
    let stranger = SigningKey::from_seed(&[4; 32]).verifying_key();
    assert_eq!(open(&sealed, &envelope, &world.portal, secret, &stranger), Err(LetterFault::Signature));
}

#[test]
fn a_letter_has_one_of_three_lengths_and_one_recipient_once() {
    let mut world = World::new();
    let overhead = world.seal(b"x").unwrap().len() - BODY_SIZES[0];
    for (length, size) in [
        (1, BODY_SIZES[0]),
        (BODY_SIZES[0] - HEAD, BODY_SIZES[0]),
        (BODY_SIZES[0] - HEAD + 1, BODY_SIZES[1]),
        (BODY_SIZES[1] - HEAD + 1, BODY_SIZES[2]),
        (MAX_CONTENT, BODY_SIZES[2]),
    ] {
        let content = vec![b'x'; length];
        let sealed = world.seal(&content).unwrap();
        assert_eq!(sealed.len(), size + overhead, "{length}");
        assert!(sealed.len() <= MAX_LETTER);
        assert_eq!(world.open(&sealed).unwrap().content(), content);
    }
    assert!(matches!(world.seal(&vec![0; MAX_CONTENT + 1]), Err(BlindError::TooLong { .. })));
    assert!(matches!(world.seal(b""), Err(BlindError::Empty { .. })));
    let portal = (&world.portal, &world.keys[0].1);
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let twice = seal(&world.envelope(), b"x", &world.signing, &[portal, portal], &mut rng);
    assert!(matches!(twice, Err(BlindError::Repeated { .. })));
    let nobody = seal(&world.envelope(), b"x", &world.signing, &[], &mut rng);
    assert!(matches!(nobody, Err(BlindError::Empty { .. })));
}

#[test]
fn what_opens_and_is_not_of_the_form_is_no_letter() {
    let world = World::new();
    let (key, check) = ([5; KEY], key_check(&[5; KEY]));
    let sender = world.signing.verifying_key();
    let read = |body: Vec<u8>| {
        let mut sealed = vec![VERSION, 1];
        put_lp(&mut sealed, "a recipient", world.portal.as_bytes()).unwrap();
        sealed.extend_from_slice(&[0; ENC + WRAPPED]);
        sealed.extend_from_slice(&check);
        let bound = world.envelope().body_bound(&sealed).unwrap();
        sealed.extend_from_slice(&encrypt(&key, &bound, Zeroizing::new(body)).unwrap());
        open_with(&sealed, &world.envelope(), &key, &sender).map(|opened| opened.content().to_vec())
    };
    let sound = body(&world.envelope(), b"content", &world.signing).unwrap();
    assert_eq!(read(sound.to_vec()).unwrap(), b"content");
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut body = sound.to_vec();
        change(&mut body);
        read(body).unwrap_err()
    };
    assert_eq!(with(&|body| body[HEAD + 7] = 1), LetterFault::Form, "padding that is not zero");
    assert_eq!(with(&|body| body.resize(BODY_SIZES[1], 0)), LetterFault::Form, "padded too far");
    assert_eq!(with(&|body| body[SIGNATURE..HEAD].fill(0xff)), LetterFault::Form, "longer than it is");
    assert_eq!(with(&|body| body[SIGNATURE..HEAD].fill(0)), LetterFault::Form, "empty");
    assert_eq!(with(&|body| body[HEAD] ^= 1), LetterFault::Signature, "another content");
    assert_eq!(with(&|body| body[0] ^= 1), LetterFault::Signature, "another signature");
}
