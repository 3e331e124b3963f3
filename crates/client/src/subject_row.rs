//! A subject's row: what is sealed of it, and what it becomes.

use tacit_blind::enroll::{Blinded, Enrolled};
use tacit_blind::group::{Point, SecretScalar};
use tacit_blind::subject::input_of;
use tacit_model::SubjectCode;
use zeroize::Zeroizing;

use crate::codec::{CodecError, Reader, Writer};
use crate::enroll::Known;
use crate::error::ClientError;
use crate::store::SubjectState;

/// z || Ph || T, T zeros while it is not known.
pub(crate) fn encode(
    z: &SecretScalar,
    blinded_subject: &Point,
    pseudonym: Option<&[u8; 32]>,
) -> Zeroizing<Vec<u8>> {
    let mut writer = Writer::with_capacity(96);
    writer.raw(z.expose_bytes().as_ref());
    writer.raw(blinded_subject.as_bytes());
    writer.raw(pseudonym.unwrap_or(&[0; 32]));
    writer.finish()
}

/// An opened row.
pub(crate) struct Kept {
    z: Zeroizing<[u8; 32]>,
    blinded_subject: [u8; 32],
    pseudonym: [u8; 32],
}

/// What a row is good for.
pub(crate) enum Opened {
    Enrolled(Known),
    Pending(SubjectCode, Blinded),
}

/// Reads an opened row.
pub(crate) fn decode(plain: &[u8]) -> Result<Kept, CodecError> {
    let mut reader = Reader::new(plain);
    let kept = Kept {
        z: Zeroizing::new(reader.array("z")?),
        blinded_subject: reader.array("Ph")?,
        pseudonym: reader.array("T")?,
    };
    reader.finish()?;
    Ok(kept)
}

impl Kept {
    /// Ready to be asked about, or on its way.
    pub(crate) fn known(self, code: SubjectCode, state: SubjectState) -> Result<Opened, ClientError> {
        let own = ClientError::Own;
        match state {
            SubjectState::Enrolled => {
                let enrolled =
                    Enrolled::from_stored(&self.z, &self.blinded_subject, &self.pseudonym).map_err(own)?;
                Ok(Opened::Enrolled(Known { input: input_of(&code).map_err(own)?, enrolled }))
            }
            SubjectState::Pending => {
                let z = SecretScalar::decode(&self.z).map_err(own)?;
                let blinded_subject = Point::decode(&self.blinded_subject).map_err(own)?;
                Ok(Opened::Pending(code, Blinded::from_parts(z, blinded_subject)))
            }
        }
    }
}
