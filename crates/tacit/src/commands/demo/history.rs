//! Step 2: three days of ordinary work, by a clock that was set back beforehand, so that the web has something to show.

use std::sync::Arc;

use serde_json::{Value, json};
use tacit_federation::{
    config::{AuthorityFile, Environment, RoleFile as _},
    connect,
    desk::DeskClient,
    found::CLI_APPLICATION,
};

use super::{
    COURT_LIST, ELIGIBILITY, Narrator, PORTAL, PROCUREMENT, TAX_LIST, VENDOR_SELECTION,
    ahead::Ahead,
    ask::{Desk, Question},
    lists::{Made, publish, wait_published},
    narrator::plural,
    person,
    report::Step,
    stage::Stage,
};
use crate::{cli::Context, exit::Failure, parties};

/// How far back the clock is set, in hours.
pub(super) const HOURS: u64 = 72;
/// How many records of each file the lists have in these days.
const RECORDS: usize = 60;
/// Officers, as their desk knows them by their accounts.
const WANG: &str = "wang.fang";
const ZHAO: &str = "zhao.lei";
/// What the company is shown before it allows.
const NOTICE: &str = "The public procurement office may check whether you are on the list of serious tax violations, to \
    choose among bidders. You can withdraw this at any time.";

/// A company at the web, and somebody who is asked about beside it.
pub(super) struct Around {
    /// On the court's list from the beginning.
    pub(super) company: String,
    pub(super) other: String,
}

/// What happens at some hour.
enum Deed {
    /// An officer asks; in the end, the word that comes back.
    Ask {
        officer: &'static str,
        about: About,
        list: &'static str,
        purpose: &'static str,
        case: &'static str,
        says: &'static str,
    },
    /// The company is asked for its consent.
    Request,
    /// It allows that.
    Allow,
    /// It asks a list about itself.
    Own,
}

#[derive(Clone, Copy)]
enum About {
    Company,
    Other,
}

const fn ask(
    officer: &'static str,
    about: About,
    list: &'static str,
    purpose: &'static str,
    case: &'static str,
    says: &'static str,
) -> Deed {
    Deed::Ask { officer, about, list, purpose, case, says }
}

/// The days, in hours since their beginning. The last hours are left to the steps that follow.
const DAYS: [(u64, Deed); 11] = [
    (1, ask(WANG, About::Company, COURT_LIST, ELIGIBILITY, "TENDER-2026-0129", "listed")),
    (2, ask(WANG, About::Other, COURT_LIST, ELIGIBILITY, "TENDER-2026-0129", "not_listed")),
    (4, ask(ZHAO, About::Company, TAX_LIST, VENDOR_SELECTION, "TENDER-2026-0131", "consent_required")),
    (5, Deed::Request),
    (21, Deed::Own),
    (22, Deed::Allow),
    (26, ask(ZHAO, About::Company, TAX_LIST, VENDOR_SELECTION, "TENDER-2026-0131", "not_listed")),
    (28, ask(WANG, About::Company, COURT_LIST, "debt-collection", "TENDER-2026-0133", "not_permitted")),
    (30, ask(WANG, About::Company, COURT_LIST, "screening", "SCREENING-2026-11", "listed")),
    (45, ask(ZHAO, About::Other, TAX_LIST, ELIGIBILITY, "TENDER-2026-0136", "not_listed")),
    (46, ask(ZHAO, About::Company, TAX_LIST, ELIGIBILITY, "TENDER-2026-0136", "not_listed")),
];

/// The portal's interface, as the web uses it.
struct Company<'a> {
    desk: DeskClient,
    code: &'a str,
}

impl Company<'_> {
    async fn post(&self, path: &str, mut body: Value) -> Result<Value, Failure> {
        body["code"] = json!(self.code);
        let answer = self.desk.post(path, &body).await?;
        if answer.status == 200 { Ok(answer.body) } else { Err(Failure::internal(&answer.body["message"])) }
    }
}

/// Lives through the days. Gives how many answers there were.
pub(super) async fn live(
    context: &Context,
    narrator: &mut Narrator,
    stage: &Stage,
    made: &[Made],
    around: &Around,
    clock: &Arc<Ahead>,
) -> Result<(Step, u64), Failure> {
    narrator.step("Three days pass");
    narrator.say(
        "The clock of this federation began three days ago, with short lists, and is now set to today: the time that \
         passes is made up, the questions, keys and proofs are not. What happened is on the web at the end.",
    );
    narrator.gap();
    for made in made {
        publish(context, &stage.folder, &made.first(RECORDS)?).await?;
    }
    let file = AuthorityFile::load(&stage.config(PORTAL), Environment::Ignored)?;
    let desk = DeskClient::new(file.api.http, connect::desk_token(&file, CLI_APPLICATION)?);
    let company = Company { desk, code: &around.company };
    company.post("/v1/users", json!({ "scheme": "CN-USCC" })).await?;
    let mut office = Desk::of(&stage.config(PROCUREMENT))?;
    let (mut hour, mut consent, mut answers) = (0, None, 0);
    let (mut said, mut wanted) = (Vec::new(), Vec::new());
    for (at, deed) in &DAYS {
        clock.pass_hours(at - hour);
        if at / 24 != hour / 24 {
            // Each day's lists are sealed anew.
            for made in made {
                let (records, ..) = parties::records(context, &stage.config(made.holder)).await?;
                wait_published(&records, &made.list).await?;
            }
        }
        hour = *at;
        match deed {
            Deed::Ask { officer, about, list, purpose, case, says } => {
                let code = match about {
                    About::Company => &around.company,
                    About::Other => &around.other,
                };
                let question = Question { lists: &[list], purpose, case };
                let told = office.ask_as(officer, question, code).await?;
                answers += told.answers();
                said.push(told.word());
                wanted.push((*says).to_owned());
            }
            Deed::Request => {
                let asked =
                    office.ask_consent(&around.company, TAX_LIST, VENDOR_SELECTION, 90, "4 MONTH").await?;
                consent = Some(asked.consent_id);
            }
            Deed::Allow => {
                person::read(&company.desk, &*context.clock).await?;
                let id = consent.clone().ok_or_else(|| Failure::internal("no consent was asked for"))?;
                let allowed = json!({ "scheme": "CN-USCC", "shown": { "language": "en", "text": NOTICE } });
                company.post(&format!("/v1/requests/{id}/allow"), allowed).await?;
            }
            Deed::Own => {
                company.post("/v1/checks", json!({ "list": COURT_LIST })).await?;
                answers += 1;
            }
        }
    }
    // The lists of today are imported next, at today's time.
    clock.pass_hours(HOURS - hour);
    narrator.value("asked", &plural(said.len() as u64, "question"));
    narrator.value("clock", "set to today");
    let outcome = if said == wanted { "lived" } else { "otherwise" };
    Ok((Step::of("history", "lived", outcome, json!({ "said": said, "answers": answers })), answers))
}
