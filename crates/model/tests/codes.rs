//! What each scheme accepts, refuses and states, with made-up codes.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use proptest::prelude::*;
use tacit_model::{
    CharacterProblem, CodeError, DatePart, Normalization, PatternRules, Reason, SchemeError, Schemes,
    entropy::seeded_rng, generate,
};

use Normalization::{FullWidth, HyphensRemoved, SpacesRemoved, Upgraded15, UpperCased};

/// The worked example of GB 11643-1999.
const RID: &str = "11010519491231002X";
/// From the protocol's published vectors.
const USCC: &str = "91350100M000100Y43";
const LEI: &str = "5493001KJTIIGC8Y1R12";

fn error(scheme: &str, typed: &str) -> CodeError {
    Schemes::built_in().parse(scheme, typed).expect_err("must be refused")
}

fn illegal(position: u32, problem: CharacterProblem) -> CodeError {
    CodeError::IllegalCharacter { position, problem }
}

fn with_check(body: &str) -> String {
    let check = generate::rid_check_character(body.as_bytes().try_into().unwrap()).unwrap();
    format!("{body}{}", char::from(check))
}

#[test]
fn normal_forms_are_accepted_without_a_change() {
    for (scheme, code) in [("CN-USCC", USCC), ("CN-RID", RID), ("LEI", LEI)] {
        let parsed = Schemes::built_in().parse(scheme, code).unwrap();
        assert_eq!((parsed.subject.scheme(), parsed.subject.expose_code()), (scheme, code));
        assert!(parsed.changes.is_empty());
    }
}

#[test]
fn every_change_is_stated() {
    let wide: String = USCC.chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap()).collect();
    let cases = [
        ("CN-USCC", "91350100m000100y43".to_owned(), USCC, vec![UpperCased]),
        ("CN-USCC", wide.clone(), USCC, vec![FullWidth]),
        ("CN-USCC", wide.to_lowercase(), USCC, vec![FullWidth, UpperCased]),
        ("CN-USCC", " 9135 0100\u{a0}M000\u{3000}100Y43\t".to_owned(), USCC, vec![SpacesRemoved]),
        ("CN-USCC", format!("{USCC}\r\n"), USCC, vec![SpacesRemoved]),
        ("CN-USCC", "91-350100-M000100Y4\u{ff0d}3".to_owned(), USCC, vec![HyphensRemoved]),
        ("CN-RID", RID.to_lowercase(), RID, vec![UpperCased]),
        (
            "LEI",
            "5493 001k\u{2013}JTII GC8Y 1R12".to_owned(),
            LEI,
            vec![UpperCased, SpacesRemoved, HyphensRemoved],
        ),
        ("CN-RID", "110105 491231 002".to_owned(), RID, vec![SpacesRemoved, Upgraded15]),
    ];
    for (scheme, typed, code, changes) in cases {
        let parsed = Schemes::built_in().parse(scheme, &typed).unwrap();
        assert_eq!((parsed.subject.expose_code(), &parsed.changes), (code, &changes), "{typed}");
        assert_eq!(Schemes::built_in().parse_exact(scheme, &typed), Err(CodeError::NotNormalized));
    }
    for change in Normalization::ALL {
        assert!(!change.to_string().is_empty());
    }
}

#[test]
fn an_illegal_character_is_named_by_its_position() {
    use CharacterProblem as P;
    let cases = [
        ("CN-USCC", "9135010IM000100Y43", illegal(8, P::LetterNotUsed)),
        ("CN-USCC", "91350100M0O0100Y43", illegal(11, P::LetterNotUsed)),
        ("CN-USCC", "91 3501-00M0s0100Y43", illegal(11, P::LetterNotUsed)),
        ("CN-USCC", "9135A100M000100Y43", illegal(5, P::DigitExpected)),
        ("CN-USCC", "01350100M000100Y43", illegal(1, P::UnknownAuthority)),
        ("CN-USCC", "B1350100M000100Y43", illegal(1, P::UnknownAuthority)),
        ("CN-USCC", "90350100M000100Y43", illegal(2, P::UnknownCategory)),
        ("CN-USCC", "91350100M000*00Y43", illegal(13, P::Symbol)),
        ("CN-USCC", "91350100М000100Y43", illegal(9, P::OtherScript)),
        ("CN-USCC", "\u{feff}91350100M000100Y43", illegal(1, P::Invisible)),
        ("CN-USCC", "*1350100M0\u{200b}00100Y43", illegal(11, P::Invisible)),
        ("CN-USCC", "91350100M\n000100Y43", illegal(10, P::Invisible)),
        ("CN-RID", "11010519491231002A", illegal(18, P::DigitOrXExpected)),
        ("CN-RID", "1101051949123100XX", illegal(17, P::DigitExpected)),
        ("CN-RID", "01010519491231002X", illegal(1, P::UnknownRegion)),
        ("CN-RID", "19010519491231002X", illegal(2, P::UnknownRegion)),
        ("CN-RID", "1101054912310O2", illegal(14, P::DigitExpected)),
        ("LEI", "5493001KJTIIGC8Y1RI2", illegal(19, P::DigitExpected)),
        ("LEI", "5493001KJTII.C8Y1R12", illegal(13, P::Symbol)),
    ];
    for (scheme, typed, expected) in cases {
        let error = error(scheme, typed);
        assert_eq!(error, expected, "{typed}");
        assert!(error.to_string().starts_with(&format!("character {}", error.position().unwrap())));
    }
}

#[test]
fn an_impossible_date_is_named_by_its_position() {
    let date = |part, first, last| CodeError::ImpossibleDate { part, first, last };
    let cases = [
        ("11010517991231002", date(DatePart::Year, 7, 10)),
        ("11010521010101002", date(DatePart::Year, 7, 10)),
        ("11010519490031002", date(DatePart::Month, 11, 12)),
        ("11010519491331002", date(DatePart::Month, 11, 12)),
        ("11010519490431002", date(DatePart::Day, 13, 14)),
        ("11010519490229002", date(DatePart::Day, 13, 14)),
        ("11010519000229002", date(DatePart::Day, 13, 14)),
        ("11010519490400002", date(DatePart::Day, 13, 14)),
    ];
    for (body, expected) in cases {
        assert_eq!(error("CN-RID", &with_check(body)), expected, "{body}");
    }
    assert!(Schemes::built_in().parse("CN-RID", &with_check("11010520000229002")).is_ok());
    assert_eq!(error("CN-RID", "110105491331002"), date(DatePart::Month, 9, 10));
    assert_eq!(error("CN-RID", "110105490229002"), date(DatePart::Day, 11, 12));
    let words = error("CN-RID", &with_check("11010519490431002")).to_string();
    assert_eq!(words, "the date is impossible: no such day (characters 13 to 14)");
}

#[test]
fn when_only_the_check_fails_the_words_are_the_promised_ones() {
    for (scheme, typed) in
        [("CN-USCC", "91350100M000100Y44"), ("CN-RID", "110105194912310021"), ("LEI", "5493001KJTIIGC8Y1R13")]
    {
        assert_eq!(error(scheme, typed), CodeError::CheckFailed);
        assert_eq!(
            error(scheme, typed).to_string(),
            "the characters do not agree; compare with the document"
        );
    }
    // Same remainder by 97 as 98: never issued.
    let body = (0..2000)
        .map(|n| format!("5493001KJTIIGC{n:04}"))
        .find(|body| generate::lei_check_digits(body.as_bytes().try_into().unwrap()) == Some(*b"98"))
        .unwrap();
    assert!(Schemes::built_in().parse("LEI", &format!("{body}98")).is_ok());
    assert_eq!(error("LEI", &format!("{body}01")), CodeError::CheckFailed);
}

#[test]
fn a_small_letter_that_may_be_a_digit_is_named() {
    let looks_like = |position| illegal(position, CharacterProblem::LooksLikeDigit);
    assert_eq!(error("CN-USCC", "91350100Ml00100Y43"), looks_like(10));
    assert_eq!(error("LEI", "54930o1KJTIIGC8Y1R12"), looks_like(6));
    // Where the small letter is right, it is only a stated change.
    let body = *b"91350100L00010034";
    let check = char::from(generate::uscc_check_character(&body).unwrap());
    let typed = format!("91350100l00010034{check}");
    assert_eq!(Schemes::built_in().parse("CN-USCC", &typed).unwrap().changes, [UpperCased]);
}

#[test]
fn a_number_of_15_digits_says_what_it_is() {
    let business = error("CN-USCC", "110100000000015");
    assert_eq!(business, CodeError::OldBusinessRegistration { digits: 15 });
    assert!(business.to_string().contains("old business registration number"));
    assert_eq!(error("CN-USCC", "1101 0000 0001 5"), CodeError::OldBusinessRegistration { digits: 13 });
    let resident = error("CN-RID", "110105491231996");
    assert_eq!(resident, CodeError::OldResidentNumber);
    assert!(resident.to_string().contains("old resident number"));
    assert!(Schemes::built_in().parse("CN-RID", "110105491231995").is_ok());
}

#[test]
fn a_wrong_length_says_expected_and_got() {
    assert_eq!(error("CN-USCC", "9135 0100"), CodeError::Length { expected: 18, got: 8 });
    assert_eq!(error("LEI", LEI.trim_end_matches('2')).to_string(), "expected 20 characters, got 19");
    assert_eq!(error("CN-RID", "12345678901234567"), CodeError::Length { expected: 18, got: 17 });
    assert_eq!(error("CN-USCC", "企合京总字第000001"), CodeError::Length { expected: 18, got: 12 });
    assert_eq!(error("CN-USCC", &"9".repeat(1_000_000)), CodeError::Length { expected: 18, got: 1_000_000 });
    for empty in ["", " ", "-", "\t\u{3000}\r\n"] {
        assert_eq!(error("CN-USCC", empty), CodeError::Empty);
    }
}

#[test]
fn every_kind_of_organization_is_accepted() {
    let tail = b"350100M000100Y4";
    for authority in b"123456789ANY" {
        for category in b'1'..=b'9' {
            let mut body = [0u8; 17];
            body[..2].copy_from_slice(&[*authority, category]);
            body[2..].copy_from_slice(tail);
            let check = generate::uscc_check_character(&body).unwrap();
            let code = format!("{}{}", std::str::from_utf8(&body).unwrap(), char::from(check));
            assert!(Schemes::built_in().parse("CN-USCC", &code).is_ok(), "{code}");
        }
    }
}

#[test]
fn a_code_shows_in_no_debug_text_and_in_no_error() {
    let parsed = Schemes::built_in().parse("CN-USCC", "91350100m000100y43").unwrap();
    let shown = format!("{parsed:?} {:?}", parsed.subject);
    assert!(shown.contains("[redacted]") && !shown.contains("M000") && !shown.contains("9135"), "{shown}");
    assert_eq!(parsed.subject, parsed.subject.clone());
}

#[test]
fn an_unknown_scheme_is_refused() {
    for scheme in ["", "cn-uscc", "X-badge", "LEI ", "CN-ORG"] {
        let error = error(scheme, USCC);
        assert_eq!((error, error.reason()), (CodeError::UnknownScheme, Reason::CodeSchemeUnknown));
        assert!(!Schemes::built_in().contains(scheme));
    }
    assert_eq!(CodeError::CheckFailed.reason(), Reason::CodeInvalid);
}

fn rules(pattern: &str, normalize: &[Normalization]) -> PatternRules {
    PatternRules { pattern: pattern.to_owned(), normalize: normalize.to_vec() }
}

#[test]
fn a_registry_scheme_does_only_what_it_states() {
    let mut schemes = Schemes::built_in();
    schemes.define("X-badge", &rules("[A-Z]{2}[0-9]{4}", &[])).unwrap();
    schemes.define("X-loose", &rules("[A-Z]{2}[0-9]{4}", &Normalization::ALL[..4])).unwrap();
    assert_eq!(schemes.names().collect::<Vec<_>>(), ["CN-USCC", "CN-RID", "LEI", "X-badge", "X-loose"]);

    let parsed = schemes.parse("X-badge", "AB1234").unwrap();
    assert_eq!((parsed.subject.scheme(), parsed.subject.expose_code()), ("X-badge", "AB1234"));
    for typed in ["ab1234", " AB1234", "AB-1234", "ＡＢ1234", "AB12345", "xAB1234", "AB1234 "] {
        assert_eq!(schemes.parse("X-badge", typed), Err(CodeError::Pattern), "{typed}");
    }
    let parsed = schemes.parse("X-loose", " ａb-12 34").unwrap();
    assert_eq!(parsed.subject.expose_code(), "AB1234");
    assert_eq!(parsed.changes, [FullWidth, UpperCased, SpacesRemoved, HyphensRemoved]);
    assert_eq!(schemes.parse("X-loose", "A\u{200b}B1234"), Err(illegal(2, CharacterProblem::Invisible)));
    assert_eq!(schemes.parse("X-loose", " - "), Err(CodeError::Empty));
    assert_eq!(schemes.parse("X-loose", &"A".repeat(65)), Err(CodeError::TooLong { max: 64, got: 65 }));
    let long = schemes.parse("X-loose", &" ".repeat(1_000_000));
    assert_eq!(long, Err(CodeError::TooLong { max: 64, got: 1_000_000 }));
    // The same characters under two schemes are two subjects.
    assert_ne!(schemes.parse("X-badge", "AB1234").unwrap().subject, parsed.subject);
}

#[test]
fn a_pattern_cannot_escape_its_anchors_or_its_bounds() {
    let mut schemes = Schemes::built_in();
    schemes.define("X-either", &rules("ab|cd", &[])).unwrap();
    for typed in ["abx", "xcd", "ab\n"] {
        assert!(schemes.parse("X-either", typed).is_err(), "{typed}");
    }
    for escape in ["a)|(b", "(?x)a #", "(", "a)", "\\"] {
        assert!(
            matches!(schemes.define("X-bad", &rules(escape, &[])), Err(SchemeError::Pattern(_))),
            "{escape}"
        );
    }
    let huge = rules("((\\w{50}){50}){50}", &[]);
    assert_eq!(schemes.define("X-bad", &huge), Err(SchemeError::PatternTooComplex));
    let long = rules(&"a".repeat(257), &[]);
    assert_eq!(schemes.define("X-bad", &long), Err(SchemeError::PatternTooLong { got: 257 }));
    assert_eq!(schemes.define("X-bad", &rules("a*", &[])), Err(SchemeError::PatternEmpty));
    assert_eq!(schemes.define("X-bad", &rules("a", &[Upgraded15])), Err(SchemeError::Normalization));
    assert_eq!(schemes.define("X-either", &rules("a", &[])), Err(SchemeError::Duplicate));
    for name in ["LEI", "X-", "X--a", "x-a", "X-A", "X-a b", "Y-a"] {
        assert_eq!(schemes.define(name, &rules("a", &[])), Err(SchemeError::Name), "{name}");
    }
    assert!(!schemes.contains("X-bad"));
    let read: PatternRules =
        serde_json::from_str(r#"{"pattern":"a","normalize":["spaces_removed"]}"#).unwrap();
    assert_eq!(read, rules("a", &[SpacesRemoved]));
    assert!(serde_json::from_str::<PatternRules>(r#"{"pattern":"a","trim":true}"#).is_err());
}

#[test]
fn a_date_of_birth_is_what_the_scheme_says_it_is() {
    let mut schemes = Schemes::built_in();
    // Four digits of the year; and, as in Finland, two of them and a sign for the century.
    let plain = "P(?<birth_year>[0-9]{4})(?<birth_month>[0-9]{2})(?<birth_day>[0-9]{2})|F[0-9]{8}";
    let signed = "(?<birth_day>[0-9]{2})(?<birth_month>[0-9]{2})\
        (?:(?<birth_year_18>[0-9]{2})\\+|(?<birth_year_19>[0-9]{2})-|(?<birth_year_20>[0-9]{2})A)[0-9]{3}[0-9A-Y]";
    schemes.define("X-plain", &rules(plain, &[])).unwrap();
    schemes.define("X-signed", &rules(signed, &[])).unwrap();
    schemes.define("X-silent", &rules("P[0-9]{8}", &[])).unwrap();
    for (scheme, code, born) in [
        ("CN-RID", RID, Some("1949-12-31")),
        ("CN-USCC", USCC, None),
        ("LEI", LEI, None),
        ("X-plain", "P20100314", Some("2010-03-14")),
        ("X-plain", "F20100314", None),
        ("X-signed", "131052-308T", Some("1952-10-13")),
        ("X-signed", "131052+308T", Some("1852-10-13")),
        ("X-signed", "290204A308T", Some("2004-02-29")),
        ("X-silent", "P20100314", None),
    ] {
        let subject = schemes.parse_exact(scheme, code).unwrap();
        let told = schemes.born_on(scheme, subject.expose_code()).map(|date| date.to_string());
        assert_eq!(told.as_deref(), born, "{scheme} {code}");
    }
    for (scheme, code, part, first, last) in [
        ("X-plain", "P21010314", DatePart::Year, 2, 5),
        ("X-plain", "P20101314", DatePart::Month, 6, 7),
        ("X-signed", "290203A308T", DatePart::Day, 1, 2),
    ] {
        assert_eq!(
            schemes.parse(scheme, code),
            Err(CodeError::ImpossibleDate { part, first, last }),
            "{code}"
        );
    }
    assert_eq!(schemes.birth_rule("CN-USCC").or(schemes.birth_rule("X-silent")), None);
    assert_ne!(schemes.birth_rule("X-plain"), schemes.birth_rule("X-signed"));

    for (pattern, refused) in [
        ("(?<birth_year>[0-9]{4})(?<birth_month>[0-9]{2})", SchemeError::BirthIncomplete),
        ("(?<birth_month>[0-9]{2})(?<birth_day>[0-9]{2})", SchemeError::BirthIncomplete),
        ("(?<brith_year>[0-9]{4})(?<birth_month>[0-9]{2})(?<birth_day>[0-9]{2})", SchemeError::Group),
        ("(?P<serial>[0-9]{4})", SchemeError::Group),
    ] {
        assert_eq!(schemes.define("X-bad", &rules(pattern, &[])), Err(refused), "{pattern}");
    }
    // A code with a part of the date only, or with two years, or with digits of another script, is none of the scheme.
    let loose = "(?<birth_year>\\d{4})?(?<birth_year_19>\\d{2})(?<birth_month>\\d{2})?(?<birth_day>\\d{2})";
    schemes.define("X-loose", &rules(loose, &[])).unwrap();
    for typed in ["8003", "1980800314", "80031٤", "٨٠0314"] {
        assert_eq!(schemes.parse("X-loose", typed), Err(CodeError::Pattern), "{typed}");
    }
    assert_eq!(schemes.parse("X-loose", "800314").unwrap().subject.expose_code(), "800314");
}

#[test]
fn fifteen_digits_are_another_number_only_where_the_scheme_says_so() {
    const OLD: &str = "110105491231002";
    let mut schemes = Schemes::built_in();
    let old = schemes.parse("CN-RID", OLD).unwrap();
    assert_eq!((old.subject.expose_code(), &old.changes[..]), (RID, &[Upgraded15][..]));
    assert_eq!(old.subject, schemes.parse("CN-RID", RID).unwrap().subject);
    schemes.define("X-card", &rules("[0-9]{15}|[0-9X]{18}", &[SpacesRemoved])).unwrap();
    let card = schemes.parse("X-card", OLD).unwrap();
    assert_eq!((card.subject.expose_code(), card.changes.len()), (OLD, 0));
    assert_eq!(error("CN-USCC", OLD), CodeError::OldBusinessRegistration { digits: 15 });
}

#[test]
fn one_wrong_character_never_passes() {
    // All three check systems detect every substitution of one character, mod 97-10 as long as
    // a letter is taken for a letter and a digit for a digit.
    let (schemes, mut rng) = (Schemes::built_in(), seeded_rng([12; 32]));
    for _ in 0..20 {
        for (scheme, code) in [
            ("CN-USCC", generate::generate_uscc(&mut rng)),
            ("CN-RID", generate::generate_rid(&mut rng)),
            ("LEI", generate::generate_lei(&mut rng)),
        ] {
            for index in 0..code.len() {
                for other in (b'0'..=b'9').chain(b'A'..=b'Z').filter(|b| *b != code.as_bytes()[index]) {
                    let was = code.as_bytes()[index];
                    if scheme == "LEI" && was.is_ascii_digit() != other.is_ascii_digit() {
                        continue;
                    }
                    let mut typed = code.clone().into_bytes();
                    typed[index] = other;
                    let typed = String::from_utf8(typed).unwrap();
                    assert!(schemes.parse(scheme, &typed).is_err(), "{scheme} {typed}");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic_or_repeat_the_text(typed in "\\PC{0,40}|[0-9A-Za-z \\-]{12,22}|.{0,30}") {
        for scheme in ["CN-USCC", "CN-RID", "LEI"] {
            match Schemes::built_in().parse(scheme, &typed) {
                Ok(parsed) => {
                    let exact = Schemes::built_in().parse_exact(scheme, parsed.subject.expose_code());
                    prop_assert_eq!(exact, Ok(parsed.subject));
                }
                Err(error) => {
                    let mark: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
                    prop_assert!(mark.chars().count() < 12 || !error.to_string().contains(&mark));
                }
            }
        }
    }
}
