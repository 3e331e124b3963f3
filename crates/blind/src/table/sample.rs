//! Uniform choices from a cryptographic random source.

use rand_core::CryptoRng;

/// A uniform number in `0..bound`, without bias (Lemire's multiply and reject). A bound of 0 gives 0.
pub(super) fn below(rng: &mut impl CryptoRng, bound: u32) -> u32 {
    if bound == 0 {
        return 0;
    }
    let threshold = bound.wrapping_neg() % bound;
    loop {
        let product = u64::from(rng.next_u32()) * u64::from(bound);
        if (product & 0xffff_ffff) >= u64::from(threshold) {
            return (product >> 32) as u32;
        }
    }
}

/// `count` of the candidates (all of them when there are fewer), each subset equally likely.
pub(super) fn some_of(rng: &mut impl CryptoRng, mut candidates: Vec<u32>, count: usize) -> Vec<u32> {
    let total = candidates.len();
    let count = count.min(total);
    for chosen in 0..count {
        // At most 65536 buckets, so the remaining length always fits.
        let rest = u32::try_from(total - chosen).unwrap_or(u32::MAX);
        let other = chosen + below(rng, rest) as usize;
        candidates.swap(chosen, other);
    }
    candidates.truncate(count);
    candidates
}

#[cfg(test)]
mod tests {
    use super::super::testing::rng;
    use super::*;

    #[test]
    fn every_number_below_the_bound_comes_up_about_equally_often() {
        let mut rng = rng(1);
        let mut seen = [0u32; 7];
        for _ in 0..70_000 {
            seen[below(&mut rng, 7) as usize] += 1;
        }
        assert!(seen.iter().all(|n| (9_500..10_500).contains(n)), "{seen:?}");
    }

    #[test]
    fn a_choice_has_no_repeats_and_stays_among_the_candidates() {
        let mut rng = rng(2);
        let mut chosen = some_of(&mut rng, (10..30).collect(), 12);
        chosen.sort_unstable();
        chosen.dedup();
        assert_eq!(chosen.len(), 12);
        assert!(chosen.iter().all(|n| (10..30).contains(n)));
        assert_eq!(some_of(&mut rng, vec![1, 2], 5).len(), 2);
    }
}
