//! A listing concerns one code and nobody else: not the people of a company, not the family of a person.

#![cfg(test)]

use tacit_model::{Reason, Schemes, entropy::seeded_rng, generate};
use tacit_testkit::{Federation, Options};
use tacit_wire::gateway::{Question, check_outcome::Outcome, list_answer::Answer};

const COMPANIES: &str = "court/judgment-defaulters";
const PERSONS: &str = "court/defaulting-persons";

/// The sample with a list of persons beside the one of companies, under the same agreement.
fn with_persons() -> Options {
    Options::quick().change(|sample| {
        let companies = sample.list.iter().find(|list| list.id.as_str() == COMPANIES).unwrap();
        let mut persons = companies.clone();
        persons.id = PERSONS.parse().unwrap();
        persons.scheme = "CN-RID".to_owned();
        let agreements = sample.agreement.iter_mut();
        let ours = agreements.filter(|it| *it.holder == *"court" && *it.requester == *"procurement");
        ours.for_each(|agreement| agreement.lists.push(persons.id.clone()));
        sample.list.push(persons);
    })
}

/// A valid number of somebody who was born on this day, `YYYYMMDD`.
fn born_on(day: &str, order: u16) -> String {
    let body = format!("110105{day}{order:03}");
    let check = generate::rid_check_character(body.as_bytes().try_into().unwrap()).unwrap();
    let code = format!("{body}{}", char::from(check));
    Schemes::built_in().parse_exact("CN-RID", &code).unwrap().expose_code().to_owned()
}

async fn is_listed(federation: &Federation, list: &str, code: &str) -> bool {
    let question = Question {
        lists: vec![list.to_owned()],
        purpose: "screening".to_owned(),
        case_number: "T-1".to_owned(),
        officer: "li".to_owned(),
        scheme: String::new(),
    };
    let outcome = federation.ask("procurement", question, code).await.unwrap();
    let Some(Outcome::Answers(answers)) = outcome.outcome else { panic!("{outcome:?}") };
    match &answers.lists[0].answer {
        Some(Answer::Listed(_)) => true,
        Some(Answer::NotListed(_)) => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listed_company_lists_nobody_who_acts_for_it_and_a_listed_parent_no_child() {
    let federation = Federation::start("procurement", with_persons()).await.unwrap();
    let mut rng = seeded_rng([41; 32]);
    let [company, other] = [0; 2].map(|_| generate::generate_uscc(&mut rng));
    // The company's legal representative; and a mother who is listed herself, her grown son and her daughter of ten.
    let representative = born_on("19700512", 21);
    let (mother, son, daughter) = (born_on("19850314", 22), born_on("20050601", 23), born_on("20160601", 24));

    federation.publish(COMPANIES, federation.records_csv(101, [&company])).await.unwrap();
    federation.publish(PERSONS, federation.records_csv(101, [&mother])).await.unwrap();
    assert!(is_listed(&federation, COMPANIES, &company).await);
    assert!(is_listed(&federation, PERSONS, &mother).await);
    for person in [&representative, &son, &daughter] {
        assert!(!is_listed(&federation, PERSONS, person).await);
    }

    // Nor the other way around: a listed representative lists no company.
    federation.publish(PERSONS, federation.records_csv(101, [&representative])).await.unwrap();
    assert!(is_listed(&federation, PERSONS, &representative).await);
    assert!(!is_listed(&federation, COMPANIES, &other).await);

    // And the child cannot be listed at all.
    let refused = federation.import(PERSONS, federation.records_csv(101, [&daughter])).await.unwrap();
    assert_eq!((refused.imported, refused.reasons[&Reason::SubjectUnderAge]), (0, 1));
    federation.seal(PERSONS).await.unwrap();
    assert!(!is_listed(&federation, PERSONS, &daughter).await);
    federation.shut_down().await.unwrap();
}
