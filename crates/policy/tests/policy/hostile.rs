//! Bytes from outside, changed at random.

use std::sync::OnceLock;

use proptest::prelude::*;
use tacit_policy::{Consent, Registry};

use crate::fixture::{consent, entries, file, pins};

fn registry_file() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| file(&entries()))
}

proptest! {
    #[test]
    fn a_changed_byte_makes_a_registry_another_file_or_none(at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = registry_file().to_vec();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        // White space outside the signed texts is all that may differ, and the hash shows it.
        if let Ok(registry) = Registry::parse(&bytes, &pins()) {
            prop_assert!(byte.is_ascii_whitespace());
            prop_assert_ne!(registry.hash(), tacit_policy::registry_hash(registry_file()));
        }
    }

    #[test]
    fn random_bytes_are_no_registry_and_no_consent(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Registry::parse(&bytes, &pins()).is_err());
        prop_assert!(Consent::parse(&bytes).is_err());
    }

    #[test]
    fn what_reads_as_a_consent_is_written_the_same(at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = consent("bank").to_bytes().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = Consent::parse(&bytes) {
            prop_assert_eq!(read.to_bytes().unwrap(), bytes);
        }
    }
}
