//! How single values are written and read. Reading accepts exactly what writing produces.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{
    BOX_STEPS, CONSENT_STATES, ERASURE_GROUNDS, HEADER, ListAt, MAX_LISTS, MAX_RECORD_LEN, MEASURE_STATES,
    RecordError,
};
use crate::checkpoint::{decode_hash, parse_decimal};
use crate::{Hash, time};

/// A form of value. Implemented by empty types that only name the form.
pub(super) trait Form {
    /// What the value is inside.
    type Value;
    /// Reads a value; none when it is not in this form.
    fn read(text: &str) -> Option<Self::Value>;
    /// Writes a value; none when it has no text in this form.
    fn write(value: &Self::Value, out: &mut String) -> Option<()>;
}

/// Member names and purpose codes: `[a-z0-9][a-z0-9-]{0,62}`.
pub(super) struct Name;
/// List ids: two names joined by a slash.
pub(super) struct ListId;
/// 1 to 16 different `<list id>@<epoch>.<version>`, joined by single spaces.
pub(super) struct ListsAt;
/// 1 to 16 different list ids, joined by single spaces.
pub(super) struct Lists;
/// ULIDs: 26 characters of Crockford's base 32, upper case, at most 128 bits.
pub(super) struct Ulid;
/// Times in RFC 3339 with milliseconds and Z.
pub(super) struct Time;
/// 32 bytes in lower-case hex.
pub(super) struct Hex;
/// 32 bytes in padded base64.
pub(super) struct Base64;
/// Unsigned decimal numbers without leading zeros.
pub(super) struct Number;
/// The same, of 32 bits.
pub(super) struct Number32;
/// Reason codes: `[a-z][a-z0-9_]{0,62}`.
pub(super) struct Reason;
/// One of the states of a consent.
pub(super) struct State;
/// One of the grounds of an erasure.
pub(super) struct Ground;
/// One of the steps on the way to an opened audit box.
pub(super) struct Step;
/// One of the states of a measure.
pub(super) struct MeasureState;
/// A time, or `none`.
pub(super) struct TimeOrNone;

/// A form whose value is the text itself, where it matches.
macro_rules! plain_text {
    ($($form:ident: $check:expr;)*) => {$(
        impl Form for $form {
            type Value = String;
            fn read(text: &str) -> Option<String> {
                let check: fn(&str) -> bool = $check;
                check(text).then(|| text.to_owned())
            }
            fn write(value: &String, out: &mut String) -> Option<()> {
                let check: fn(&str) -> bool = $check;
                check(value).then(|| out.push_str(value))
            }
        }
    )*};
}

plain_text! {
    Name: is_name;
    ListId: is_list_id;
    Ulid: is_ulid;
    Reason: is_reason;
    State: |text| CONSENT_STATES.contains(&text);
    Ground: |text| ERASURE_GROUNDS.contains(&text);
    Step: |text| BOX_STEPS.contains(&text);
    MeasureState: |text| MEASURE_STATES.contains(&text);
}

fn is_name(text: &str) -> bool {
    let [first, rest @ ..] = text.as_bytes() else {
        return false;
    };
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    alphanumeric(first) && rest.len() <= 62 && rest.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
}

fn is_list_id(text: &str) -> bool {
    text.split_once('/').is_some_and(|(holder, name)| is_name(holder) && is_name(name))
}

fn is_ulid(text: &str) -> bool {
    // 26 characters carry 130 bits; the first one may only use three of its five.
    let digit = |byte: u8| {
        byte.is_ascii_digit() || (byte.is_ascii_uppercase() && !matches!(byte, b'I' | b'L' | b'O' | b'U'))
    };
    text.len() == 26 && text.bytes().all(digit) && text.as_bytes()[0] <= b'7'
}

fn is_reason(text: &str) -> bool {
    let [first, rest @ ..] = text.as_bytes() else {
        return false;
    };
    let word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
    first.is_ascii_lowercase() && rest.len() <= 62 && rest.iter().all(word)
}

impl Form for Lists {
    type Value = Vec<String>;

    fn read(text: &str) -> Option<Vec<String>> {
        let lists = text.split(' ').map(ListId::read).collect::<Option<Vec<_>>>()?;
        are_distinct(lists.iter().map(String::as_str)).then_some(lists)
    }

    fn write(lists: &Vec<String>, out: &mut String) -> Option<()> {
        if !are_distinct(lists.iter().map(String::as_str)) {
            return None;
        }
        join(lists, out, ListId::write)
    }
}

impl Form for ListsAt {
    type Value = Vec<ListAt>;

    fn read(text: &str) -> Option<Vec<ListAt>> {
        let read_one = |part: &str| {
            let (list, at) = part.split_once('@')?;
            let (epoch, version) = at.split_once('.')?;
            let list = ListId::read(list)?;
            Some(ListAt { list, epoch: Number::read(epoch)?, version: Number::read(version)? })
        };
        let lists = text.split(' ').map(read_one).collect::<Option<Vec<_>>>()?;
        are_distinct(lists.iter().map(|at| at.list.as_str())).then_some(lists)
    }

    fn write(lists: &Vec<ListAt>, out: &mut String) -> Option<()> {
        if !are_distinct(lists.iter().map(|at| at.list.as_str())) {
            return None;
        }
        join(lists, out, |at, out| {
            ListId::write(&at.list, out)?;
            out.push('@');
            Number::write(&at.epoch, out)?;
            out.push('.');
            Number::write(&at.version, out)
        })
    }
}

/// Between 1 and [`MAX_LISTS`] lists, none twice. So few that comparing all pairs is quickest.
fn are_distinct<'a>(lists: impl ExactSizeIterator<Item = &'a str> + Clone) -> bool {
    let number = lists.len();
    let repeated = || {
        let all = lists.clone();
        lists.clone().enumerate().any(|(at, list)| all.clone().take(at).any(|other| other == list))
    };
    (1..=MAX_LISTS).contains(&number) && !repeated()
}

fn join<T>(values: &[T], out: &mut String, write: impl Fn(&T, &mut String) -> Option<()>) -> Option<()> {
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        write(value, out)?;
    }
    Some(())
}

impl Form for Time {
    type Value = u64;

    fn read(text: &str) -> Option<u64> {
        time::parse(text)
    }

    fn write(ms: &u64, out: &mut String) -> Option<()> {
        out.push_str(&time::format(*ms)?);
        Some(())
    }
}

impl Form for TimeOrNone {
    type Value = Option<u64>;

    fn read(text: &str) -> Option<Option<u64>> {
        if text == "none" { Some(None) } else { Time::read(text).map(Some) }
    }

    fn write(ms: &Option<u64>, out: &mut String) -> Option<()> {
        match ms {
            Some(ms) => Time::write(ms, out),
            None => {
                out.push_str("none");
                Some(())
            }
        }
    }
}

impl Form for Hex {
    type Value = Hash;

    fn read(text: &str) -> Option<Hash> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return None;
        }
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut hash = [0; 32];
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(hash)
    }

    fn write(hash: &Hash, out: &mut String) -> Option<()> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for byte in hash {
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        Some(())
    }
}

impl Form for Base64 {
    type Value = Hash;

    fn read(text: &str) -> Option<Hash> {
        decode_hash(text)
    }

    fn write(hash: &Hash, out: &mut String) -> Option<()> {
        BASE64.encode_string(hash, out);
        Some(())
    }
}

impl Form for Number {
    type Value = u64;

    fn read(text: &str) -> Option<u64> {
        parse_decimal(text)
    }

    fn write(number: &u64, out: &mut String) -> Option<()> {
        out.push_str(&number.to_string());
        Some(())
    }
}

impl Form for Number32 {
    type Value = u32;

    fn read(text: &str) -> Option<u32> {
        parse_decimal(text)
    }

    fn write(number: &u32, out: &mut String) -> Option<()> {
        Number::write(&u64::from(*number), out)
    }
}

/// Takes a record apart, line by line.
pub(super) struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    pub(super) fn header(&mut self) -> Result<(), RecordError> {
        let rest = self.rest.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n'));
        self.rest = rest.ok_or(RecordError::Header)?;
        Ok(())
    }

    /// The value of the next line, which must be the field `name`.
    pub(super) fn value(&mut self, name: &'static str) -> Result<&'a str, RecordError> {
        let (line, rest) = self.rest.split_once('\n').ok_or(RecordError::Field(name))?;
        let value = line.strip_prefix(name).and_then(|value| value.strip_prefix(' '));
        self.rest = rest;
        value.ok_or(RecordError::Field(name))
    }

    pub(super) fn field<F: Form>(&mut self, name: &'static str) -> Result<F::Value, RecordError> {
        F::read(self.value(name)?).ok_or(RecordError::Field(name))
    }

    pub(super) fn finish(self) -> Result<(), RecordError> {
        if self.rest.is_empty() { Ok(()) } else { Err(RecordError::Trailing) }
    }
}

/// Puts a record together, line by line.
pub(super) struct Writer {
    text: String,
}

impl Writer {
    pub(super) fn new(kind: &str) -> Self {
        Self { text: format!("{HEADER}\nkind {kind}\n") }
    }

    pub(super) fn field<F: Form>(&mut self, name: &'static str, value: &F::Value) -> Result<(), RecordError> {
        self.text.push_str(name);
        self.text.push(' ');
        F::write(value, &mut self.text).ok_or(RecordError::Field(name))?;
        self.text.push('\n');
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, RecordError> {
        if self.text.len() > MAX_RECORD_LEN { Err(RecordError::TooLong) } else { Ok(self.text.into_bytes()) }
    }
}
