use serde_json::Value;
use tacit_ledger::ed25519::SigningKey;
use tacit_policy::{
    Consent, ConsentState, SignedChange, SignedConsent, StateChange,
    consent::{ConsentError, consent_terms, state_message},
};

use crate::fixture::{consent, list_id};

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
}

#[test]
fn the_vectors_come_out_byte_for_byte() {
    for file in ["protocol-v1-a.json", "protocol-v1-b.json"] {
        let path = format!("{}/../../tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
        let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let vector = &vectors["consent"];
        let text = hex::decode(vector["bytes"].as_str().unwrap()).unwrap();
        let key = SigningKey::from_seed(&bytes(&vector["signing_key_seed"]));
        let public = key.verifying_key();
        assert_eq!(public.to_bytes(), bytes(&vector["signing_public_key"]));

        let signature = bytes(&vector["signature"]);
        let given =
            SignedConsent::verify(text.clone(), signature, |name| (name == "portal").then_some(public))
                .unwrap();
        assert_eq!(given.consent().to_bytes().unwrap(), text);
        let signed = SignedConsent::sign(given.consent().clone(), &key).unwrap();
        assert_eq!((signed.bytes(), signed.signature()), (&text[..], &signature));
        assert_eq!(consent_terms(&bytes(&vector["salt_terms"]), &text), bytes(&vector["terms"]));

        let change = &vector["state_change"];
        let signature = bytes(&change["signature"]);
        let state: ConsentState = change["state"].as_str().unwrap().parse().unwrap();
        let change_ =
            StateChange { id: given.consent().id, state, number: change["number"].as_u64().unwrap() };
        assert_eq!(hex::encode(state_message(&change_)), change["message"].as_str().unwrap());
        assert_eq!(SignedChange::sign(change_, &key).signature(), &signature);
        assert!(SignedChange::verify(change_, signature, &public).is_ok());
        let other = StateChange { number: change_.number + 1, ..change_ };
        assert!(SignedChange::verify(other, signature, &public).is_err());
    }
}

#[test]
fn a_consent_signed_by_another_is_refused() {
    let signed = SignedConsent::sign(consent("bank"), &SigningKey::from_seed(&[1; 32])).unwrap();
    let other = SigningKey::from_seed(&[2; 32]).verifying_key();
    for key in [Some(other), None] {
        let result = SignedConsent::verify(signed.bytes().to_vec(), *signed.signature(), |_| key);
        assert_eq!(result.unwrap_err(), ConsentError::Signature);
    }
}

#[test]
fn a_consent_has_one_spelling() {
    let good = String::from_utf8(consent("bank").to_bytes().unwrap()).unwrap();
    assert_eq!(Consent::parse(good.as_bytes()).unwrap(), consent("bank"));
    let bad = [
        good.replace('\n', "\r\n"),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        format!("{good}extra 1\n"),
        good.replace("tacit-consent/v1", "tacit-consent/v2"),
        good.replace("epoch 3", "epoch 03"),
        good.replace("epoch 3", "epoch  3"),
        good.replace("epoch 3\n", ""),
        good.replace("4 MONTH", "4 month"),
        good.replace("authority portal\nrequester bank", "requester bank\nauthority portal"),
        good.replace(".000Z", "Z"),
        good.replace("defaulters customs", "defaulters  customs"),
        good.replace("customs/debarred-importers", "court/judgment-defaulters"),
        good.replace("customs/debarred-importers", "court/*"),
        good.replace("2027-11-21", "2026-11-21"),
        good.replace("HBwc=\n", "HBwd=\n"),
        good.replace("purposes eligibility", "purposes "),
        good.replace("purposes eligibility", "purposes"),
    ];
    for text in bad {
        assert_ne!(text, good);
        assert!(Consent::parse(text.as_bytes()).is_err(), "{text}");
    }
    assert!(Consent::parse(&[0xff; 100]).is_err());
    assert_eq!(Consent::parse(&vec![b'a'; 20_000]), Err(ConsentError::TooLarge));
}

#[test]
fn a_consent_covers_at_most_64_lists() {
    let mut many = consent("bank");
    many.lists = (0..64).map(|i| list_id(&format!("court/list-{i}"))).collect();
    assert_eq!(Consent::parse(&many.to_bytes().unwrap()).unwrap(), many);
    many.lists.push(list_id("court/one-more"));
    assert_eq!(many.to_bytes(), Err(ConsentError::Names("lists")));
}

#[test]
fn a_consent_in_a_log_line_does_not_show_its_pseudonym() {
    let signed = SignedConsent::sign(consent("bank"), &SigningKey::from_seed(&[1; 32])).unwrap();
    let shown = format!("{signed:?}");
    assert!(!shown.contains("pseudonym") && !shown.contains("7, 7") && !shown.contains("BwcH"), "{shown}");
}
