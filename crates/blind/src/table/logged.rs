//! A manifest and its record in the log: a table counts once its manifest is logged.

use tacit_ledger::record;
use tacit_model::Millis;

use super::manifest::{ManifestError, SignedManifest};

impl SignedManifest {
    /// The record that says this manifest was published. `id` is a ULID.
    #[must_use]
    pub fn to_record(&self, id: String, time: Millis) -> record::Manifest {
        let manifest = self.manifest();
        record::Manifest {
            id,
            time_ms: time.0,
            holder: manifest.list.holder().to_owned(),
            list: manifest.list.as_str().to_owned(),
            epoch: manifest.epoch,
            version: manifest.version,
            key: manifest.key,
            buckets: manifest.layout.buckets(),
            capacity: manifest.layout.capacity(),
            root: manifest.root,
            note: self.note_hash(),
        }
    }

    /// Checks that a record of the log is about this very signed note, field by field.
    ///
    /// # Errors
    /// [`ManifestError::OtherRecord`].
    pub fn check_record(&self, logged: &record::Manifest) -> Result<(), ManifestError> {
        if self.to_record(logged.id.clone(), Millis(logged.time_ms)) == *logged {
            Ok(())
        } else {
            Err(ManifestError::OtherRecord)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Table, manifest_signer};
    use super::*;

    #[test]
    fn a_record_about_another_manifest_is_refused() {
        let signed = Table::of(10, 1).manifest.sign(&manifest_signer("court/manifest")).unwrap();
        let record = signed.to_record("01KAQ8A1B2C3D4E5F6G7H8J9K3".to_owned(), Millis(5));
        assert_eq!(signed.check_record(&record), Ok(()));
        for other in [
            record::Manifest { version: 2, ..record.clone() },
            record::Manifest { root: [0; 32], ..record.clone() },
            record::Manifest { note: [0; 32], ..record.clone() },
            record::Manifest { key: [0; 32], ..record },
        ] {
            assert_eq!(signed.check_record(&other), Err(ManifestError::OtherRecord));
        }
    }
}
