//! The auditor desk: boxes opened by two at their own desks, cases demanded and judged, and what was found.

use http::StatusCode;
use tacit_client::{Deadlines, FindingStatus, Found, What};
use tacit_federation::{
    config::{AuditorFile, Environment, RoleFile as _},
    connect,
    run::RunningPortal,
};
use tacit_model::{entropy::seeded_rng, generate::generate_uscc};

use super::{
    auditor::{Desk, findings, hrefs, portal_of},
    dressed,
    visitor::{Page, Visitor},
};

const GROUND: &str = "drawn by the sample of November";

/// A desk of each of the two auditors, with somebody logged in at each, and a check that was answered.
struct Two {
    desk: Desk,
    _other: RunningPortal,
    first: Visitor,
    second: Visitor,
    /// The address of the check's entry.
    entry: String,
    code: String,
}

impl Two {
    async fn start() -> Self {
        let desk = Desk::start().await;
        let other = portal_of(&desk.federation, "auditor-b").await;
        let (mut first, mut second) = (desk.visitor(), Visitor::new(other.desks()[0].address));
        first.log_in("zhao").await;
        second.log_in("zhao").await;
        let found = desk.until(&mut first, "/en/log?decision=permitted", "One entry").await;
        desk.until(&mut second, "/en/log?decision=permitted", "One entry").await;
        let entry = hrefs(&found, "/en/log/")[0].to_owned();
        let code = generate_uscc(&mut seeded_rng([79; 32]));
        Self { desk, _other: other, first, second, entry, code }
    }

    /// How many records of a kind the log has.
    async fn count(&self, kind: &str) -> u64 {
        let log = self.desk.federation.auditor("auditor-a").unwrap().verify(|_, _| {}).await.unwrap();
        log.kinds.get(kind).copied().unwrap_or_default()
    }
}

async fn post(who: &mut Visitor, path: &str, form: &[(&str, &str)]) -> Page {
    let secret = who.get("/en/").await.csrf();
    let page = who.post(path, &[&[("csrf", &*secret)], form].concat()).await;
    dressed(&page);
    page
}

fn says(page: &Page, words: &str) {
    assert!(page.text.contains(words), "{words:?} is not said: {} {}", page.status, page.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_box_is_opened_at_two_desks_and_at_neither_alone() {
    let mut two = Two::start().await;
    let form = format!("{}/opening", two.entry);
    let entry = two.first.get(&two.entry).await;
    assert_eq!(hrefs(&entry, &form), [form.as_str()]);
    says(&two.first.get(&form).await, "That you ask, with a commitment to the ground, is on record");
    // The holder of the second key does not ask: it sees no form, and the coordinator refuses it one.
    let theirs = two.second.get(&form).await;
    says(&theirs, "It approves what the first one asks for");
    assert!(!theirs.text.contains("name=\"ground\""), "{}", theirs.text);
    assert_eq!(post(&mut two.second, &form, &[("ground", GROUND)]).await.status, StatusCode::FORBIDDEN);
    // Without a ground, or with one too long, nothing is asked for.
    for ground in ["", " \r\n ", &"x".repeat(501), "a\u{7}b"] {
        let page = post(&mut two.first, &form, &[("ground", ground)]).await;
        says(&page, "Enter a ground of 1 to 500 characters");
    }
    assert_eq!(two.count("box-opened").await, 0);

    let asked = post(&mut two.first, &form, &[("ground", GROUND)]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    let opening = asked.to().to_owned();
    assert!(opening.starts_with("/en/openings/"), "{opening}");
    assert_eq!(two.count("box-opened").await, 1);
    // Who asked can neither approve nor read.
    let own = two.first.get(&opening).await;
    says(&own, "Waits for approval");
    says(&own, "You asked for it, so auditor-b decides");
    let (approve, read) = (format!("{opening}/approve"), format!("{opening}/read"));
    assert!(!own.text.contains(&approve) && !own.text.contains(&read), "{}", own.text);
    for step in [&approve, &read] {
        let page = post(&mut two.first, step, &[]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
        assert!(!page.text.contains(&two.code));
    }
    assert_eq!(two.count("box-opened").await, 1);

    // The second reads the ground and approves; it reads nothing of the box.
    let list = two.second.get("/en/openings").await;
    dressed(&list);
    for words in [GROUND, "Waits for this desk", "auditor-a", "procurement"] {
        says(&list, words);
    }
    assert_eq!(hrefs(&list, &opening), [opening.as_str()]);
    let page = two.second.get(&opening).await;
    says(&page, "Approve only if the ground justifies it.");
    says(&page, &format!("action=\"{approve}\""));
    assert_eq!(post(&mut two.second, &read, &[]).await.status, StatusCode::FORBIDDEN);
    let approved = post(&mut two.second, &approve, &[]).await;
    assert_eq!((approved.status, approved.to()), (StatusCode::SEE_OTHER, &*opening), "{}", approved.text);
    assert_eq!(two.count("box-opened").await, 2);
    let after = two.second.get(&opening).await;
    says(&after, "Approved, not read yet");
    assert!(!after.text.contains("<form method=\"post\" action=\"/en/openings"), "{}", after.text);
    assert_eq!(post(&mut two.second, &read, &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(two.count("box-opened").await, 2);

    // The first reads, once it was approved, and the reading is on record.
    says(&two.first.get("/en/openings").await, "Waits for this desk");
    let opened = post(&mut two.first, &read, &[("cases", "T-1\r\n2026-0417\r\n")]).await;
    assert_eq!(opened.status, StatusCode::OK, "{}", opened.text);
    for words in
        [&two.code, "2026-0417", "li.na", "Th = z·T hold", "The case is among the case files", "shown once"]
    {
        says(&opened, words);
    }
    assert_eq!(opened.headers["cache-control"], "no-store");
    assert_eq!(two.count("box-opened").await, 3);
    assert_eq!(findings(&two.desk.federation).all().unwrap(), []);
    // Another list of case files makes a finding of it, in the other language too, without a further record.
    let again = post(&mut two.first, &read.replace("/en/", "/zh/"), &[("cases", "T-1")]).await;
    says(&again, "箱中的案件不在该机构的案卷清单中");
    assert_eq!(two.count("box-opened").await, 3);
    let found = findings(&two.desk.federation).all().unwrap();
    assert_eq!((found.len(), found[0].what), (1, Some(What::BoxCaseUnlisted)));
    says(&two.first.get("/en/findings").await, "The case in the box is not among");

    // Nobody else reads the code: on no other page, in no file.
    for who in [&mut two.first, &mut two.second] {
        for path in ["/en/openings", "/en/findings", "/en/findings.csv", "/en/findings.jsonl", &opening] {
            let page = who.get(path).await;
            assert_eq!(page.status, StatusCode::OK, "{path}");
            assert!(!page.text.contains(&two.code) && !page.text.contains("li.na"), "{path}");
        }
    }
    for entry in std::fs::read_dir(two.desk.federation.folder().join("data")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.contains("web") || name.contains("auditor-") {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains(&two.code), "{name}");
        }
    }
    for none in ["/en/openings/x", "/en/openings/01KAM2V7Q3ZJ6V6T1V8M3W9R5C"] {
        assert_eq!(two.first.get(none).await.status, StatusCode::NOT_FOUND, "{none}");
        assert_eq!(post(&mut two.first, &format!("{none}/read"), &[]).await.status, StatusCode::NOT_FOUND);
    }
    // A record that is of no check has no box and no case.
    for none in ["/en/log/0/opening", "/en/log/99999999/opening", "/en/log/0/case", "/en/log/x/case"] {
        assert_eq!(two.first.get(none).await.status, StatusCode::NOT_FOUND, "{none}");
        let page = post(&mut two.first, none, &[("ground", GROUND), ("days", "3")]).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{none}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_is_demanded_at_the_desk_answered_by_itself_and_judged_by_a_form() {
    let mut two = Two::start().await;
    let form = format!("{}/case", two.entry);
    says(&two.first.get("/en/cases").await, "Nothing was demanded.");
    says(&two.first.get(&form).await, "procurement hands over the case number");
    for days in ["", "0", "31", "x"] {
        says(&post(&mut two.first, &form, &[("days", days)]).await, "Enter a number of days from 1 to 30");
    }
    assert_eq!(two.count("demand").await, 0);
    let demanded = post(&mut two.first, &form, &[("days", "3")]).await;
    assert_eq!((demanded.status, demanded.to()), (StatusCode::SEE_OTHER, "/en/cases"), "{}", demanded.text);
    assert_eq!(two.count("demand").await, 1);
    // The requester's node answers without anybody's doing; a page that is opened opens no answer.
    let answered = two.desk.until(&mut two.first, "/en/cases", "Answered, not read yet").await;
    dressed(&answered);
    assert!(!answered.text.contains("2026-0417") && !answered.text.contains("li.na"), "{}", answered.text);
    let judged = post(&mut two.first, "/en/cases", &[]).await;
    for words in ["2026-0417", "li.na", "it opens the commitment in the record", "Nothing was found"] {
        says(&judged, words);
    }
    assert_eq!(findings(&two.desk.federation).all().unwrap(), []);
    // It is the auditor's alone: the other one did not demand it and sees nothing of it.
    says(&two.second.get("/en/cases").await, "Nothing was demanded.");
    // A case that the agency does not have is a finding, kept once.
    for _ in 0..2 {
        let judged = post(&mut two.first, "/en/cases", &[("cases", "T-1")]).await;
        says(&judged, "One finding.");
        says(&judged, "The case number is not among the agency’s case files.");
    }
    assert_eq!(two.count("demand").await, 1);

    // Who does not answer in time is overdue, which is a finding too.
    two.desk.federation.stop("procurement").await.unwrap();
    let file = AuditorFile::load(&two.desk.federation.config("auditor-a"), Environment::Ignored).unwrap();
    let deadlines = Deadlines { call_ms: 10_000, patience_ms: 20_000 };
    let (auditor, _) = connect::auditing(&file, two.desk.federation.clock(), deadlines).await.unwrap();
    let refused = two.first.get("/en/log?decision=refused").await;
    let index = hrefs(&refused, "/en/log/")[0].rsplit('/').next().unwrap().parse().unwrap();
    auditor.demand_case(index, 1).await.unwrap();
    two.desk.until(&mut two.first, "/en/cases", "Overdue: no answer in time").await;
    says(&post(&mut two.first, "/zh/cases", &[]).await, "该机构未在期限内答复要求");
    let found = findings(&two.desk.federation).all().unwrap();
    let found: Vec<_> = found.iter().filter_map(|it| it.what).collect();
    assert_eq!(found, [What::CaseUnlisted, What::Overdue]);
    let text = std::fs::read_to_string(findings(&two.desk.federation).path()).unwrap();
    assert!(!text.contains("2026-0417") && !text.contains("li.na"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn findings_are_listed_followed_up_and_taken_away_as_they_stand_in_the_file() {
    let desk = Desk::start().await;
    let mut me = desk.visitor();
    me.log_in("zhao").await;
    let permitted = desk.until(&mut me, "/en/log?decision=permitted", "One entry").await;
    let entry = hrefs(&permitted, "/en/log/")[0].to_owned();
    says(&me.get("/en/findings").await, "There are no findings of this kind.");
    let file = findings(&desk.federation);
    let index = entry.rsplit('/').next().unwrap();
    let odd = Found { text: "=1+1".to_owned(), ..Found::new(What::CaseFalse, "tax", "nowhere") };
    let seen = Found::new(What::HoneyAsked { index: 7 }, "procurement", index);
    file.keep(desk.federation.clock().now(), &[odd, seen]).unwrap();
    let page = me.get("/en/findings").await;
    dressed(&page);
    for words in ["2 findings, newest first.", "in log entry 7", "Code that nobody has"] {
        says(&page, words);
    }
    assert_eq!(hrefs(&page, &entry), [entry.as_str()]);
    says(&me.get("/zh/findings").await, "无人使用的代码");

    // One is followed up.
    let one = hrefs(&page, "/en/findings/")[0].to_owned();
    says(&me.get(&one).await, "in log entry 7");
    says(&post(&mut me, &one, &[("note", "explained")]).await, "Choose a status");
    let long = "x".repeat(501);
    let kept = post(&mut me, &one, &[("status", "answered"), ("note", &long)]).await;
    says(&kept, "Shorten the note");
    says(&kept, "value=\"answered\" checked");
    assert!(file.all().unwrap().iter().all(|it| it.said.is_empty()), "nothing was said yet");
    let set = post(&mut me, &one, &[("status", "answered"), ("note", "explained by letter")]).await;
    assert_eq!((set.status, set.to()), (StatusCode::SEE_OTHER, &*one), "{}", set.text);
    says(&me.get(&one).await, "explained by letter");
    for (status, found) in [("open", "One finding"), ("answered", "One finding"), ("closed", "no findings")] {
        says(&me.get(&format!("/en/findings?status={status}")).await, found);
    }
    let all = file.all().unwrap();
    assert_eq!((all[1].status, &*all[1].said[0].2), (FindingStatus::Answered, "explained by letter"));

    // What is taken away is what is kept, and a spreadsheet takes nothing of it for a formula.
    let text = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(me.get("/en/findings.jsonl").await.text, text);
    let csv = me.get("/en/findings.csv").await;
    assert!(csv.text.starts_with("id,found,kind,member,record,status,text,said\n"), "{}", csv.text);
    assert!(csv.text.contains(",'=1+1,") && csv.text.contains("explained by letter"), "{}", csv.text);
    assert_eq!(me.get("/en/findings.jsonl?status=open").await.text.lines().count(), 1);
    for none in ["/en/findings/x", "/en/findings/01KAM2V7Q3ZJ6V6T1V8M3W9R5C"] {
        assert_eq!(me.get(none).await.status, StatusCode::NOT_FOUND, "{none}");
        let page = post(&mut me, none, &[("status", "closed")]).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{none}");
    }
    // A file that cannot be read says so and is not written over.
    std::fs::write(file.path(), "{}\n").unwrap();
    assert_eq!(me.get("/en/findings").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    let page = post(&mut me, &one, &[("status", "closed")]).await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "{}\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_without_its_auditors_keys_says_which_are_missing_and_one_with_a_broken_key_does_not_start() {
    let federation = super::auditor::asked().await;
    let config = federation.config("auditor-a");
    let text = std::fs::read_to_string(&config).unwrap();
    let bare: Vec<&str> = text.lines().filter(|line| !line.starts_with("signing = ")).collect();
    assert!(bare.len() < text.lines().count(), "{text}");
    std::fs::write(&config, bare.join("\n")).unwrap();
    let portal = portal_of(&federation, "auditor-a").await;
    let mut me = Visitor::new(portal.desks()[0].address);
    me.log_in("zhao").await;
    let mut page = me.get("/en/openings").await;
    while page.status == StatusCode::SERVICE_UNAVAILABLE {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        page = me.get("/en/openings").await;
    }
    says(&page, "keys.box and keys.signing");
    portal.stop().await;
    let broken = text.replace("auditor-a-signing.seed", "auditor-a-nothing.seed");
    std::fs::write(&config, broken).unwrap();
    let surroundings = tacit_federation::run::Surroundings::new(federation.clock().clone());
    let web = federation.folder().join("audit-web.toml");
    let started =
        tacit_federation::run::start_portal(&web, Environment::Ignored, &surroundings).await.unwrap_err();
    assert!(started.to_string().contains("keys.signing of auditor-a"), "{started}");
}
