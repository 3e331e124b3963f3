//! Randomness, as an argument. [`os_rng`] is the only code of the product that asks the operating
//! system for entropy.

use rand_chacha::rand_core::SeedableRng;
use zeroize::Zeroizing;

/// The product's generator: ChaCha20, a `rand_core::CryptoRng`. Its Debug shows no state.
pub type Rng = rand_chacha::ChaCha20Rng;

/// A generator seeded with 32 bytes from the operating system.
///
/// # Panics
/// When the operating system has no entropy. Without it every blind, key and salt would be
/// guessable, so nothing may go on.
#[must_use]
pub fn os_rng() -> Rng {
    let mut seed = Zeroizing::new([0u8; 32]);
    #[expect(clippy::disallowed_methods, reason = "the one place that asks for entropy")]
    let filled = getrandom::fill(seed.as_mut());
    #[expect(clippy::expect_used, reason = "without entropy no secret would be one")]
    filled.expect("the operating system gave no entropy");
    Rng::from_seed(*seed)
}

/// A generator that gives the same bytes for the same seed: vectors, tests, the testkit.
#[must_use]
pub fn seeded_rng(seed: [u8; 32]) -> Rng {
    Rng::from_seed(seed)
}

#[cfg(test)]
mod tests {
    use rand_core::Rng as _;

    use super::*;

    #[test]
    fn a_seed_repeats_and_the_system_does_not() {
        let draw = |mut rng: Rng| (rng.next_u64(), rng.next_u64());
        assert_eq!(draw(seeded_rng([1; 32])), draw(seeded_rng([1; 32])));
        assert_ne!(draw(seeded_rng([1; 32])), draw(seeded_rng([2; 32])));
        assert_ne!(draw(os_rng()), draw(os_rng()));
    }

    #[test]
    fn debug_shows_no_state() {
        let (a, b) = (format!("{:?}", seeded_rng([1; 32])), format!("{:?}", seeded_rng([2; 32])));
        assert_eq!(a, b);
    }
}
