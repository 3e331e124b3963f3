//! What proof files and requests to witnesses share: lines of hashes, an empty line, and a signed note to the end.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::Hash;
use crate::checkpoint::decode_hash;

/// The most hashes of a proof: the path of a leaf in a tree of 2^63 leaves.
pub const MAX_HASHES: usize = 63;

/// Why bytes do not have this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Line `number`, from 1, is not the base64 of 32 bytes.
    Hash {
        number: usize,
    },
    TooMany,
    /// No empty line, or nothing after it.
    NoNote,
}

/// `head`, the hashes, an empty line, the note.
pub(crate) fn format(mut head: String, hashes: &[Hash], note: &[u8]) -> Vec<u8> {
    for hash in hashes {
        BASE64.encode_string(hash, &mut head);
        head.push('\n');
    }
    head.push('\n');
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(note);
    bytes
}

/// Takes the line off the front, without its line feed.
pub(crate) fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (line, after) = rest.split_at(end);
    *rest = &after[1..];
    Some(line)
}

/// The hashes and the note.
pub(crate) fn parse(mut rest: &[u8]) -> Result<(Vec<Hash>, &[u8]), Broken> {
    let mut hashes = Vec::new();
    loop {
        match line(&mut rest).ok_or(Broken::NoNote)? {
            b"" => break,
            _ if hashes.len() == MAX_HASHES => return Err(Broken::TooMany),
            encoded => {
                let number = hashes.len() + 1;
                let hash = std::str::from_utf8(encoded).ok().and_then(decode_hash);
                hashes.push(hash.ok_or(Broken::Hash { number })?);
            }
        }
    }
    if rest.is_empty() { Err(Broken::NoNote) } else { Ok((hashes, rest)) }
}
