//! What is sealed of a measure: what registered it, and what it takes to ask again.

use tacit_model::{ListId, Millis, PurposeCode, Reason, Ulid};
use zeroize::Zeroizing;

use crate::codec::{CodecError, Reader, Writer};
use crate::question::RecordRef;

const VERSION: u8 = 1;

/// A record with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordAt {
    /// The record.
    pub record: RecordRef,
    /// Its time.
    pub time: Millis,
}

/// What the list said when it was asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// The subject is still on it.
    Listed,
    /// The subject is not on it any more.
    NotListed,
    /// Nothing, and why.
    Nothing(Reason),
}

/// The newest time that the list was asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// When.
    pub at: Millis,
    /// The record; none when there is none.
    pub record: Option<RecordRef>,
    /// What it said.
    pub said: Said,
}

/// Who lifts it, durable before that is sent.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Lifting {
    pub(super) decider: String,
    pub(super) salt: [u8; 32],
    pub(super) record: Option<RecordAt>,
}

/// Everything about a measure.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) answer: Ulid,
    pub(super) list: ListId,
    pub(super) purpose: PurposeCode,
    pub(super) case: String,
    pub(super) officer: String,
    pub(super) scheme: String,
    pub(super) code: Zeroizing<String>,
    /// T under which was asked.
    pub(super) pseudonym: [u8; 32],
    pub(super) agreement: Ulid,
    /// Place in the agreement, from 1.
    pub(super) number: u32,
    pub(super) words: String,
    pub(super) until: Option<Millis>,
    pub(super) decider: String,
    pub(super) salt: [u8; 32],
    /// How long an answer may be kept, in milliseconds.
    pub(super) life_ms: u64,
    /// Time of the newest answer that the list names the subject.
    pub(super) as_of: Millis,
    pub(super) registered: Option<RecordAt>,
    pub(super) asked: Option<Asked>,
    pub(super) lifting: Option<Lifting>,
}

impl Kept {
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let texts =
            self.list.len() + self.case.len() + self.officer.len() + self.words.len() + self.code.len();
        let mut w = Writer::with_capacity(1024 + texts + self.decider.len());
        w.u8(VERSION);
        w.raw(&self.answer.0.to_be_bytes());
        for text in [self.list.as_str(), &self.purpose, &self.case, &self.officer, &self.scheme, &self.code] {
            w.bytes(text.as_bytes());
        }
        w.raw(&self.pseudonym);
        w.raw(&self.agreement.0.to_be_bytes());
        w.u32(self.number);
        w.bytes(self.words.as_bytes());
        // No time is the first moment of 1970, which no measure ends at.
        w.u64(self.until.map_or(0, |until| until.0));
        w.bytes(self.decider.as_bytes());
        w.raw(&self.salt);
        w.u64(self.life_ms);
        w.u64(self.as_of.0);
        put_at(&mut w, self.registered);
        match self.asked {
            None => w.u8(0),
            Some(Asked { at, record, said }) => {
                w.u8(match said {
                    Said::Listed => 1,
                    Said::NotListed => 2,
                    Said::Nothing(_) => 3,
                });
                if let Said::Nothing(reason) = said {
                    w.bytes(reason.as_str().as_bytes());
                }
                w.u64(at.0);
                put_at(&mut w, record.map(|record| RecordAt { record, time: at }));
            }
        }
        match &self.lifting {
            None => w.u8(0),
            Some(lifting) => {
                w.u8(1);
                w.bytes(lifting.decider.as_bytes());
                w.raw(&lifting.salt);
                put_at(&mut w, lifting.record);
            }
        }
        w.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        if r.u8("version")? != VERSION {
            return Err(CodecError("version"));
        }
        let kept = Self {
            answer: ulid(&mut r, "answer")?,
            list: r.parsed("list")?,
            purpose: r.parsed("purpose")?,
            case: r.text("case")?.to_owned(),
            officer: r.text("officer")?.to_owned(),
            scheme: r.text("scheme")?.to_owned(),
            code: Zeroizing::new(r.text("code")?.to_owned()),
            pseudonym: r.array("pseudonym")?,
            agreement: ulid(&mut r, "agreement")?,
            number: r.u32("number")?,
            words: r.text("words")?.to_owned(),
            until: Some(Millis(r.u64("until")?)).filter(|until| until.0 > 0),
            decider: r.text("decider")?.to_owned(),
            salt: r.array("salt")?,
            life_ms: r.u64("life")?,
            as_of: Millis(r.u64("as of")?),
            registered: take_at(&mut r)?,
            asked: take_asked(&mut r)?,
            lifting: match r.u8("lifting")? {
                0 => None,
                1 => Some(Lifting {
                    decider: r.text("decider")?.to_owned(),
                    salt: r.array("salt")?,
                    record: take_at(&mut r)?,
                }),
                _ => return Err(CodecError("lifting")),
            },
        };
        r.finish()?;
        Ok(kept)
    }
}

fn ulid(r: &mut Reader<'_>, field: &'static str) -> Result<Ulid, CodecError> {
    Ok(Ulid(u128::from_be_bytes(r.array(field)?)))
}

fn put_at(w: &mut Writer, at: Option<RecordAt>) {
    match at {
        None => w.u8(0),
        Some(RecordAt { record, time }) => {
            w.u8(1);
            w.raw(&record.id.0.to_be_bytes());
            w.u64(record.index);
            w.u64(time.0);
        }
    }
}

fn take_at(r: &mut Reader<'_>) -> Result<Option<RecordAt>, CodecError> {
    match r.u8("record")? {
        0 => Ok(None),
        1 => {
            let record = RecordRef { id: ulid(r, "record")?, index: r.u64("record")? };
            Ok(Some(RecordAt { record, time: Millis(r.u64("record")?) }))
        }
        _ => Err(CodecError("record")),
    }
}

fn take_asked(r: &mut Reader<'_>) -> Result<Option<Asked>, CodecError> {
    let said = match r.u8("asked")? {
        0 => return Ok(None),
        1 => Said::Listed,
        2 => Said::NotListed,
        3 => Said::Nothing(r.parsed("asked")?),
        _ => return Err(CodecError("asked")),
    };
    let at = Millis(r.u64("asked")?);
    Ok(Some(Asked { at, record: take_at(r)?.map(|at| at.record), said }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(asked: Option<Asked>, lifting: Option<Lifting>) -> Kept {
        Kept {
            answer: Ulid(5),
            list: "court/defaulters".parse().unwrap(),
            purpose: "screening".parse().unwrap(),
            case: "2026-0417".to_owned(),
            officer: "li".to_owned(),
            scheme: "CN-USCC".to_owned(),
            code: Zeroizing::new("91350100M000100Y43".to_owned()),
            pseudonym: [1; 32],
            agreement: Ulid(6),
            number: 2,
            words: "Refusal".to_owned(),
            until: None,
            decider: "head of unit".to_owned(),
            salt: [2; 32],
            life_ms: 7,
            as_of: Millis(8),
            registered: None,
            asked,
            lifting,
        }
    }

    #[test]
    fn what_is_kept_reads_back_and_nothing_shorter_does() {
        let record = RecordRef { id: Ulid(9), index: 10 };
        let at = RecordAt { record, time: Millis(11) };
        let asked = |said, record| Some(Asked { at: Millis(12), record, said });
        let lifting = |record| Some(Lifting { decider: "deputy".to_owned(), salt: [3; 32], record });
        let forms = [
            kept(None, None),
            kept(asked(Said::Listed, Some(record)), lifting(None)),
            kept(asked(Said::NotListed, Some(record)), lifting(Some(at))),
            Kept {
                registered: Some(at),
                until: Some(Millis(13)),
                ..kept(asked(Said::Nothing(Reason::QuotaChecks), None), None)
            },
        ];
        for form in forms {
            let bytes = form.encode();
            assert!(Kept::decode(&bytes).unwrap() == form);
            for end in 0..bytes.len() {
                assert!(Kept::decode(&bytes[..end]).is_err(), "{end}");
            }
        }
    }
}
