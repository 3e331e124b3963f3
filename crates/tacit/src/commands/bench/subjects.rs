//! Made-up subjects: the n-th is always the same, all differ, and none of them needs to be remembered, so
//! that a million codes cost no memory.

use tacit_model::generate::{organization_check_character, uscc_check_character};

/// Identifier scheme of all subjects here.
pub(super) const SCHEME: &str = "CN-USCC";

/// Where the subjects begin that are on no list.
const UNLISTED: u64 = 50_000_000;

/// Coprime to any round number of records, so that hits are spread over the whole list.
const STRIDE: u64 = 7_919;

/// The code of subject `n`, below 100,000,000: a company of one district with its own organization number.
pub(super) fn code(n: u64) -> String {
    let mut code = *b"91350100000000000";
    let number = format!("{:08}", n % 100_000_000);
    code[8..16].copy_from_slice(number.as_bytes());
    if let Some(body) = code[8..].first_chunk() {
        code[16] = organization_check_character(body);
    }
    let check = uscc_check_character(&code).unwrap_or(b'0');
    code.iter().chain([&check]).map(|byte| char::from(*byte)).collect()
}

/// The subject of question `n` about a list of the first `records` subjects: every second one is a hit, as
/// long as there are new ones.
pub(super) fn asked(n: u64, records: u64) -> Asked {
    let half = n / 2;
    if n.is_multiple_of(2) && half < records {
        let step = if records.is_multiple_of(STRIDE) { 1 } else { STRIDE };
        Asked { code: code(half * step % records), listed: true }
    } else {
        Asked { code: code(UNLISTED + n), listed: false }
    }
}

/// A question's subject and the answer it must get.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) code: String,
    pub(super) listed: bool,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tacit_model::Schemes;

    use super::*;

    #[test]
    fn subjects_are_valid_and_differ() {
        let schemes = Schemes::built_in();
        let codes: HashSet<String> = (0..2_000).chain(99_998_000..100_000_000).map(code).collect();
        assert_eq!(codes.len(), 4_000);
        for code in codes {
            assert_eq!(schemes.parse_exact(SCHEME, &code).unwrap().expose_code(), code);
        }
    }

    #[test]
    fn every_second_question_is_a_hit_and_no_subject_is_asked_twice() {
        let listed: HashSet<String> = (0..500).map(code).collect();
        let asked: Vec<Asked> = (0..1_500).map(|n| asked(n, 500)).collect();
        assert_eq!(asked.iter().filter(|asked| asked.listed).count(), 500);
        assert!(asked.iter().all(|asked| asked.listed == listed.contains(&asked.code)));
        assert_eq!(asked.iter().map(|asked| &asked.code).collect::<HashSet<_>>().len(), 1_500);
    }
}
