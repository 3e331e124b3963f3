//! Many linear equations over public points checked by one multiscalar multiplication.
//!
//! Each equation says Σ scalar·point = identity. A random combination with 128-bit weights, drawn after all
//! equations are known, holds for a false equation with probability 2^-128. Weights known beforehand would
//! let two false equations cancel each other, so they come from the generator given at checking time.

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};
use rand_core::CryptoRng;

/// Below this many equations in doubt, each is checked alone.
const SINGLE_BELOW: usize = 4;

/// Equations in flat storage.
#[derive(Default)]
pub(crate) struct Equations {
    scalars: Vec<Scalar>,
    points: Vec<RistrettoPoint>,
    /// Where each equation ends.
    ends: Vec<usize>,
}

impl Equations {
    pub(crate) fn with_capacity(equations: usize, terms: usize) -> Self {
        Self {
            scalars: Vec::with_capacity(terms),
            points: Vec::with_capacity(terms),
            ends: Vec::with_capacity(equations),
        }
    }

    /// Adds one equation. A term with scalar one stays short under its weight, so the commitment has it.
    pub(crate) fn push(&mut self, terms: impl IntoIterator<Item = (Scalar, RistrettoPoint)>) {
        for (scalar, point) in terms {
            self.scalars.push(scalar);
            self.points.push(point);
        }
        self.ends.push(self.points.len());
    }

    /// Positions of the equations that do not hold, ascending.
    pub(crate) fn find_bad(&self, rng: &mut impl CryptoRng) -> Vec<usize> {
        let mut bad = Vec::new();
        self.search(0, self.ends.len(), false, rng, &mut bad);
        bad
    }

    fn search(
        &self,
        from: usize,
        to: usize,
        known_bad: bool,
        rng: &mut impl CryptoRng,
        bad: &mut Vec<usize>,
    ) -> bool {
        if to - from <= SINGLE_BELOW {
            let before = bad.len();
            bad.extend((from..to).filter(|&i| !self.holds(i, i + 1, |_| Scalar::ONE)));
            return bad.len() > before;
        }
        if !known_bad && self.holds(from, to, |_| random_weight(rng)) {
            return false;
        }
        let middle = from + (to - from) / 2;
        let left = self.search(from, middle, false, rng, bad);
        // If the left half is sound, the fault is known to be on the right.
        self.search(middle, to, !left, rng, bad);
        true
    }

    fn holds(&self, from: usize, to: usize, mut weight: impl FnMut(usize) -> Scalar) -> bool {
        let start = |i: usize| if i == 0 { 0 } else { self.ends[i - 1] };
        let (first, last) = (start(from), start(to));
        let mut scalars = Vec::with_capacity(last - first);
        for i in from..to {
            let weight = weight(i);
            scalars.extend(
                self.scalars[start(i)..self.ends[i]]
                    .iter()
                    .map(|scalar| if *scalar == Scalar::ONE { weight } else { scalar * weight }),
            );
        }
        RistrettoPoint::vartime_multiscalar_mul(scalars, &self.points[first..last]).is_identity()
    }
}

/// A nonzero 128-bit weight.
fn random_weight(rng: &mut impl CryptoRng) -> Scalar {
    loop {
        let mut bytes = [0_u8; 16];
        rng.fill_bytes(&mut bytes);
        let weight = u128::from_le_bytes(bytes);
        if weight != 0 {
            return Scalar::from(weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    /// Σ = offset·G; holds when the offset is zero.
    fn equations(offsets: &[i64]) -> Equations {
        let g = curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;
        let mut all = Equations::default();
        for (i, offset) in offsets.iter().enumerate() {
            let a = Scalar::from(i as u64 + 7);
            let shift = Scalar::from(offset.unsigned_abs());
            let shift = if *offset < 0 { -shift } else { shift };
            all.push([(Scalar::ONE, g * (a + shift)), (-a, g)]);
        }
        all
    }

    #[test]
    fn bisection_names_exactly_the_bad_equations() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        for size in [1_usize, 2, 4, 5, 9, 64, 257] {
            assert!(equations(&vec![0; size]).find_bad(&mut rng).is_empty());
            for bad in [vec![0], vec![size - 1], vec![size / 2], (0..size).collect::<Vec<_>>()] {
                let mut offsets = vec![0; size];
                for &i in &bad {
                    offsets[i] = 5;
                }
                assert_eq!(equations(&offsets).find_bad(&mut rng), bad, "of {size}");
            }
        }
    }

    #[test]
    fn errors_that_cancel_under_known_weights_are_both_found() {
        // With all weights one, +3 and -3 cancel: what a verifier with predictable weights would accept.
        let mut offsets = vec![0; 32];
        offsets[3] = 3;
        offsets[20] = -3;
        let all = equations(&offsets);
        assert!(all.holds(0, 32, |_| Scalar::ONE));
        assert_eq!(all.find_bad(&mut ChaCha20Rng::from_seed([2; 32])), vec![3, 20]);
    }
}
