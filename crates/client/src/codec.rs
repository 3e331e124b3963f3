//! Bytes of what the requester keeps for itself: fixed order, big-endian lengths, no self-description.
//!
//! Nothing here leaves the agency but receipts, and those only when their owner hands them out.

use tacit_ledger::Hash;
use zeroize::Zeroizing;

/// The bytes end too early, or go on after the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is missing or not in its form")]
pub struct CodecError(pub &'static str);

/// Writes fields one after the other. Wiped when dropped, because most of what is kept is secret.
#[derive(Default)]
pub(crate) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// Room for `bytes` at once: growing would leave copies behind that nobody wipes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.raw(&value.to_be_bytes());
    }

    /// A count or a place; nothing kept here has 2^32 parts.
    pub(crate) fn count(&mut self, value: usize) {
        self.u32(u32::try_from(value).unwrap_or(u32::MAX));
    }

    /// Bytes of a length that the reader knows.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Bytes with their length in front.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Reads them back; every error names the field.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn raw(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], CodecError> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(CodecError(field))?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], CodecError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(CodecError(field))?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, CodecError> {
        Ok(u8::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, CodecError> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, CodecError> {
        Ok(u64::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn count(&mut self, field: &'static str) -> Result<usize, CodecError> {
        Ok(self.u32(field)? as usize)
    }

    pub(crate) fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], CodecError> {
        let count = self.count(field)?;
        self.raw(field, count)
    }

    pub(crate) fn text(&mut self, field: &'static str) -> Result<&'a str, CodecError> {
        std::str::from_utf8(self.bytes(field)?).map_err(|_| CodecError(field))
    }

    pub(crate) fn parsed<T: std::str::FromStr>(&mut self, field: &'static str) -> Result<T, CodecError> {
        self.text(field)?.parse().map_err(|_| CodecError(field))
    }

    /// Concatenated hashes with their length in front.
    pub(crate) fn hashes(&mut self, field: &'static str) -> Result<Vec<Hash>, CodecError> {
        let (hashes, rest) = self.bytes(field)?.as_chunks::<32>();
        if rest.is_empty() { Ok(hashes.to_vec()) } else { Err(CodecError(field)) }
    }

    /// As many parts as the count in front says; the bytes themselves bound the count.
    pub(crate) fn many<T>(
        &mut self,
        field: &'static str,
        mut part: impl FnMut(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Vec<T>, CodecError> {
        let count = self.count(field)?;
        // Every part takes a byte at least.
        if count > self.0.len() {
            return Err(CodecError(field));
        }
        (0..count).map(|_| part(self)).collect()
    }

    pub(crate) fn finish(self) -> Result<(), CodecError> {
        if self.0.is_empty() { Ok(()) } else { Err(CodecError("the end")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_and_nothing_more() {
        let mut writer = Writer::default();
        writer.u8(7);
        writer.u32(8);
        writer.u64(9);
        writer.bytes(b"ten");
        writer.count(2);
        writer.raw(&[1, 2]);
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        assert_eq!((reader.u8("a"), reader.u32("b"), reader.u64("c")), (Ok(7), Ok(8), Ok(9)));
        assert_eq!(reader.text("d"), Ok("ten"));
        assert_eq!(reader.many("e", |r| r.u8("e")), Ok(vec![1, 2]));
        assert_eq!(reader.finish(), Ok(()));
        for end in 0..bytes.len() {
            let mut reader = Reader::new(&bytes[..end]);
            let read = || -> Result<(), CodecError> {
                reader.u8("a")?;
                reader.u32("b")?;
                reader.u64("c")?;
                reader.bytes("d")?;
                reader.many("e", |r| r.u8("e"))?;
                reader.finish()
            };
            assert!({ read }().is_err(), "{end}");
        }
    }
}
