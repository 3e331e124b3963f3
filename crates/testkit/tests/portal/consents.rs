//! Own checks and consents at the subject desk, and what follows for who asks.

use http::StatusCode;
use tacit_testkit::word;
use tacit_wire::gateway::{AskConsentRequest, Question, ask_consent_response::Outcome as Asked};

use super::{COURT, scene};

const TAX: &str = "tax/serious-violations";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_asks_lists_about_themself_and_reads_what_listing_means() {
    let scene = scene().await;
    let mut me = scene.visitor();
    me.log_in("paper").await;
    let lists = me.get("/en/lists").await;
    assert_eq!(lists.status, StatusCode::OK, "{}", lists.text);
    assert!(
        lists.text.contains("Judgment defaulters") && lists.text.contains("Ask all lists"),
        "{}",
        lists.text
    );
    let secret = lists.csrf();
    let said = me.post("/en/lists/check", &[("csrf", &secret), ("list", COURT)]).await;
    assert_eq!(said.status, StatusCode::OK, "{}", said.text);
    assert!(said.text.contains("On the list “Judgment defaulters"), "{}", said.text);
    assert!(said.text.contains("Reference, for a written objection"), "{}", said.text);
    assert!(said.text.contains("href=\"/zh/lists\""), "an answer is not asked for by a link: {}", said.text);
    // Another person is not on it, and an answer is about one list.
    let mut other = scene.visitor();
    other.log_in("agent").await;
    let theirs = other.get("/zh/lists").await.csrf();
    let said = other.post("/zh/lists/check", &[("csrf", &theirs), ("list", COURT)]).await;
    assert!(said.text.contains("不在名单“") && said.text.contains("这不说明其他名单的情况"), "{}", said.text);
    // No list, one that there is not, and one without the secret.
    assert_eq!(me.post("/en/lists/check", &[("csrf", &secret)]).await.status, StatusCode::BAD_REQUEST);
    let unknown = me.post("/en/lists/check", &[("csrf", &secret), ("list", "court/nothing")]).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(me.post("/en/lists/check", &[("list", COURT)]).await.status, StatusCode::FORBIDDEN);
    let list = me.get(&format!("/en/lists/{COURT}")).await;
    for words in ["How one leaves it", "Where to object", "An answer is not a decision."] {
        assert!(list.text.contains(words), "{words}: {}", list.text);
    }
    assert_eq!(me.get("/en/lists/court/nothing").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_allowed_in_part_and_withdrawn_at_the_desk_and_the_next_check_is_refused() {
    let scene = scene().await;
    let check = async || {
        let question = Question {
            lists: vec![TAX.to_owned()],
            purpose: "vendor-selection".to_owned(),
            case_number: "T-1".to_owned(),
            officer: "li".to_owned(),
            ..Question::default()
        };
        let outcome = scene.federation.ask("procurement", question, &scene.codes[0]).await.unwrap();
        word(&outcome).unwrap_or_else(|| panic!("{outcome:?}")).to_owned()
    };
    scene.federation.publish(TAX, scene.federation.records_csv(201, &scene.codes[1..])).await.unwrap();
    let mut me = scene.visitor();
    me.log_in("paper").await;
    assert!(me.get("/en/consents").await.text.contains("Nobody may ask with your consent."));
    let request = AskConsentRequest {
        code: scene.codes[0].clone(),
        lists: vec![TAX.to_owned()],
        purposes: vec!["vendor-selection".to_owned()],
        days: 60,
        frequency: "9 DAY".to_owned(),
        officer: "li".to_owned(),
        ..AskConsentRequest::default()
    };
    let answer = scene.federation.gateway("procurement").unwrap().ask_consent(request).await.unwrap();
    let Some(Asked::Asked(asked)) = answer.into_inner().outcome else { panic!("it was asked for") };
    let id = asked.consent_id;
    scene.federation.read_anew("portal").await.unwrap();
    let consents = me.get("/en/consents").await;
    assert!(consents.text.contains("Public procurement office asks for your consent"), "{}", consents.text);
    let page = me.get(&format!("/en/requests/{id}")).await;
    assert!(!page.text.contains("checked"), "nothing is ticked beforehand: {}", page.text);
    let secret = page.csrf();

    // Nothing chosen, and something that was not asked for.
    let allow = format!("/en/requests/{id}/allow");
    for (wrong, says, ticked) in [
        (vec![], "Choose for how long", 0),
        (vec![("list", TAX), ("days", "30")], "Choose at least one purpose", 2),
        (
            vec![("list", COURT), ("purpose", "vendor-selection"), ("days", "30")],
            "Choose at least one list",
            2,
        ),
    ] {
        let mut form = vec![("csrf", &*secret)];
        form.extend(wrong);
        let page = me.post(&allow, &form).await;
        assert!(page.text.contains("There is a problem") && page.text.contains(says), "{}", page.text);
        // What the person ticked stays so; nothing else is.
        assert_eq!(page.text.matches(" checked").count(), ticked, "{}", page.text);
    }
    // Another person's request is none.
    let mut other = scene.visitor();
    other.log_in("agent").await;
    let theirs = other.get("/en/consents").await.csrf();
    let form = [("csrf", &*theirs), ("list", TAX), ("purpose", "vendor-selection"), ("days", "30")];
    assert_eq!(other.post(&allow, &form).await.status, StatusCode::NOT_FOUND);
    assert_eq!(check().await, "consent_required");

    let form = [("csrf", &*secret), ("list", TAX), ("purpose", "vendor-selection"), ("days", "30")];
    let page = me.post(&allow, &form).await;
    assert!(page.text.contains("Your consent is in force"), "{}", page.text);
    assert_eq!(check().await, "not_listed");
    let receipt = me.get(&format!("/en/consents/{id}/receipt")).await;
    assert!(receipt.text.contains("schema_version"), "{}", receipt.text);
    // Asked once, then taken back.
    let ask = me.get(&format!("/en/consents/{id}/withdraw")).await;
    assert!(ask.text.contains("Answers already given stay"), "{}", ask.text);
    let page = me.post(&format!("/en/consents/{id}/withdraw"), &[("csrf", &secret)]).await;
    assert!(page.text.contains("Your consent is withdrawn"), "{}", page.text);
    assert_eq!(check().await, "consent_required");
    assert_eq!(me.get(&format!("/en/consents/{id}/withdraw")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(other.get(&format!("/en/consents/{id}")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_of_ones_own_accord_is_read_before_it_is_given_and_confirmed_again() {
    let scene = scene().await;
    let check = async || {
        let question = Question {
            lists: vec![TAX.to_owned()],
            purpose: "vendor-selection".to_owned(),
            case_number: "T-2".to_owned(),
            officer: "li".to_owned(),
            ..Question::default()
        };
        let outcome = scene.federation.ask("procurement", question, &scene.codes[0]).await.unwrap();
        word(&outcome).unwrap_or_else(|| panic!("{outcome:?}")).to_owned()
    };
    scene.federation.publish(TAX, scene.federation.records_csv(201, &scene.codes[1..])).await.unwrap();
    let mut me = scene.visitor();
    me.log_in("paper").await;
    assert_eq!(check().await, "consent_required");
    let start = me.get("/en/consents/new").await;
    let href = start.text.split("href=\"").filter(|rest| rest.starts_with("/en/consents/new?agreement="));
    let href = href.map(|rest| rest.split('"').next().unwrap().to_owned());
    let mut found = None;
    for href in href {
        let page = me.get(&href).await;
        if page.text.contains(&format!("value=\"{TAX}\"")) && page.text.contains("vendor-selection") {
            found = Some((href, page));
        }
    }
    let (href, page) = found.expect("an agreement that needs consent");
    assert!(!page.text.contains("checked"), "nothing is ticked beforehand: {}", page.text);
    let short = me.get(&format!("{href}&review=yes&list={TAX}&days=30")).await;
    assert!(short.text.contains("Choose at least one purpose"), "{}", short.text);
    assert!(short.text.contains("Choose how often at most"), "{}", short.text);
    assert!(!short.text.contains("Choose at least one list"), "{}", short.text);
    assert!(!short.text.contains(" checked"), "nothing is ticked by a link: {}", short.text);
    let chosen = format!("{href}&review=yes&list={TAX}&purpose=vendor-selection&frequency=1%20DAY&days=30");
    let review = me.get(&chosen).await;
    assert!(
        review.text.contains("Give this consent?") && review.text.contains("You allow"),
        "{}",
        review.text
    );
    assert_eq!(check().await, "consent_required", "an address changes nothing");

    // What the page carries, and the same once more: one consent.
    let secret = review.csrf();
    let fields: Vec<(String, String)> = ["id", "agreement", "list", "purpose", "frequency", "expires"]
        .into_iter()
        .map(|name| {
            let (_, rest) = review.text.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
            (name.to_owned(), rest.split('"').next().unwrap().to_owned())
        })
        .collect();
    let mut form: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(me.post("/en/consents/new", &form).await.status, StatusCode::FORBIDDEN, "without the secret");
    form.push(("csrf", &secret));
    for _ in 0..2 {
        let given = me.post("/en/consents/new", &form).await;
        assert!(given.text.contains("Your consent is in force"), "{}", given.text);
    }
    assert_eq!(check().await, "not_listed");
    let consents = me.get("/en/consents").await;
    assert_eq!(consents.text.matches(&format!("href=\"/en/consents/{}\"", fields[0].1)).count(), 1);

    let renew = format!("/en/consents/{}/renew", fields[0].1);
    assert!(me.get(&renew).await.text.contains("Confirm this consent again?"));
    let none = me.post(&renew, &[("csrf", &secret)]).await;
    assert!(none.text.contains("Choose for how long"), "{}", none.text);
    let renewed = me.post(&renew, &[("csrf", &secret), ("days", "365")]).await;
    assert!(renewed.text.contains("Your consent is in force, confirmed again"), "{}", renewed.text);
    assert_eq!(me.get(&renew).await.status, StatusCode::NOT_FOUND, "it cannot end later than that");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_favorable_list_is_joined_and_left_at_the_desk_and_an_adverse_one_is_not() {
    let scene = scene().await;
    let mut me = scene.visitor();
    me.log_in("paper").await;
    let list = me.get("/en/lists/tax/trusted-taxpayers").await;
    assert!(list.text.contains("I consent to stand on it"), "{}", list.text);
    let secret = list.csrf();
    let join = "/en/lists/tax/trusted-taxpayers/join";
    for (given, says) in [("yes", "You consent to stand on"), ("no", "You do not consent to stand on")] {
        let page = me.post(join, &[("csrf", &secret), ("given", given)]).await;
        assert!(page.text.contains(says) && page.text.contains("It goes to: Tax authority"), "{}", page.text);
    }
    assert_eq!(me.post(join, &[("csrf", &secret)]).await.status, StatusCode::BAD_REQUEST);
    let adverse = me.post(&format!("/en/lists/{COURT}/join"), &[("csrf", &secret), ("given", "yes")]).await;
    assert_eq!(adverse.status, StatusCode::NOT_FOUND);
}
