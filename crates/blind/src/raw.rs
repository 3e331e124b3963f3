//! The raw limits of this machine: the least work that evaluation and sealing cannot avoid, without any of
//! the protocol around it. `tacit bench` measures the product against them in the same run.
//!
//! ```text
//! multiply                 scalar · P                          one variable-base multiplication
//! decode_multiply_encode   decompress, scalar · P, compress    bounds evaluation
//! hash_multiply_encode     hash to group, scalar · P, compress bounds sealing
//! ```
//!
//! Encoding is the shared one, the fastest there is. Nothing here is used by the protocol, and nothing
//! here uses the protocol's code: only curve25519-dalek and SHA-512.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use rand_core::CryptoRng;
use sha2::{Digest, Sha512};

/// Points encoded together, so that the working set stays in the second-level cache.
const BATCH: usize = 512;

/// Which arithmetic curve25519-dalek uses on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// AVX-512 IFMA, four lanes.
    Ifma,
    /// AVX2, four lanes.
    Avx2,
    /// Machine words, no vectors.
    Serial,
}

impl Backend {
    /// `AVX-512 IFMA`, `AVX2` or `serial`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ifma => "AVX-512 IFMA",
            Self::Avx2 => "AVX2",
            Self::Serial => "serial",
        }
    }
}

/// The backend in use, as far as it can be known: curve25519-dalek 5 does not tell, so this repeats how it
/// chooses, from the same configuration and the same processor features.
#[must_use]
pub fn backend() -> Backend {
    if has_ifma() {
        Backend::Ifma
    } else if has_avx2() {
        Backend::Avx2
    } else {
        Backend::Serial
    }
}

/// Whether the processor has AVX-512 IFMA, whatever this program was built for.
#[must_use]
pub fn processor_has_ifma() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx512ifma") && std::arch::is_x86_feature_detected!("avx512vl")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

fn has_ifma() -> bool {
    // Without the configuration it is built in only when the compiler may assume it everywhere.
    let built_in = cfg!(curve25519_dalek_backend = "avx512")
        || (!overridden() && cfg!(all(target_feature = "avx512ifma", target_feature = "avx512vl")));
    built_in && processor_has_ifma()
}

fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        !cfg!(any(curve25519_dalek_backend = "serial", curve25519_dalek_backend = "fiat"))
            && std::arch::is_x86_feature_detected!("avx2")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

fn overridden() -> bool {
    cfg!(any(
        curve25519_dalek_backend = "simd",
        curve25519_dalek_backend = "serial",
        curve25519_dalek_backend = "fiat"
    ))
}

/// Random points, messages and one scalar to work on. Nothing of it is secret.
pub struct Work {
    points: Vec<RistrettoPoint>,
    encoded: Vec<CompressedRistretto>,
    messages: Vec<[u8; 48]>,
    scalar: Scalar,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work").field("points", &self.points.len()).finish_non_exhaustive()
    }
}

impl Work {
    /// `count` random points with their encodings, and `count` messages as long as a subject's input.
    #[must_use]
    pub fn random(count: usize, rng: &mut impl CryptoRng) -> Self {
        let mut messages = vec![[0; 48]; count];
        messages.iter_mut().for_each(|message| rng.fill_bytes(message));
        let points: Vec<RistrettoPoint> = messages.iter().map(|message| hash_to_element(message)).collect();
        let encoded = points.iter().map(RistrettoPoint::compress).collect();
        let mut wide = [0; 64];
        rng.fill_bytes(&mut wide);
        Self { points, encoded, messages, scalar: Scalar::from_bytes_mod_order_wide(&wide) }
    }

    /// Points in this work.
    #[must_use]
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Constant-time variable-base multiplications, one per point, and one encoding of their sum, so that none
    /// can be left out.
    #[must_use]
    pub fn multiply(&self) -> [u8; 32] {
        self.points.iter().map(|point| point * self.scalar).sum::<RistrettoPoint>().compress().to_bytes()
    }

    /// What evaluation cannot avoid: decompress, multiply, and compress the doubles in batches. `None` never
    /// happens, since all encodings are of points.
    #[must_use]
    pub fn decode_multiply_encode(&self) -> Option<Vec<[u8; 32]>> {
        let mut out = Vec::with_capacity(self.encoded.len());
        for chunk in self.encoded.chunks(BATCH) {
            let points: Option<Vec<RistrettoPoint>> =
                chunk.iter().map(|encoded| Some(encoded.decompress()? * self.scalar)).collect();
            encode_into(&mut out, &points?);
        }
        Some(out)
    }

    /// What sealing cannot avoid: hash to the group (expand_message_xmd with SHA-512, 64 bytes, and two maps),
    /// multiply, and compress the doubles in batches.
    #[must_use]
    pub fn hash_multiply_encode(&self) -> Vec<[u8; 32]> {
        let mut out = Vec::with_capacity(self.messages.len());
        for chunk in self.messages.chunks(BATCH) {
            let points: Vec<RistrettoPoint> =
                chunk.iter().map(|message| hash_to_element(message) * self.scalar).collect();
            encode_into(&mut out, &points);
        }
        out
    }
}

fn encode_into(out: &mut Vec<[u8; 32]>, points: &[RistrettoPoint]) {
    out.extend(RistrettoPoint::double_and_compress_batch(points).iter().map(CompressedRistretto::to_bytes));
}

/// hash_to_ristretto255 (RFC 9380 appendix B) with a DST as long as the suite's.
fn hash_to_element(message: &[u8]) -> RistrettoPoint {
    const DST: &[u8] = b"tacit/v1/raw-limits-ristretto255-SHA512\x27";
    let first = Sha512::new()
        .chain_update([0; 128])
        .chain_update(message)
        .chain_update([0, 64, 0])
        .chain_update(DST)
        .finalize();
    let second = Sha512::new().chain_update(first).chain_update([1]).chain_update(DST).finalize();
    RistrettoPoint::from_uniform_bytes(&second.into())
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn the_raw_work_does_all_of_what_it_says() {
        let work = Work::random(700, &mut ChaCha20Rng::from_seed([5; 32]));
        let doubled = work.scalar + work.scalar;
        let products = work.decode_multiply_encode().unwrap();
        assert_eq!(products.len(), work.len());
        for (point, product) in work.points.iter().zip(&products) {
            assert_eq!((point * doubled).compress().to_bytes(), *product);
        }
        assert_eq!(work.hash_multiply_encode(), products, "the points are the messages' hashes");
        let sum: RistrettoPoint = work.points.iter().sum();
        assert_eq!(work.multiply(), (sum * work.scalar).compress().to_bytes());
    }

    #[test]
    fn ifma_is_in_use_where_the_processor_has_it() {
        assert_eq!(backend() == Backend::Ifma, processor_has_ifma());
    }
}
