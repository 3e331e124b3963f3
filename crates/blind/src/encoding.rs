//! Transcript bytes: integers are big-endian, `lp(x)` is a u16 length and then x.
//!
//! Also BLAKE3 in derive-key mode, written `b3(context, data)` in the protocol.

use crate::{BlindError, Hash};

/// Appends `lp(bytes)`: a big-endian u16 length, then the bytes.
///
/// # Errors
/// [`BlindError::TooLong`] above 65,535 bytes, named by `what`.
pub fn put_lp(out: &mut Vec<u8>, what: &'static str, bytes: &[u8]) -> Result<(), BlindError> {
    let length =
        u16::try_from(bytes.len()).map_err(|_| BlindError::TooLong { what, limit: usize::from(u16::MAX) })?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// `b3(context, parts[0] || parts[1] || ...)`: BLAKE3 in derive-key mode, 32 bytes.
#[must_use]
pub fn b3(context: &str, parts: &[&[u8]]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// `u32 len(x) || x` needs its length as bytes; transcripts are far below 4 GiB.
///
/// # Errors
/// [`BlindError::TooLong`] above `u32::MAX` bytes, named by `what`.
pub fn length_u32(what: &'static str, bytes: &[u8]) -> Result<[u8; 4], BlindError> {
    match u32::try_from(bytes.len()) {
        Ok(length) => Ok(length.to_be_bytes()),
        Err(_) => Err(BlindError::TooLong { what, limit: 0xffff_ffff }),
    }
}

/// Reads transcript bytes from outside, front to back; every error names the field.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`BlindError::Truncated`] if fewer are left.
    pub fn take(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], BlindError> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(BlindError::Truncated { field })?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`BlindError::Truncated`] if fewer are left.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], BlindError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(BlindError::Truncated { field })?;
        self.rest = rest;
        Ok(*head)
    }

    /// A big-endian u8.
    ///
    /// # Errors
    /// [`BlindError::Truncated`] at the end.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, BlindError> {
        Ok(u8::from_be_bytes(self.array(field)?))
    }

    /// A big-endian u16.
    ///
    /// # Errors
    /// [`BlindError::Truncated`] if fewer than 2 bytes are left.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, BlindError> {
        Ok(u16::from_be_bytes(self.array(field)?))
    }

    /// A big-endian u64.
    ///
    /// # Errors
    /// [`BlindError::Truncated`] if fewer than 8 bytes are left.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, BlindError> {
        Ok(u64::from_be_bytes(self.array(field)?))
    }

    /// `lp(x)`: gives x.
    ///
    /// # Errors
    /// [`BlindError::Truncated`] if fewer bytes are left than announced.
    pub fn lp(&mut self, field: &'static str) -> Result<&'a [u8], BlindError> {
        let length = usize::from(self.u16(field)?);
        self.take(field, length)
    }

    /// `lp(x)` where x is UTF-8 text that parses as `T`.
    ///
    /// # Errors
    /// [`BlindError::Truncated`], or [`BlindError::Field`] if the text is not a `T`.
    pub fn parsed<T: std::str::FromStr>(&mut self, field: &'static str) -> Result<T, BlindError> {
        std::str::from_utf8(self.lp(field)?)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(BlindError::Field { field })
    }

    /// What has not been read.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Ends reading.
    ///
    /// # Errors
    /// [`BlindError::Trailing`] if bytes are left.
    pub fn finish(self) -> Result<(), BlindError> {
        if self.rest.is_empty() { Ok(()) } else { Err(BlindError::Trailing) }
    }
}
