//! Keys and notes: published examples byte for byte, and every damage refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use base64::Engine as _;
use tacit_ledger::checkpoint::{Checkpoint, CheckpointError, VerifiedCheckpoint};
use tacit_ledger::cosignature::{CosignatureSigner, CosignatureVerifier};
use tacit_ledger::ed25519::{SigningKey, VerifyingKey};
use tacit_ledger::merkle::empty_root;
use tacit_ledger::note::{MAX_SIGNATURES, Note, NoteError, NoteSigner, NoteVerifier, attach_line};

/// The example of c2sp.org/signed-note, "Verifier keys".
const SPEC_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const SPEC_NOTE: &str = "This is an example message.\n\n\
    \u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

/// The example of golang.org/x/mod/sumdb/note; its key is published too.
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
/// The private key as published: base64 of 0x01 and the seed.
const GO_SEED: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const GO_TEXT: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n";
const GO_LINE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

/// A checkpoint of a public log with signatures of types 0x05 and 0x01 and four cosignatures.
const PUBLIC_LOG_KEY: &str =
    "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f";
const PUBLIC_WITNESS_KEY: &str = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2";
const PUBLIC_CHECKPOINT: &str = "arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

\u{2014} arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
\u{2014} arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
\u{2014} transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
\u{2014} witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
\u{2014} remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
";

fn signer(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::new(name, SigningKey::from_seed(&[seed; 32])).unwrap()
}

#[test]
fn the_vector_of_rfc_8032_comes_out() {
    // Section 7.1, test 2.
    let seed = hex::decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").unwrap();
    let key = SigningKey::from_seed(&seed.try_into().unwrap());
    let public = key.verifying_key();
    assert_eq!(public.to_string(), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    let signature = key.sign(&[0x72]);
    assert_eq!(
        hex::encode(signature),
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    );
    public.verify(&[0x72], &signature).unwrap();
    assert!(public.verify(&[0x73], &signature).is_err());
    assert!(public.verify(&[0x72], &signature[..63]).is_err());
    for byte in 0..64 {
        let mut bad = signature;
        bad[byte] ^= 1;
        assert!(public.verify(&[0x72], &bad).is_err());
    }
}

#[test]
fn a_public_key_of_small_order_or_not_canonical_is_refused() {
    let mut weak = vec![[0; 32], [0xff; 32]];
    weak.push(std::array::from_fn(|at| u8::from(at == 0)));
    for low in [0xec, 0xed, 0xee, 0xff] {
        weak.push(std::array::from_fn(|at| match at {
            0 => low,
            31 => 0x7f,
            _ => 0xff,
        }));
    }
    for mut key in weak {
        assert!(VerifyingKey::from_bytes(&key).is_err());
        key[31] ^= 0x80;
        assert!(VerifyingKey::from_bytes(&key).is_err());
    }
    assert!(VerifyingKey::try_from([2_u8; 31].as_slice()).is_err());
}

#[test]
fn the_debug_form_of_a_private_key_shows_no_secret() {
    let key = SigningKey::from_seed(&[0x5a; 32]);
    let shown = format!("{key:?} {:?}", signer("a", 0x5a));
    assert!(shown.contains(&key.verifying_key().to_string()));
    assert!(!shown.contains("5a5a5a") && !shown.contains("90, 90"));
}

#[test]
fn the_example_of_the_standard_verifies() {
    let key = NoteVerifier::parse(SPEC_KEY).unwrap();
    assert_eq!(key.to_string(), SPEC_KEY);
    assert_eq!(key.name(), "example.com/foo");
    assert_eq!(key.key_id(), [0x53, 0x0d, 0x90, 0x3a]);
    assert_eq!(key.open(SPEC_NOTE.as_bytes()), Ok("This is an example message.\n"));
}

#[test]
fn the_example_of_the_go_library_is_reproduced_byte_for_byte() {
    let seed = base64::engine::general_purpose::STANDARD.decode(GO_SEED).unwrap();
    let key = SigningKey::from_seed(seed[1..].try_into().unwrap());
    let signer = NoteSigner::new("PeterNeumann", key).unwrap();
    assert_eq!(signer.verifier().to_string(), GO_KEY);
    assert_eq!(signer.sign(GO_TEXT).unwrap(), format!("{GO_TEXT}\n{GO_LINE}"));
}

#[test]
fn a_public_checkpoint_with_unknown_and_foreign_signatures_verifies() {
    let log = NoteVerifier::parse(PUBLIC_LOG_KEY).unwrap();
    let opened = VerifiedCheckpoint::open(PUBLIC_CHECKPOINT.as_bytes(), &log).unwrap();
    assert_eq!(opened.size(), 1_432_088_532);
    assert!(PUBLIC_CHECKPOINT.starts_with(&opened.checkpoint().to_text()));
    let note = Note::parse(PUBLIC_CHECKPOINT.as_bytes()).unwrap();
    assert_eq!(note.signatures().len(), 5);
    let witness = CosignatureVerifier::parse(PUBLIC_WITNESS_KEY).unwrap();
    assert_eq!(witness.to_string(), PUBLIC_WITNESS_KEY);
    let cosignature = witness.verify(&note).unwrap();
    assert_eq!((cosignature.witness(), cosignature.time_s()), ("remora.n621.de", 0x6a12_2120));
    let line = PUBLIC_CHECKPOINT.lines().last().unwrap();
    assert_eq!(witness.verify_line(&opened, &format!("{line}\n")), Ok(cosignature));
    // A key of one type is none of the other.
    assert!(NoteVerifier::parse(PUBLIC_WITNESS_KEY).is_err());
    assert!(CosignatureVerifier::parse(PUBLIC_LOG_KEY).is_err());
}

#[test]
fn a_verifier_key_has_one_spelling() {
    for bad in [
        "",
        "+",
        "++",
        "name",
        "name+00000000",
        "name+00000000+",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/bar+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2kAA==",
        " example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
    ] {
        assert_eq!(NoteVerifier::parse(bad), Err(NoteError::VerifierKey), "{bad:?}");
    }
}

#[test]
fn every_flipped_bit_of_a_note_is_refused() {
    let key = NoteVerifier::parse(SPEC_KEY).unwrap();
    let note = SPEC_NOTE.as_bytes();
    for at in 0..note.len() {
        for bit in 0..8 {
            let mut bad = note.to_vec();
            bad[at] ^= 1 << bit;
            assert!(key.open(&bad).is_err(), "bit {bit} of byte {at}");
        }
        assert!(key.open(&note[..at]).is_err());
    }
    assert!(key.open(&[note, b"\n"].concat()).is_err());
    assert!(key.open(&[note, b"x"].concat()).is_err());
}

#[test]
fn malformed_notes_are_refused_for_their_own_reason() {
    let line = "\u{2014} a AAAAAAA=\n";
    let parse = |text: String| Note::parse(text.as_bytes()).map(|_| ());
    assert_eq!(parse(format!("text\n\n{line}")), Ok(()));
    assert_eq!(parse(format!("text\n\nmore\n\n{line}")), Ok(()));
    assert_eq!(parse(format!("text\n{line}")), Err(NoteError::NoSignatures));
    assert_eq!(parse("text\n\n".to_owned()), Err(NoteError::NoSignatures));
    assert_eq!(parse(String::new()), Err(NoteError::NoSignatures));
    assert_eq!(parse(format!("te\txt\n\n{line}")), Err(NoteError::NotText));
    assert_eq!(parse(format!("te\rxt\n\n{line}")), Err(NoteError::NotText));
    assert_eq!(Note::parse(b"\xff\n\n"), Err(NoteError::NotText));
    for bad in [
        "\u{2014} a AAAAAAA=",
        "\u{2014} a AAAAAAA\n",
        "\u{2014} a AAAAAAB=\n",
        "\u{2014} a AAAA\n",
        "\u{2014} a AAAAAA==\n",
        "\u{2014} a  AAAAAAA=\n",
        "\u{2014}a AAAAAAA=\n",
        "- a AAAAAAA=\n",
        "\u{2014}  AAAAAAA=\n",
        "\u{2014} a+b AAAAAAA=\n",
        "\u{2014} a\u{a0}b AAAAAAA=\n",
        "\u{2014} a AAAAAAA= \n",
        "\u{2014} a AAAA\u{2014}AAA=\n",
        "\u{2014} a\n",
        "\u{2014} a AA-AAA_=\n",
    ] {
        assert_eq!(
            parse(format!("text\n\n{line}{bad}")),
            Err(NoteError::SignatureLine { number: 2 }),
            "{bad:?}"
        );
    }
    let many = |number| format!("text\n\n{}", line.repeat(number));
    assert_eq!(parse(many(MAX_SIGNATURES)), Ok(()));
    assert_eq!(parse(many(MAX_SIGNATURES + 1)), Err(NoteError::TooManySignatures));
    assert_eq!(parse("x".repeat(300_000)), Err(NoteError::TooLong));
}

#[test]
fn one_known_key_is_needed_and_every_known_key_must_verify() {
    let (one, two, stranger) = (signer("log", 1), signer("log", 2), signer("other", 3));
    let text = "text\n";
    let signed = one.sign(text).unwrap();
    let both = attach_line(&signed, &two.sign_line(text).unwrap()).unwrap();
    let known = [one.verifier().clone(), two.verifier().clone()];
    let verify = |note: &str| Note::parse(note.as_bytes()).unwrap().verify(&known).map(str::to_owned);
    assert_eq!(verify(&signed), Ok(text.to_owned()));
    assert_eq!(verify(&both), Ok(text.to_owned()));
    assert_eq!(verify(&stranger.sign(text).unwrap()), Err(NoteError::UnknownSigners));
    // A false line of a known key spoils the note, one of an unknown key does not.
    let false_known = attach_line(&signed, &two.sign_line("other\n").unwrap()).unwrap();
    assert_eq!(verify(&false_known), Err(NoteError::SignatureInvalid));
    let false_unknown = attach_line(&signed, &stranger.sign_line("other\n").unwrap()).unwrap();
    assert_eq!(verify(&false_unknown), Ok(text.to_owned()));
    // Same name with another id, or same id with another name, is an unknown key.
    let grease = attach_line(&signed, "\u{2014} log AAAAAGdyZWFzZQ==\n").unwrap();
    assert_eq!(verify(&grease), Ok(text.to_owned()));
    let renamed = attach_line(&signed, &two.sign_line("other\n").unwrap().replace("log", "gol")).unwrap();
    assert_eq!(verify(&renamed), Ok(text.to_owned()));
    let twice = attach_line(&signed, &one.sign_line(text).unwrap()).unwrap();
    assert_eq!(verify(&twice), Err(NoteError::SignatureRepeated));
}

#[test]
fn what_could_not_be_read_back_is_not_signed() {
    let key = signer("log", 1);
    assert_eq!(key.sign(""), Err(NoteError::TextUnterminated));
    assert_eq!(key.sign("text"), Err(NoteError::TextUnterminated));
    assert_eq!(key.sign("te\0xt\n"), Err(NoteError::NotText));
    for text in ["\n", "text\n\n", "text\n\n\u{2014} a AAAAAAA=\n", "\n\n\n"] {
        let note = key.sign(text).unwrap();
        assert_eq!(key.verifier().open(note.as_bytes()), Ok(text));
    }
    for name in ["", "a b", "a+b", "a\u{3000}b", "a\nb", "a\tb", "a\u{1}b"] {
        assert!(NoteSigner::new(name, SigningKey::from_seed(&[1; 32])).is_err(), "{name:?}");
    }
}

#[test]
fn a_checkpoint_has_one_spelling() {
    let good = Checkpoint { origin: "c/log".to_owned(), size: 4, root: [7; 32] };
    assert_eq!(Checkpoint::parse(&good.to_text()), Ok(good.clone()));
    let root = good.to_text().lines().nth(2).unwrap().to_owned();
    let empty = Checkpoint { origin: "c/log".to_owned(), size: 0, root: empty_root() };
    assert_eq!(Checkpoint::parse(&empty.to_text()), Ok(empty));
    for (text, error) in [
        (format!("c/log\n0\n{root}\n"), CheckpointError::Root),
        (format!("c/log\n04\n{root}\n"), CheckpointError::Size),
        (format!("c/log\n+4\n{root}\n"), CheckpointError::Size),
        (format!("c/log\n-4\n{root}\n"), CheckpointError::Size),
        (format!("c/log\n\n{root}\n"), CheckpointError::Size),
        (format!("c/log\n9223372036854775808\n{root}\n"), CheckpointError::Size),
        (format!("\n4\n{root}\n"), CheckpointError::Origin),
        (format!("c/log\n4\n{root}\nextension\n"), CheckpointError::Lines),
        (format!("c/log\n4\n{root}\n\n"), CheckpointError::Lines),
        ("c/log\n4\n".to_owned(), CheckpointError::Lines),
        (format!("c/log\n4\n{}\n", &root[..43]), CheckpointError::Root),
        (format!("c/log\n4\n{}B=\n", &root[..42]), CheckpointError::Root),
        (format!("c/log\n4\n {root}\n"), CheckpointError::Root),
        (format!("c/log\n4\n{root}"), CheckpointError::Note(NoteError::TextUnterminated)),
    ] {
        assert_eq!(Checkpoint::parse(&text), Err(error), "{text:?}");
    }
}

#[test]
fn a_checkpoint_of_another_log_is_refused() {
    let (log, other) = (signer("c/log", 1), signer("d/log", 1));
    let checkpoint = Checkpoint { origin: "c/log".to_owned(), size: 4, root: [7; 32] };
    let signed = checkpoint.sign(&log).unwrap();
    assert_eq!(VerifiedCheckpoint::open(signed.note(), log.verifier()), Ok(signed.clone()));
    assert_eq!(checkpoint.sign(&other), Err(CheckpointError::Origin));
    // The right key under the right name, over the head of another log.
    let foreign = log.sign(&Checkpoint { origin: "d/log".to_owned(), ..checkpoint }.to_text()).unwrap();
    let opened = VerifiedCheckpoint::open(foreign.as_bytes(), log.verifier());
    assert_eq!(opened, Err(CheckpointError::Origin));
    assert!(VerifiedCheckpoint::open(signed.note(), other.verifier()).is_err());
}

#[test]
fn a_cosignature_binds_witness_time_and_checkpoint() {
    let log = signer("c/log", 1);
    let at = |size| Checkpoint { origin: "c/log".to_owned(), size, root: [7; 32] }.sign(&log).unwrap();
    let (head, later) = (at(4), at(5));
    let witness = CosignatureSigner::new("court/witness", SigningKey::from_seed(&[9; 32])).unwrap();
    let line = witness.cosign(&head, 1_795_300_143).unwrap();
    let verifier = witness.verifier();
    assert_eq!(verifier.verify_line(&head, &line).unwrap().time_s(), 1_795_300_143);
    assert!(verifier.verify_line(&later, &line).is_err());
    assert!(verifier.verify_line(&head, line.trim_end()).is_err());
    let other = CosignatureSigner::new("court/witness", SigningKey::from_seed(&[8; 32])).unwrap();
    assert_eq!(other.verifier().verify_line(&head, &line), Err(NoteError::UnknownSigners));
    // On the note, where the log's own key still verifies.
    let note = attach_line(std::str::from_utf8(head.note()).unwrap(), &line).unwrap();
    assert_eq!(VerifiedCheckpoint::open(note.as_bytes(), log.verifier()).unwrap().size(), 4);
    let parsed = Note::parse(note.as_bytes()).unwrap();
    assert_eq!(verifier.verify(&parsed).unwrap().witness(), "court/witness");
    assert_eq!(other.verifier().verify(&parsed), Err(CheckpointError::Note(NoteError::UnknownSigners)));
    assert!(witness.cosign(&head, 1 << 63).is_err());
}
