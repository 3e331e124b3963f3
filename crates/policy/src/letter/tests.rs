use tacit_model::{MemberId, parse_ulid};

use super::*;
use crate::keys::{PublicKey, Signature};

fn id(text: &str) -> Ulid {
    parse_ulid(text).unwrap()
}

fn words(text: &str) -> LetterText {
    LetterText::new(text, limits::OBJECTION).unwrap()
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

const FIRST: &str = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C";
const SECOND: &str = "01KAM2V7Q3ZJ6V6T1V8M3W9R5D";

fn whom() -> Whom {
    Whom { scheme: "CN-USCC".to_owned(), code: "91350100M000100Y43".to_owned() }
}

fn letter(body: Body) -> Letter {
    Letter::new(id(FIRST), None, "2026-11-21T02:32:09.481Z".parse().unwrap(), whom(), body)
}

fn enclosed() -> Enclosed {
    let member: MemberId = "court".parse().unwrap();
    let content = String::from_utf8(letter(decision(Outcome::Upheld)).to_bytes().unwrap()).unwrap();
    let (pseudonym, signature) = (PublicKey([7; 32]), Signature([9; 64]));
    Enclosed { sender: member.clone(), member, pseudonym, content, signature }
}

fn decision(outcome: Outcome) -> Body {
    Body::Decision(Decision {
        level: Level::First,
        list: "court/defaulters".parse().unwrap(),
        outcome,
        corrected: (outcome == Outcome::Corrected).then(|| words("the sum")),
        reasons: words("It was paid."),
        by: words("Judge Li"),
        decided_on: date("2026-11-21"),
        appeal: Some(WayToAppeal { to: "higher-court".parse().unwrap(), until: date("2026-12-06") }),
    })
}

fn measure(until: Option<Millis>) -> Body {
    Body::AdverseAction(AdverseAction {
        list: "court/defaulters".parse().unwrap(),
        measure: id(SECOND),
        answer: id(FIRST),
        agency: words("The procurement office"),
        words: words("Exclusion"),
        by: words("Head of the office"),
        legal_basis: words("Article 2"),
        registered_on: date("2026-11-21"),
        until,
        objections: words("Room 12"),
    })
}

/// One of each kind.
fn bodies() -> Vec<Body> {
    let list = || "court/defaulters".parse().unwrap();
    let day = date("2026-11-21");
    vec![
        Body::ListingNotice(ListingNotice {
            list: list(),
            category: 101,
            decision_ref: words("(2024) No. 17"),
            decided_on: day,
            listing_body: words("The court"),
            legal_basis: words("Article 1"),
            what_listing_means: words("A judgment was not obeyed."),
            notice_days: 10,
            effective_on: date("2026-12-01"),
            expires_on: Some(date("2028-12-01")),
            objections: words("Room 12"),
        }),
        Body::Objection(Objection { list: list(), text: words("I paid.\n\"Yes\"."), handed_in: None }),
        Body::ObjectionReceived(ObjectionReceived {
            list: list(),
            received_on: day,
            decide_by: date("2026-12-06"),
            until_decided: UntilDecided::NotAnswered,
        }),
        decision(Outcome::Upheld),
        decision(Outcome::Corrected),
        Body::Appeal(Box::new(Appeal {
            list: list(),
            to: "higher-court".parse().unwrap(),
            text: words("Still wrong."),
            objection: enclosed(),
            decision: enclosed(),
        })),
        Body::ReviewDecision(ReviewDecision { list: list(), decision: enclosed() }),
        Body::Removal(Removal {
            list: list(),
            reason: RemovalReason::Annulled,
            removed_on: day,
            decision: Some(id(SECOND)),
        }),
        Body::Misdirected(Misdirected { list: list(), text: words("我已经付了。") }),
        measure(None),
        measure(Some("2027-11-21T00:00:00.000Z".parse().unwrap())),
        Body::MeasureLifted(MeasureLifted {
            list: list(),
            measure: id(SECOND),
            agency: words("The procurement office"),
            words: words("Exclusion"),
            by: words("The deputy"),
            lifted_on: day,
        }),
    ]
}

#[test]
fn a_letter_of_each_kind_is_read_as_it_was_written_and_shows_nothing_in_debug() {
    for body in bodies() {
        let letter = letter(body);
        let bytes = letter.to_bytes().unwrap();
        let read = Letter::parse(&bytes).unwrap();
        assert!(read == letter, "{letter:?}");
        let said = format!("{letter:?}");
        assert!(said.contains(letter.body.kind()) && !said.contains("91350100M000100Y43"), "{said}");
    }
}

#[test]
fn a_letter_has_one_spelling_and_no_field_or_kind_that_is_not_known() {
    let good = String::from_utf8(letter(bodies().swap_remove(1)).to_bytes().unwrap()).unwrap();
    assert!(
        good.starts_with("{\"type\":\"tacit-letter/v1\",\"id\":\"01KAM2V7Q3ZJ6V6T1V8M3W9R5C\""),
        "{good}"
    );
    for (from, to) in [
        ("tacit-letter/v1", "tacit-letter/v2"),
        ("\"kind\":\"objection\"", "\"kind\":\"score\""),
        ("\"kind\":\"objection\"", "\"kind\":\"objection\",\"weight\":1"),
        ("\"subject\":{", "\"subject\":{\"name\":\"Li\","),
        ("{\"type\"", "{\"extra\":1,\"type\""),
        ("\"court/defaulters\"", "\"court\""),
        ("01KAM2V7Q3ZJ6V6T1V8M3W9R5C", "01kam2v7q3zj6v6t1v8m3w9r5c"),
        ("09.481Z", "09Z"),
        ("91350100M000100Y43", ""),
        ("I paid.", "I \\u202epaid."),
        ("I paid.\\n\\\"Yes\\\".", " "),
    ] {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{from}");
        assert_eq!(Letter::parse(changed.as_bytes()), Err(LetterError::Form), "{from}");
    }
    for other in [good.replacen(':', ": ", 1), good.replacen("I paid", "I\\u0020paid", 1)] {
        assert_eq!(Letter::parse(other.as_bytes()), Err(LetterError::Spelling), "{other}");
    }
    let twice = good.replacen("\"kind\":\"objection\"", "\"kind\":\"objection\",\"kind\":\"objection\"", 1);
    assert!(Letter::parse(twice.as_bytes()).is_err());
    assert!(Letter::parse(format!("{good}{good}").as_bytes()).is_err());
    assert_eq!(Letter::parse(&vec![b' '; CONTENT_MAX + 1]), Err(LetterError::TooLong));
}

#[test]
fn a_measure_is_told_within_bounds_and_with_an_end_of_one_spelling() {
    let until = Some("2027-11-21T00:00:00.000Z".parse().unwrap());
    let good = String::from_utf8(letter(measure(until)).to_bytes().unwrap()).unwrap();
    for (from, to) in [
        ("\"until\":\"2027-11-21T00:00:00.000Z\"", "\"until\":\"2027-11-21\""),
        ("\"by\":\"Head of the office\"", "\"by\":\" \""),
        ("Head of the office", &"x".repeat(201)),
        ("The procurement office", ""),
        ("Article 2", &"x".repeat(1_001)),
        (SECOND, "measure"),
        ("\"registered_on\":\"2026-11-21\",", ""),
    ] {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{from}");
        assert_eq!(Letter::parse(changed.as_bytes()), Err(LetterError::Form), "{from}");
    }
    let null = good.replacen("\"until\":\"2027-11-21T00:00:00.000Z\"", "\"until\":null", 1);
    assert_eq!(Letter::parse(null.as_bytes()), Err(LetterError::Spelling));
}

#[test]
fn a_decision_says_what_is_corrected_exactly_when_it_corrects_and_the_second_one_is_the_last() {
    let changed = |change: fn(&mut Decision)| {
        let Body::Decision(mut body) = decision(Outcome::Upheld) else { unreachable!() };
        change(&mut body);
        Letter::parse(&letter(Body::Decision(body)).to_bytes().unwrap())
    };
    assert!(changed(|_| ()).is_ok());
    assert_eq!(changed(|it| it.outcome = Outcome::Corrected), Err(LetterError::Form));
    assert_eq!(changed(|it| it.corrected = Some(words("the sum"))), Err(LetterError::Form));
    assert_eq!(changed(|it| it.level = Level::Review), Err(LetterError::Form));
    assert!(changed(|it| (it.level, it.appeal) = (Level::Review, None)).is_ok());
}

#[test]
fn the_longest_objection_and_decision_still_fit_into_an_appeal() {
    for character in ["字", "\"", "a", "\n", "𠮷"] {
        let longest = |limit: (usize, usize)| {
            let fits =
                |count: &usize| LetterText::new(&format!("x{}", character.repeat(*count)), limit).is_ok();
            let count = (1..limit.0).rev().find(fits).unwrap();
            LetterText::new(&format!("x{}", character.repeat(count)), limit).unwrap()
        };
        let list = || "court/defaulters".parse().unwrap();
        let objection = Objection { list: list(), text: longest(limits::OBJECTION), handed_in: None };
        let Body::Decision(mut first) = decision(Outcome::Corrected) else { unreachable!() };
        first.reasons = longest(limits::REASONS);
        let inside = |body: Body| {
            let content = String::from_utf8(letter(body).to_bytes().unwrap()).unwrap();
            Enclosed { content, ..enclosed() }
        };
        let appeal = Body::Appeal(Box::new(Appeal {
            list: list(),
            to: "higher-court".parse().unwrap(),
            text: longest(limits::APPEAL),
            objection: inside(Body::Objection(objection)),
            decision: inside(Body::Decision(first)),
        }));
        let bytes = letter(appeal).to_bytes().unwrap();
        assert!(Letter::parse(&bytes).is_ok(), "{} bytes of {character:?}", bytes.len());
    }
    // 8,000 characters, as the law's forms have.
    assert!(LetterText::new(&"字".repeat(8_000), limits::OBJECTION).is_ok());
    assert!(LetterText::new(&"a".repeat(8_001), limits::OBJECTION).is_err());
    assert_eq!(LetterText::new(" \n", limits::OBJECTION), Err(TextError::Empty));
    assert_eq!(LetterText::new("a\u{1b}[2J", limits::OBJECTION), Err(TextError::Control));
}

fn ruling(outcome: Outcome, on: &str) -> Ruling {
    let carried_out_on = (outcome == Outcome::Upheld).then(|| date(on));
    Ruling { letter: id(SECOND), outcome, decided_on: date(on), carried_out_on }
}

fn case() -> Case {
    Case::begin(id(FIRST), Level::First, "court/defaulters".parse().unwrap(), whom(), date("2026-03-01"))
}

#[test]
fn a_case_is_decided_once_by_each_body_and_appealed_once_in_time() {
    let upheld = ruling(Outcome::Upheld, "2026-03-10");
    assert_eq!(case().appeal(date("2026-03-02")), Err(CaseError::NotDecided));
    assert_eq!(case().review(upheld), Err(CaseError::NotDecided));
    let decided = case().decide(upheld).unwrap();
    assert_eq!(decided.clone().decide(upheld), Err(CaseError::Decided));
    assert!(decided.clone().appeal(date("2026-03-25")).is_ok());
    assert_eq!(decided.clone().appeal(date("2026-03-26")), Err(CaseError::Late(date("2026-03-25"))));
    let annulled = case().decide(ruling(Outcome::Annulled, "2026-03-10")).unwrap();
    assert_eq!(annulled.appeal(date("2026-03-11")), Err(CaseError::Annulled));
    let appealed = decided.appeal(date("2026-03-12")).unwrap();
    assert_eq!(appealed.clone().appeal(date("2026-03-12")), Err(CaseError::Appealed));
    let reviewed = appealed.review(ruling(Outcome::Annulled, "2026-03-20")).unwrap();
    assert_eq!(reviewed.clone().review(upheld), Err(CaseError::Reviewed));
    assert_eq!(reviewed.clone().decide(upheld), Err(CaseError::Decided));
    assert_eq!(reviewed.appeal(date("2026-03-21")), Err(CaseError::Reviewed));
}

#[test]
fn every_deadline_has_its_day_and_is_overdue_the_day_after() {
    let due = |case: &Case| case.due().map(|due| (due.duty, due.by.to_string()));
    let open = case();
    assert_eq!(due(&open), Some((Duty::Decide, "2026-03-16".to_owned())));
    assert!(!open.due().unwrap().is_overdue(date("2026-03-16")));
    assert!(open.due().unwrap().is_overdue(date("2026-03-17")));
    let upheld = open.clone().decide(ruling(Outcome::Upheld, "2026-03-10")).unwrap();
    assert_eq!(due(&upheld), None);
    let appealed = upheld.appeal(date("2026-03-12")).unwrap();
    assert_eq!(due(&appealed), Some((Duty::Review, "2026-03-27".to_owned())));
    let reviewed = appealed.review(ruling(Outcome::Annulled, "2026-03-20")).unwrap();
    assert_eq!(due(&reviewed), Some((Duty::Correct, "2026-03-23".to_owned())));
    let ruled = |case: &Case| case.ruling().unwrap().days_to_correction(date("2026-03-30"));
    assert_eq!(ruled(&reviewed), 10);
    let done = reviewed.carried_out(date("2026-03-21")).carried_out(date("2026-03-29"));
    assert_eq!((due(&done), ruled(&done)), (None, 1));
}

#[test]
fn a_stay_lasts_until_the_time_to_appeal_is_over_and_throughout_an_appeal() {
    let (last, after) = (date("2026-03-25"), date("2026-03-26"));
    let decided = case().decide(ruling(Outcome::Upheld, "2026-03-10")).unwrap();
    assert!(case().contests(after, false));
    assert!(decided.contests(last, true) && !decided.contests(after, true) && !decided.contests(last, false));
    let appealed = decided.appeal(last).unwrap();
    assert!(appealed.contests(date("2027-01-01"), true) && appealed.contests(date("2027-01-01"), false));
    let reviewed = appealed.review(ruling(Outcome::Corrected, "2026-04-01")).unwrap();
    assert!(reviewed.contests(date("2026-04-02"), true));
    assert!(!reviewed.carried_out(date("2026-04-03")).contests(date("2026-04-03"), true));
}

#[test]
fn a_day_begins_at_midnight_of_the_list() {
    let at = |text: &str| text.parse::<Millis>().unwrap();
    assert_eq!(day_in("Asia/Shanghai", at("2026-11-21T15:59:59.999Z")), Some(date("2026-11-21")));
    assert_eq!(day_in("Asia/Shanghai", at("2026-11-21T16:00:00.000Z")), Some(date("2026-11-22")));
    assert_eq!(day_in("Nowhere/Else", at("2026-11-21T16:00:00.000Z")), None);
}
