//! Keys that evaluate: the holder's list keys and the custodian's pseudonym keys.

use std::fmt;

use rand_core::CryptoRng;
use tacit_model::{ListId, MemberId};
use zeroize::Zeroizing;

use super::{CONTEXT, DleqProof, dleq, finalize, hash_to_group};
use crate::BlindError;
use crate::encoding::put_lp;
use crate::group::{self, Point, SecretScalar};

/// Inputs hashed and multiplied together while sealing; bounds the memory of a call.
const SEAL_BATCH: usize = 512;

/// A VOPRF key pair. Wiped on drop; `Debug` shows nothing.
pub struct VoprfKey {
    secret: SecretScalar,
    /// `secret / 2`: the shared encoding doubles.
    half: SecretScalar,
    public: Point,
}

impl VoprfKey {
    /// DeriveKeyPair (RFC 9497 section 3.2.1).
    ///
    /// # Errors
    /// [`BlindError::TooLong`] if `info` has more than 65,535 bytes; [`BlindError::KeyDerivation`] if 256
    /// tries give zero.
    pub fn derive(seed: &[u8; 32], info: &[u8]) -> Result<Self, BlindError> {
        let mut input = Zeroizing::new(Vec::with_capacity(34 + info.len()));
        input.extend_from_slice(seed);
        put_lp(&mut input, "key info", info)?;
        for counter in 0_u8..=255 {
            let scalar = group::hash_to_scalar(&[&input, &[counter]], &[b"DeriveKeyPair", CONTEXT]);
            if let Ok(secret) = SecretScalar::decode(&Zeroizing::new(scalar.encode())) {
                return Ok(Self::from_secret(secret));
            }
        }
        Err(BlindError::KeyDerivation)
    }

    /// A key pair from its secret scalar.
    #[must_use]
    pub fn from_secret(secret: SecretScalar) -> Self {
        Self { half: secret.half(), public: secret.public(), secret }
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> &Point {
        &self.public
    }

    pub(crate) fn secret(&self) -> &SecretScalar {
        &self.secret
    }

    /// Encodings of `k · M` for each M. Constant time in k; about 1.1 multiplications an element.
    #[must_use]
    pub fn evaluate_batch(&self, queries: &[Point]) -> Vec<[u8; 32]> {
        group::mul_by_doubled_half(&self.half, queries.iter().map(Point::inner))
    }

    /// [`VoprfKey::evaluate_batch`] and one proof for the whole batch.
    ///
    /// # Errors
    /// [`BlindError::Empty`], or [`BlindError::TooMany`] above 65,535.
    pub fn evaluate_with_proof(
        &self,
        queries: &[Point],
        rng: &mut impl CryptoRng,
    ) -> Result<(Vec<[u8; 32]>, DleqProof), BlindError> {
        let evaluated = self.evaluate_batch(queries);
        let proof = dleq::prove(self, queries, &evaluated, rng)?;
        Ok((evaluated, proof))
    }

    /// Outputs for inputs that the key's owner knows, without blinding: `Finalize(input, k·HashToGroup(input))`.
    ///
    /// # Errors
    /// [`BlindError::TooLong`] if an input has more than 65,535 bytes.
    pub fn outputs<I: AsRef<[u8]>>(&self, inputs: &[I]) -> Result<Vec<[u8; 64]>, BlindError> {
        let mut out = Vec::with_capacity(inputs.len());
        for chunk in inputs.chunks(SEAL_BATCH) {
            let hashed =
                Zeroizing::new(chunk.iter().map(|input| hash_to_group(input.as_ref())).collect::<Vec<_>>());
            let elements = group::mul_by_doubled_half(&self.half, hashed.iter());
            for (input, element) in chunk.iter().zip(&elements) {
                out.push(finalize::output(input.as_ref(), element)?);
            }
        }
        Ok(out)
    }
}

impl fmt::Debug for VoprfKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VoprfKey(..)")
    }
}

/// A holder's key for one list and list epoch (protocol section 2).
pub struct ListKey {
    key: VoprfKey,
    list_id: ListId,
    epoch: u64,
}

impl ListKey {
    /// Derives the key from the epoch's own random seed, which is erased when the overlap ends.
    ///
    /// # Errors
    /// [`BlindError::KeyDerivation`], with negligible probability.
    pub fn derive(seed: &[u8; 32], list_id: &ListId, epoch: u64) -> Result<Self, BlindError> {
        let key = VoprfKey::derive(seed, &Self::info(list_id, epoch)?)?;
        Ok(Self { key, list_id: list_id.clone(), epoch })
    }

    pub(crate) fn info(list_id: &ListId, epoch: u64) -> Result<Vec<u8>, BlindError> {
        let mut info = b"tacit/v1/list-key".to_vec();
        put_lp(&mut info, "a list id", list_id.as_str().as_bytes())?;
        info.extend_from_slice(&epoch.to_be_bytes());
        Ok(info)
    }

    /// The key pair.
    #[must_use]
    pub fn key(&self) -> &VoprfKey {
        &self.key
    }

    /// The public key, published in the manifest.
    #[must_use]
    pub fn public(&self) -> &Point {
        self.key.public()
    }

    /// The list.
    #[must_use]
    pub fn list_id(&self) -> &ListId {
        &self.list_id
    }

    /// The list epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Encodings of `k · M` for each M.
    #[must_use]
    pub fn evaluate_batch(&self, queries: &[Point]) -> Vec<[u8; 32]> {
        self.key.evaluate_batch(queries)
    }

    /// Evaluations of a call and one proof for all of them.
    ///
    /// # Errors
    /// [`BlindError::Empty`], or [`BlindError::TooMany`] above 65,535.
    pub fn evaluate_with_proof(
        &self,
        queries: &[Point],
        rng: &mut impl CryptoRng,
    ) -> Result<(Vec<[u8; 32]>, DleqProof), BlindError> {
        self.key.evaluate_with_proof(queries, rng)
    }

    /// Outputs for the holder's own records, to seal them: inputs as of `subject::input`.
    ///
    /// # Errors
    /// [`BlindError::TooLong`] if an input has more than 65,535 bytes.
    pub fn outputs_for_subjects<I: AsRef<[u8]>>(&self, inputs: &[I]) -> Result<Vec<[u8; 64]>, BlindError> {
        self.key.outputs(inputs)
    }
}

impl fmt::Debug for ListKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListKey")
            .field("list_id", &self.list_id.as_str())
            .field("epoch", &self.epoch)
            .finish()
    }
}

/// The custodian's key for one requester and pseudonym epoch (protocol section 2).
pub struct PseudonymKey {
    key: VoprfKey,
    epoch: u32,
}

impl PseudonymKey {
    /// Derives `(kD_A, pkD_A)` from the custodian's seed of that epoch.
    ///
    /// # Errors
    /// [`BlindError::KeyDerivation`], with negligible probability.
    pub fn derive(seed: &[u8; 32], requester: &MemberId, epoch: u32) -> Result<Self, BlindError> {
        Ok(Self { key: VoprfKey::derive(seed, &Self::info(requester, epoch)?)?, epoch })
    }

    pub(crate) fn info(requester: &MemberId, epoch: u32) -> Result<Vec<u8>, BlindError> {
        let mut info = b"tacit/v1/pseudonym-key".to_vec();
        put_lp(&mut info, "a member", requester.as_str().as_bytes())?;
        info.extend_from_slice(&epoch.to_be_bytes());
        Ok(info)
    }

    /// The key pair.
    #[must_use]
    pub fn key(&self) -> &VoprfKey {
        &self.key
    }

    /// The public key, which coordinator and requester verify against.
    #[must_use]
    pub fn public(&self) -> &Point {
        self.key.public()
    }

    /// The pseudonym epoch.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// `Th = kD_A · Ph` for each Ph and one proof for all of them.
    ///
    /// # Errors
    /// [`BlindError::Empty`], or [`BlindError::TooMany`] above the 1024 of one enrollment.
    pub fn evaluate_with_proof(
        &self,
        blinded: &[Point],
        rng: &mut impl CryptoRng,
    ) -> Result<(Vec<[u8; 32]>, DleqProof), BlindError> {
        if blinded.len() > crate::enroll::MAX_BATCH {
            return Err(BlindError::TooMany {
                what: "subjects",
                limit: crate::enroll::MAX_BATCH,
                found: blinded.len(),
            });
        }
        self.key.evaluate_with_proof(blinded, rng)
    }
}

impl fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PseudonymKey").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}
