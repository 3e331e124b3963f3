//! What must stand nowhere, in every form in which it could leak, and one pass that finds all of it.

#![expect(clippy::unwrap_used, reason = "test support: what goes wrong here ends the test")]

use std::{collections::HashMap, fmt, rc::Rc};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use ring::digest::{SHA256, SHA512, digest};

/// Shortest needle, in bytes; shorter ones would be found by chance.
const START: usize = 8;

/// What a needle is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A code on somebody's list.
    Listed,
    /// A code that is on no list.
    Unlisted,
    /// What somebody typed in the place of a code.
    Mistyped,
    /// A case number.
    Case,
    /// An officer.
    Officer,
    /// A private key.
    Key,
    /// A token of the gateway.
    Token,
    /// The seed of a list's epoch.
    ListSeed,
    /// A pseudonym.
    Pseudonym,
}

/// A needle that was found. It does not show the needle: what fails here is read in logs of test runs.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Hit {
    pub(crate) kind: Kind,
    /// Whose it is.
    pub(crate) name: Rc<str>,
    pub(crate) form: &'static str,
}

impl fmt::Debug for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {} as {}", self.kind, self.name, self.form)
    }
}

/// All needles.
#[derive(Default)]
pub(crate) struct Needles {
    all: Vec<(Vec<u8>, Hit)>,
    /// Needles by their first bytes.
    by_start: HashMap<u64, Vec<usize>>,
    /// Which hashes of first bytes occur: nearly every place of a haystack is passed by this alone.
    marks: Vec<bool>,
}

/// A place in `marks`.
fn mark(start: u64) -> usize {
    usize::try_from(start.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44).unwrap()
}

impl Needles {
    /// A text in its own characters, and in those that look like it.
    pub(crate) fn text(&mut self, kind: Kind, name: &str, text: &str) {
        self.add(kind, name, "text", text.as_bytes().to_vec());
        self.add(kind, name, "small letters", text.to_lowercase().into_bytes());
        let wide =
            |c: char| if c.is_ascii_graphic() { char::from_u32(c as u32 + 0xfee0).unwrap() } else { c };
        self.add(kind, name, "full-width text", text.chars().map(wide).collect::<String>().into_bytes());
        self.add(kind, name, "UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        self.encoded(kind, name, text.as_bytes());
    }

    /// A code: its text, and plain hashes of it, which name it to who tries all codes.
    pub(crate) fn code(&mut self, kind: Kind, name: &str, scheme: &str, code: &str) {
        self.text(kind, name, code);
        let input = tacit_blind::subject::input(scheme, code).unwrap();
        for (of, bytes) in [("code", code.as_bytes()), ("protocol input", &input[..])] {
            let hashes = [
                ("SHA-256", digest(&SHA256, bytes).as_ref().to_vec()),
                ("SHA-512", digest(&SHA512, bytes).as_ref().to_vec()),
                ("BLAKE3", blake3::hash(bytes).as_bytes().to_vec()),
            ];
            for (algorithm, hash) in hashes {
                self.bytes(kind, &format!("{name}, {algorithm} of its {of}"), &hash);
            }
        }
    }

    /// Bytes as they are, in hexadecimal, in base64, and as a derived `Debug` shows them.
    pub(crate) fn bytes(&mut self, kind: Kind, name: &str, bytes: &[u8]) {
        self.add(kind, name, "bytes", bytes.to_vec());
        self.add(kind, name, "a list of numbers", format!("{bytes:?}").trim_matches(['[', ']']).into());
        self.add(
            kind,
            name,
            "compact JSON",
            serde_json::to_string(bytes).unwrap().trim_matches(['[', ']']).into(),
        );
        self.encoded(kind, name, bytes);
    }

    fn encoded(&mut self, kind: Kind, name: &str, bytes: &[u8]) {
        self.add(kind, name, "hexadecimal", hex::encode(bytes).into_bytes());
        self.add(kind, name, "hexadecimal", hex::encode_upper(bytes).into_bytes());
        for before in 0..3 {
            // Whatever stands before and after: only characters that these bytes alone decide.
            let shifted = [&vec![0; before], bytes].concat();
            let (from, to) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
            let standard = STANDARD_NO_PAD.encode(&shifted);
            self.add(kind, name, "base64", standard[from..to].into());
            self.add(kind, name, "base64 for URLs", URL_SAFE_NO_PAD.encode(&shifted)[from..to].into());
        }
    }

    fn add(&mut self, kind: Kind, name: &str, form: &'static str, needle: Vec<u8>) {
        if self.all.iter().any(|(known, hit)| *known == needle && hit.kind == kind) {
            return;
        }
        let start = u64::from_be_bytes(needle[..START].try_into().unwrap());
        self.by_start.entry(start).or_default().push(self.all.len());
        self.marks.resize(1 << 20, false);
        self.marks[mark(start)] = true;
        self.all.push((needle, Hit { kind, name: name.into(), form }));
    }

    /// What of it stands in these bytes, each once.
    pub(crate) fn find(&self, bytes: &[u8]) -> Vec<Hit> {
        let mut hits: Vec<Hit> = Vec::new();
        let mut start = 0u64;
        for (end, byte) in bytes.iter().enumerate() {
            start = start << 8 | u64::from(*byte);
            if end + 1 < START || !self.marks[mark(start)] {
                continue;
            }
            let rest = &bytes[end + 1 - START..];
            for index in self.by_start.get(&start).into_iter().flatten() {
                let (needle, hit) = &self.all[*index];
                if rest.starts_with(needle) && !hits.contains(hit) {
                    hits.push(hit.clone());
                }
            }
        }
        hits
    }
}

#[test]
fn a_code_is_found_in_every_form() {
    let code = "91350100M000100Y43";
    let mut needles = Needles::default();
    needles.code(Kind::Unlisted, "x", "CN-USCC", code);
    let wide: String = code.chars().map(|c| char::from_u32(c as u32 + 0xfee0).unwrap()).collect();
    let wide_characters: Vec<u8> = code.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hash = digest(&SHA256, code.as_bytes());
    let base64 = |before: &str| STANDARD_NO_PAD.encode(format!("{before}{code}\"}}")).into_bytes();
    for (form, shown) in [
        ("text", format!("x{code}x").into_bytes()),
        ("small letters", code.to_lowercase().into_bytes()),
        ("full-width text", wide.into_bytes()),
        ("UTF-16", wide_characters),
        ("hexadecimal", hex::encode(code).into_bytes()),
        ("hexadecimal", hex::encode_upper(code).into_bytes()),
        ("base64", base64("")),
        ("base64", base64("1")),
        ("base64", base64("{\"")),
        ("bytes", hash.as_ref().to_vec()),
        ("a list of numbers", format!("{:?}", hash.as_ref()).into_bytes()),
    ] {
        for before in 0..9 {
            let hits = needles.find(&[&vec![b'.'; before], &shown[..], b"."].concat());
            assert!(hits.iter().any(|hit| hit.form == form), "{form} after {before}: {hits:?}");
        }
    }
    assert_eq!(needles.find(format!("{}{}", &code[..17], "4").as_bytes()), []);
}
