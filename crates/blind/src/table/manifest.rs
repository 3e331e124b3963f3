//! The manifest: what the holder signs about one version of a table, and when another member accepts it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tacit_ledger::Hash;
use tacit_ledger::note::{NoteError, NoteSigner, NoteVerifier};
use tacit_model::{ListId, Millis};

use super::layout::{Layout, LayoutError};
use crate::encoding::b3;

/// First line of every manifest.
const HEADER: &str = "tacit-manifest/v1";

const HASH_CONTEXT: &str = "tacit v1 manifest";

/// What a holder says about one version of one list (protocol section 7). Text: one field per line, in
/// this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// The list.
    pub list: ListId,
    /// The list epoch; the key is fixed within it.
    pub epoch: u64,
    /// Version of the table, rising by one with every publication within the epoch.
    pub version: u64,
    /// Public VOPRF key of list and epoch (ristretto255 encoding), which evaluations are verified
    /// against.
    pub key: [u8; 32],
    /// Number and capacity of the buckets, within the bounds of the protocol by type.
    pub layout: Layout,
    /// Root of the RFC 6962 tree over the buckets.
    pub root: Hash,
    /// When the epoch begins.
    pub from: Millis,
    /// When the epoch ends; later than `from`.
    pub until: Millis,
}

impl Manifest {
    /// The text that is signed.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!(
            "{HEADER}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n",
            self.list,
            self.epoch,
            self.version,
            STANDARD.encode(self.key),
            self.layout.buckets(),
            self.layout.capacity(),
            STANDARD.encode(self.root),
            self.from.to_rfc3339(),
            self.until.to_rfc3339(),
        )
    }

    /// Reads the text. Exactly one text is accepted for each manifest: that of [`Manifest::to_text`]. A
    /// table with tiny buckets, or any other shape outside the protocol, is refused.
    ///
    /// # Errors
    /// [`ManifestError::Malformed`] or [`ManifestError::Layout`].
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let mut lines = Lines { rest: text, number: 0 };
        if lines.next("the header")? != HEADER {
            return Err(lines.malformed("the header"));
        }
        let manifest = Self {
            list: lines.parsed("the list")?,
            epoch: lines.number("the epoch")?,
            version: lines.number("the version")?,
            key: lines.bytes("the key")?,
            layout: Layout::from_counts(lines.number("the buckets")?, lines.number("the capacity")?)?,
            root: lines.bytes("the root")?,
            from: lines.parsed("the start of the epoch")?,
            until: lines.parsed("the end of the epoch")?,
        };
        if !lines.rest.is_empty() {
            return Err(ManifestError::Malformed { line: lines.number + 1, field: "the end" });
        }
        if manifest.from >= manifest.until {
            return Err(lines.malformed("the end of the epoch"));
        }
        Ok(manifest)
    }

    /// Signs the manifest with the holder's manifest key, as a C2SP signed note. Another name than
    /// `<holder>/manifest` is refused.
    ///
    /// # Errors
    /// [`ManifestError::OtherSigner`].
    pub fn sign(self, signer: &NoteSigner) -> Result<SignedManifest, ManifestError> {
        if signer.verifier().name() != manifest_key_name(&self.list) {
            return Err(ManifestError::OtherSigner);
        }
        let note = signer.sign(&self.to_text())?;
        Ok(SignedManifest { manifest: self, note })
    }
}

/// The name of the key that signs the manifests of a list: `<holder>/manifest`.
#[must_use]
pub fn manifest_key_name(list: &ListId) -> String {
    format!("{}/manifest", list.holder())
}

/// A manifest with the holder's valid signature. Only [`Manifest::sign`] and [`SignedManifest::verify`]
/// make one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedManifest {
    manifest: Manifest,
    note: String,
}

impl SignedManifest {
    /// Verifies a signed note under the manifest key of the list's holder, and reads it. The name of
    /// the verifier must be `<holder>/manifest` for the holder that the list id names.
    ///
    /// # Errors
    /// [`ManifestError`]: of the note, the text, the layout, or the name of the key.
    pub fn verify(note: &str, verifier: &NoteVerifier) -> Result<Self, ManifestError> {
        let manifest = Manifest::parse(verifier.open(note.as_bytes())?)?;
        if verifier.name() != manifest_key_name(&manifest.list) {
            return Err(ManifestError::OtherSigner);
        }
        Ok(Self { manifest, note: note.to_owned() })
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The signed note, byte for byte.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// What the log's record calls `note`: `b3("tacit v1 manifest", signed note)`.
    #[must_use]
    pub fn note_hash(&self) -> Hash {
        b3(HASH_CONTEXT, &[self.note.as_bytes()])
    }

    /// Whether this manifest may follow `previous`, the newest one known of the same list and epoch.
    ///
    /// A newer version is [`Acceptance::Newer`], the same manifest again [`Acceptance::Known`]. Two
    /// manifests of one version, and another key within the epoch, are alarms that carry both signed
    /// notes ([`ManifestError::conflict`]). The number of buckets and their capacity may change (an
    /// overflow).
    ///
    /// # Errors
    /// [`ManifestError::OtherTable`], [`ManifestError::Older`], or an alarm
    /// ([`ManifestError::conflict`]).
    pub fn accept_after(&self, previous: &Self) -> Result<Acceptance, ManifestError> {
        let (old, new) = (&previous.manifest, &self.manifest);
        if new.list != old.list || new.epoch != old.epoch {
            return Err(ManifestError::OtherTable);
        }
        let conflict = || Box::new(ManifestConflict { first: previous.clone(), second: self.clone() });
        if new.key != old.key {
            return Err(ManifestError::KeyChanged(conflict()));
        }
        if new.version == old.version && new != old {
            return Err(ManifestError::TwoOfOneVersion(conflict()));
        }
        match new.version.checked_sub(old.version) {
            None => Err(ManifestError::Older { known: old.version, given: new.version }),
            Some(0) => Ok(Acceptance::Known),
            Some(_) => Ok(Acceptance::Newer),
        }
    }
}

/// What an accepted manifest is to its reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acceptance {
    /// A newer version.
    Newer,
    /// The version known already, with the same content.
    Known,
}

/// Two manifests, both validly signed, of which at most one may exist: evidence against their holder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestConflict {
    /// The one known first.
    pub first: SignedManifest,
    /// The one that contradicts it.
    pub second: SignedManifest,
}

/// Why a manifest was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// A line is missing, superfluous, or not in the one accepted form.
    #[error("line {line} of the manifest: {field} is not in the accepted form")]
    Malformed {
        /// Line number, from 1.
        line: usize,
        /// What should stand there.
        field: &'static str,
    },
    /// The table's shape is outside the bounds of the protocol.
    #[error("the table of the manifest: {0}")]
    Layout(#[from] LayoutError),
    /// The note is malformed or its signature is not valid.
    #[error("the signed note of the manifest: {0}")]
    Note(#[from] NoteError),
    /// The key is not named after the holder of the list.
    #[error("the manifest is not signed by the manifest key of the list's holder")]
    OtherSigner,
    /// The two manifests are of different lists or epochs.
    #[error("the manifests are not of one list and epoch")]
    OtherTable,
    /// A version below the newest one known.
    #[error("version {given} of the manifest; version {known} is known")]
    Older {
        /// The newest version known.
        known: u64,
        /// The version given.
        given: u64,
    },
    /// The record is not about this manifest.
    #[error("the logged record is not about this manifest")]
    OtherRecord,
    /// Alarm: the key changed within an epoch.
    #[error("two manifests of one epoch have different keys")]
    KeyChanged(Box<ManifestConflict>),
    /// Alarm: two manifests of one version with different content.
    #[error("two different manifests of one version are signed")]
    TwoOfOneVersion(Box<ManifestConflict>),
}

impl ManifestError {
    /// The two signed manifests that contradict each other, when this is an alarm and not only a
    /// refusal.
    #[must_use]
    pub fn conflict(&self) -> Option<&ManifestConflict> {
        match self {
            Self::KeyChanged(conflict) | Self::TwoOfOneVersion(conflict) => Some(conflict),
            Self::Malformed { .. }
            | Self::Layout(_)
            | Self::Note(_)
            | Self::OtherSigner
            | Self::OtherTable
            | Self::OtherRecord
            | Self::Older { .. } => None,
        }
    }
}

/// Reads a text line by line and remembers where it is.
struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self, field: &'static str) -> Result<&'a str, ManifestError> {
        self.number += 1;
        let (line, rest) = self.rest.split_once('\n').ok_or(self.malformed(field))?;
        self.rest = rest;
        Ok(line)
    }

    fn parsed<T: std::str::FromStr>(&mut self, field: &'static str) -> Result<T, ManifestError> {
        self.next(field)?.parse().map_err(|_| self.malformed(field))
    }

    /// A decimal number in its shortest form.
    fn number(&mut self, field: &'static str) -> Result<u64, ManifestError> {
        let line = self.next(field)?;
        let shortest =
            line.bytes().all(|byte| byte.is_ascii_digit()) && (line == "0" || !line.starts_with('0'));
        line.parse().ok().filter(|_| shortest).ok_or(self.malformed(field))
    }

    /// 32 bytes of padded base64.
    fn bytes(&mut self, field: &'static str) -> Result<[u8; 32], ManifestError> {
        let decoded = STANDARD.decode(self.next(field)?).ok();
        decoded.and_then(|bytes| bytes.try_into().ok()).ok_or(self.malformed(field))
    }

    fn malformed(&self, field: &'static str) -> ManifestError {
        ManifestError::Malformed { line: self.number, field }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Table, manifest_signer, manifest_verifier};
    use super::*;

    fn manifest() -> Manifest {
        Table::of(10, 1).manifest
    }

    fn signed(change: impl FnOnce(&mut Manifest)) -> SignedManifest {
        let mut manifest = manifest();
        change(&mut manifest);
        manifest.sign(&manifest_signer("court/manifest")).unwrap()
    }

    #[test]
    fn a_signed_manifest_reads_back_as_it_was() {
        let signed = signed(|_| {});
        let again = SignedManifest::verify(signed.note(), &manifest_verifier("court/manifest"));
        assert_eq!(again, Ok(signed));
    }

    #[test]
    fn a_manifest_has_one_spelling() {
        let good = manifest().to_text();
        assert_eq!(Manifest::parse(&good), Ok(manifest()));
        let lines: Vec<&str> = good.lines().collect();
        let with = |line: usize, text: &str| {
            let mut changed = lines.clone();
            changed[line - 1] = text;
            changed.join("\n") + "\n"
        };
        let key = lines[4];
        for (line, text) in [
            (1, "tacit-manifest/v2"),
            (2, "court"),
            (2, "Court/judgment-defaulters"),
            (3, "020778"),
            (3, "+20778"),
            (3, ""),
            (4, "-1"),
            (4, "1 "),
            (4, "18446744073709551616"),
            (5, &key[..43]),
            (5, &key.replace('=', "")),
            (5, "AAAA"),
            (6, "1.0"),
            (7, "0128"),
            (8, "not base64"),
            (9, "1970-01-01T00:00:01Z"),
            (10, "1970-01-01T00:00:01.000Z"),
            (10, "1970-01-01T00:00:02.000Z\r"),
        ] {
            let verdict = Manifest::parse(&with(line, text));
            assert!(
                matches!(verdict, Err(ManifestError::Malformed { line: found, .. }) if found == line),
                "line {line} as {text:?}: {verdict:?}"
            );
        }
        assert!(Manifest::parse(&format!("{good}\n")).is_err());
        assert!(Manifest::parse(good.trim_end()).is_err());
        assert!(Manifest::parse("").is_err());
    }

    #[test]
    fn a_manifest_with_tiny_buckets_is_refused_although_it_is_signed() {
        let tiny = manifest().to_text().replace("\n128\n", "\n1\n");
        let note = manifest_signer("court/manifest").sign(&tiny).unwrap();
        let verdict = SignedManifest::verify(&note, &manifest_verifier("court/manifest"));
        assert_eq!(verdict, Err(ManifestError::Layout(LayoutError::TinyBuckets { capacity: 1 })));
        for (buckets, capacity) in [("3", "128"), ("0", "128"), ("131072", "128"), ("1", "1000000")] {
            let shape = format!("\n{buckets}\n{capacity}\n");
            let text = manifest().to_text().replace("\n1\n128\n", &shape);
            assert!(
                matches!(Manifest::parse(&text), Err(ManifestError::Layout(_))),
                "{buckets} x {capacity}"
            );
        }
    }

    #[test]
    fn a_manifest_signed_by_another_member_is_refused() {
        let other = manifest_signer("customs/manifest");
        assert_eq!(manifest().sign(&other), Err(ManifestError::OtherSigner));
        let note = other.sign(&manifest().to_text()).unwrap();
        let verdict = SignedManifest::verify(&note, &manifest_verifier("customs/manifest"));
        assert_eq!(verdict, Err(ManifestError::OtherSigner));
        let verdict = SignedManifest::verify(&note, &manifest_verifier("court/manifest"));
        assert!(matches!(verdict, Err(ManifestError::Note(_))));
    }

    #[test]
    fn a_changed_manifest_does_not_verify() {
        let signed = signed(|_| {});
        let note = signed.note().replacen("\n1\n", "\n2\n", 1);
        let verdict = SignedManifest::verify(&note, &manifest_verifier("court/manifest"));
        assert!(matches!(verdict, Err(ManifestError::Note(_))));
    }

    #[test]
    fn two_manifests_of_one_version_are_an_alarm_with_both_as_evidence() {
        let (first, second) = (signed(|_| {}), signed(|manifest| manifest.root = [9; 32]));
        let alarm = second.accept_after(&first).unwrap_err();
        assert_eq!(alarm.conflict(), Some(&ManifestConflict { first: first.clone(), second }));
        assert!(matches!(alarm, ManifestError::TwoOfOneVersion(_)));
        assert_eq!(first.accept_after(&first), Ok(Acceptance::Known));
    }

    #[test]
    fn another_key_within_an_epoch_is_an_alarm() {
        let first = signed(|_| {});
        let second = signed(|manifest| (manifest.version, manifest.key) = (2, [6; 32]));
        let alarm = second.accept_after(&first).unwrap_err();
        assert!(matches!(alarm, ManifestError::KeyChanged(_)) && alarm.conflict().is_some());
    }

    #[test]
    fn versions_only_rise() {
        let (first, second) = (signed(|_| {}), signed(|manifest| manifest.version = 2));
        assert_eq!(second.accept_after(&first), Ok(Acceptance::Newer));
        let older = first.accept_after(&second).unwrap_err();
        assert_eq!(older, ManifestError::Older { known: 2, given: 1 });
        assert!(older.conflict().is_none());
        let grown = signed(|manifest| {
            (manifest.version, manifest.layout) = (3, manifest.layout.grown(129).unwrap());
        });
        assert_eq!(grown.accept_after(&second), Ok(Acceptance::Newer));
    }

    #[test]
    fn manifests_of_different_tables_are_not_compared() {
        let first = signed(|_| {});
        for other in [
            signed(|manifest| manifest.epoch += 1),
            signed(|manifest| manifest.list = "court/travel-bans".parse().unwrap()),
        ] {
            assert_eq!(other.accept_after(&first), Err(ManifestError::OtherTable));
        }
    }
}
