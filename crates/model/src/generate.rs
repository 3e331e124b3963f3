//! Made-up codes with valid check characters, for demonstrations, benchmarks and tests. They are
//! random, so one of them may by chance belong to somebody: nothing may be published about them.
//!
//! The check characters are computed here as well, for whoever makes codes of a certain form.

use rand_core::Rng;

use crate::subject::{lei, rid, uscc};

/// The check character of the first 17 characters of a CN-USCC (GB 32100-2015); `None` when a
/// character is not in its alphabet.
#[must_use]
pub fn uscc_check_character(body: &[u8; 17]) -> Option<u8> {
    uscc::check_character(body)
}

/// The check character of the first 17 digits of a CN-RID (ISO/IEC 7064 mod 11-2); `None` when one
/// is no digit.
#[must_use]
pub fn rid_check_character(body: &[u8; 17]) -> Option<u8> {
    rid::check_character(body)
}

/// The check digits of the first 18 characters of an LEI (ISO/IEC 7064 mod 97-10); `None` when one
/// is neither a capital nor a digit.
#[must_use]
pub fn lei_check_digits(body: &[u8; 18]) -> Option<[u8; 2]> {
    body.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()).then(|| lei::check_digits(body))
}

/// The check character of the first eight characters of an organization code (GB 11714): weights
/// 3, 7, 9, 10, 5, 8, 4, 2, mod 11. Characters must be capitals or digits; others count as 0.
#[must_use]
pub fn organization_check_character(body: &[u8; 8]) -> u8 {
    let sum: u32 = body.iter().zip([3, 7, 9, 10, 5, 8, 4, 2]).map(|(b, weight)| value36(*b) * weight).sum();
    match 11 - sum % 11 {
        11 => b'0',
        10 => b'X',
        check => b'0' + u8::try_from(check).unwrap_or(0),
    }
}

fn value36(byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'Z' => u32::from(byte - b'A') + 10,
        _ => 0,
    }
}

/// Two characters of authority and category, most of them companies, as in real registers.
const BODIES: [[u8; 2]; 16] = [
    *b"91", *b"91", *b"91", *b"91", *b"91", *b"91", *b"91", *b"91", *b"92", *b"92", *b"93", *b"11", *b"12",
    *b"51", *b"52", *b"N2",
];

/// Provinces (GB/T 2260).
const PROVINCES: [[u8; 2]; 31] = [
    *b"11", *b"12", *b"13", *b"14", *b"15", *b"21", *b"22", *b"23", *b"31", *b"32", *b"33", *b"34", *b"35",
    *b"36", *b"37", *b"41", *b"42", *b"43", *b"44", *b"45", *b"46", *b"50", *b"51", *b"52", *b"53", *b"54",
    *b"61", *b"62", *b"63", *b"64", *b"65",
];

const CAPITALS_AND_DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// A number below `bound`; the bias of 2^-32 does not matter for made-up data.
fn below(rng: &mut (impl Rng + ?Sized), bound: usize) -> usize {
    let wide = u64::from(rng.next_u32()) * u64::try_from(bound).unwrap_or(0);
    usize::try_from(wide >> 32).unwrap_or(0)
}

fn pick<T: Copy>(rng: &mut (impl Rng + ?Sized), from: &[T], otherwise: T) -> T {
    from.get(below(rng, from.len())).copied().unwrap_or(otherwise)
}

fn fill(rng: &mut (impl Rng + ?Sized), to: &mut [u8], alphabet: &[u8]) {
    to.iter_mut().for_each(|byte| *byte = pick(rng, alphabet, b'0'));
}

/// A province, a city up to 20 and a district up to 30; not all of them exist.
fn region(rng: &mut (impl Rng + ?Sized)) -> [u8; 6] {
    let [tens, ones] = pick(rng, &PROVINCES, *b"11");
    let [a, b] = two_digits(1 + below(rng, 20));
    let [c, d] = two_digits(1 + below(rng, 30));
    [tens, ones, a, b, c, d]
}

fn two_digits(value: usize) -> [u8; 2] {
    let digit = |value: usize| b'0' + u8::try_from(value % 10).unwrap_or(0);
    [digit(value / 10), digit(value)]
}

fn text(ascii: &[u8]) -> String {
    String::from_utf8_lossy(ascii).into_owned()
}

/// A valid CN-USCC, its organization part with a valid check character too. A million draws hold
/// a duplicate about once in thirty runs; who needs distinct codes compares them.
pub fn generate_uscc(rng: &mut (impl Rng + ?Sized)) -> String {
    let mut code = [b'0'; 18];
    code[..2].copy_from_slice(&pick(rng, &BODIES, *b"91"));
    code[2..8].copy_from_slice(&region(rng));
    // Since 2015 new organization codes begin with MA and use letters; older ones are digits.
    if rng.next_u32() & 1 == 0 {
        code[8..10].copy_from_slice(b"MA");
        fill(rng, &mut code[10..16], uscc::ALPHABET);
    } else {
        fill(rng, &mut code[8..16], b"0123456789");
    }
    if let Some(body) = code[8..].first_chunk() {
        code[16] = organization_check_character(body);
    }
    if let Some(check) = code.first_chunk().and_then(uscc::check_character) {
        code[17] = check;
    }
    text(&code)
}

/// A valid LEI in the usual form: four characters of the issuer, `00`, twelve of the entity.
pub fn generate_lei(rng: &mut (impl Rng + ?Sized)) -> String {
    let mut code = [b'0'; 20];
    fill(rng, &mut code[..4], b"0123456789");
    fill(rng, &mut code[6..18], CAPITALS_AND_DIGITS);
    if let Some(body) = code.first_chunk() {
        let check = lei::check_digits(body);
        code[18..].copy_from_slice(&check);
    }
    text(&code)
}

/// A valid CN-RID of somebody born from 1950 to 1999.
pub fn generate_rid(rng: &mut (impl Rng + ?Sized)) -> String {
    let mut code = [b'0'; 18];
    code[..6].copy_from_slice(&region(rng));
    let (year, month, day) = (1950 + below(rng, 50), 1 + below(rng, 12), 1 + below(rng, 28));
    let order = 1 + below(rng, 995);
    code[6..17].copy_from_slice(format!("{year:04}{month:02}{day:02}{order:03}").as_bytes());
    if let Some(check) = code.first_chunk().and_then(rid::check_character) {
        code[17] = check;
    }
    text(&code)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{Schemes, entropy::seeded_rng};

    #[test]
    fn every_made_up_code_is_valid_and_in_normal_form() {
        let (schemes, mut rng) = (Schemes::built_in(), seeded_rng([9; 32]));
        let mut seen = HashSet::new();
        for _ in 0..20_000 {
            let uscc = generate_uscc(&mut rng);
            assert_eq!(schemes.parse_exact("CN-USCC", &uscc).unwrap().expose_code(), uscc);
            schemes.parse_exact("LEI", &generate_lei(&mut rng)).unwrap();
            schemes.parse_exact("CN-RID", &generate_rid(&mut rng)).unwrap();
            seen.insert(uscc);
        }
        assert_eq!(seen.len(), 20_000);
        let zeros = seen.iter().filter(|code| code.ends_with('0')).count();
        assert!((400..900).contains(&zeros), "about one in 31 ends in 0, got {zeros}");
    }

    #[test]
    fn check_characters_refuse_what_has_none() {
        assert_eq!(uscc_check_character(b"91350100M000100YI"), None);
        assert_eq!(rid_check_character(b"1101051949123100X"), None);
        assert_eq!(rid_check_character(b"11010519491231002"), Some(b'X'));
        assert_eq!(lei_check_digits(b"5493001kjtiigc8y1r"), None);
        assert_eq!(lei_check_digits(b"5493001KJTIIGC8Y1R"), Some(*b"12"));
    }
}
