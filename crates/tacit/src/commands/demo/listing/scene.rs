//! What people and agencies do in the step about a listing, each at its own desk.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tacit_federation::{
    config::{AuditorFile, AuthorityFile, Environment, NodeFile, RoleFile as _},
    connect,
    desk::DeskClient,
    found::CLI_APPLICATION,
    run::Running,
};
use tacit_model::{Clock, ListId, Ulid, parse_ulid};
use tacit_node::{
    records::ImportOptions,
    redress::{NewRuling, Redress, Whose},
};
use tacit_policy::letter::{LetterText, Level, Outcome, limits};
use tacit_wire::gateway::{
    LiftMeasureRequest, ListMeasuresRequest, Measure, RegisterMeasureRequest, lift_measure_response,
    register_measure_response,
};

use super::super::{
    ahead::Ahead,
    ask::{Desk, Question, troubled},
    lists::wait_published,
    stage::Stage,
};
use crate::{cli::Context, exit::Failure, parties::DEADLINES};

/// Days between a notice and its effect in the sample.
pub(super) const NOTICE_DAYS: u64 = 10;
/// Days for which an answer may be kept in the sample.
pub(super) const ANSWER_DAYS: u64 = 7;
const SAMPLE: &str = "defaulters";
const LIST: &str = "court/judgment-defaulters";
const FINANCE: &str = "finance";
const PURPOSE: &str = "securities-firm-direction";
const CASE: &str = "APPOINTMENT-2026-07";
/// The worked example of GB 11643-1999: nobody's.
const CODE: &str = "11010519491231002X";
const OBJECTION: &str = "I have paid the whole sum.";
const APPEAL: &str = "It was paid to the bailiff.";
const REASONS: &str = "The receipt is what decides.";
/// What stands in letters and nowhere at the coordinator.
pub(super) const CANARIES: [&str; 4] = [OBJECTION, APPEAL, REASONS, CODE];
/// Who acts for the court, for the history.
const BY: &str = "demonstration";
/// How often something is looked for.
const POLL: Duration = Duration::from_millis(100);
/// How long something is waited for.
const PATIENCE: Duration = Duration::from_secs(90);

/// The federation of the step.
pub(super) struct Scene {
    stage: Stage,
    pub(super) clock: Arc<Ahead>,
}

/// Looks until there is something.
async fn until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() > end {
            return Err(Failure::trouble(format!("{what} did not come about in time")));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn list() -> Result<ListId, Failure> {
    LIST.parse().map_err(Failure::internal)
}

/// The letters of a kind.
fn letter(matters: &Value, kind: &str) -> Option<Value> {
    let letters = matters["letters"].as_array()?;
    letters.iter().find(|it| it["kind"] == kind && it["logtime"].is_string()).cloned()
}

impl Scene {
    pub(super) async fn open(context: &Context) -> Result<Self, Failure> {
        let clock = Arc::new(Ahead::of(Arc::clone(&context.clock)));
        let mut stage = Stage::aside(SAMPLE, Arc::clone(&clock) as Arc<dyn Clock>)?;
        stage.start().await?;
        let scene = Self { stage, clock };
        scene.post("/v1/users", json!({})).await?;
        Ok(scene)
    }

    /// What still runs.
    pub(super) fn close(&mut self) -> Vec<Running> {
        std::mem::take(&mut self.stage.roles)
    }

    fn shown(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    fn node(&self, member: &str) -> Result<NodeFile, Failure> {
        Ok(NodeFile::load(&self.stage.config(member), Environment::Ignored)?)
    }

    fn portal(&self) -> Result<DeskClient, Failure> {
        let file = AuthorityFile::load(&self.stage.config("portal"), Environment::Ignored)?;
        Ok(DeskClient::new(file.api.http, connect::desk_token(&file, CLI_APPLICATION)?))
    }

    /// What the portal says to the person.
    async fn post(&self, path: &str, mut body: Value) -> Result<Value, Failure> {
        body["scheme"] = json!("CN-RID");
        body["code"] = json!(CODE);
        let answer = self.portal()?.post(path, &body).await?;
        if answer.status == 200 { Ok(answer.body) } else { Err(Failure::internal(&answer.body["message"])) }
    }

    async fn redress(&self, member: &str) -> Result<Redress, Failure> {
        Ok(connect::redress(&self.node(member)?, &self.shown(), DEADLINES).await?)
    }

    /// The court decides to list, and tells nobody yet.
    pub(super) async fn import(&self) -> Result<(), Failure> {
        let (records, _) = connect::records(&self.node("court")?, &self.shown(), DEADLINES).await?;
        let decided = self.clock.now().to_rfc3339();
        let decided = decided.get(..10).unwrap_or_default();
        let head = "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on";
        let csv = format!("{head}\n{CODE},101,(2026) No. 17,{decided},,,\n");
        let options = ImportOptions { by: BY.to_owned(), source: String::new(), keep_rejections: 1 };
        let file = std::io::Cursor::new(csv.into_bytes());
        records.import(file, &list()?, &options, |_| ()).await?;
        Ok(())
    }

    /// Publishes what the court has decided by now, and asks: the word, and the record of the question.
    pub(super) async fn ask(&self) -> Result<(String, String), Failure> {
        let (records, _) = connect::records(&self.node("court")?, &self.shown(), DEADLINES).await?;
        wait_published(&records, &list()?).await?;
        let mut desk = Desk::of(&self.stage.config(FINANCE))?;
        // After days of silence the log waits for its witnesses first.
        until("an answer", async || {
            let told = desk.ask(Question { lists: &[LIST], purpose: PURPOSE, case: CASE }, CODE).await?;
            let record = told.lists.first().map(|it| it.record_id.clone());
            let word = told.word();
            let answered = word == "listed" || word == "not_listed";
            Ok(record.filter(|_| answered).map(|record| (word, record)))
        })
        .await
    }

    /// The court sends the notice; the letter as the person gets it.
    pub(super) async fn notify(&self) -> Result<Value, Failure> {
        self.redress("court").await?.notify(&list()?, Whose::Due, BY).await?;
        self.arrived("listing-notice").await
    }

    /// Waits for a letter to the person, or by it, that is in the log.
    async fn arrived(&self, kind: &str) -> Result<Value, Failure> {
        until(kind, async || Ok(letter(&self.post("/v1/matters", json!({})).await?, kind))).await
    }

    /// The supervision acts on the answer.
    pub(super) async fn register(&self, record: &str) -> Result<Measure, Failure> {
        let request = RegisterMeasureRequest {
            record_id: record.to_owned(),
            list_id: String::new(),
            measure: 1,
            until_ms: 0,
            decider: "head of the supervision".to_owned(),
        };
        let mut desk = Desk::of(&self.stage.config(FINANCE))?;
        let answer = desk.gateway().register_measure(request).await.map_err(troubled)?;
        let measure = match answer.into_inner().outcome {
            Some(register_measure_response::Outcome::Measure(measure)) => measure,
            Some(register_measure_response::Outcome::Refusal(refusal)) => {
                return Err(Failure::of_refusal("the coordinator", &refusal));
            }
            None => return Err(Failure::internal("the gateway sent an outcome of no kind")),
        };
        self.arrived("adverse-action").await?;
        Ok(measure)
    }

    /// The person objects; the court has the case.
    pub(super) async fn object(&self, notice: &Value) -> Result<Ulid, Failure> {
        let body = json!({ "notice": notice["letter"]["id"], "text": OBJECTION });
        let filed = self.post("/v1/objections", body).await?;
        let id = filed["objection"].as_str().and_then(parse_ulid);
        let id = id.ok_or_else(|| Failure::internal("an objection without an id"))?;
        self.case("court", Level::First, id, "open").await?;
        Ok(id)
    }

    /// Waits until a body's case stands so.
    async fn case(&self, member: &str, level: Level, id: Ulid, word: &str) -> Result<(), Failure> {
        let redress = self.redress(member).await?;
        until(word, async || {
            let case = redress.show(level, id).await?;
            Ok(case.filter(|it| it.case.word() == word).map(drop))
        })
        .await
    }

    pub(super) async fn decide(
        &self,
        member: &str,
        level: Level,
        objection: Ulid,
        outcome: Outcome,
    ) -> Result<(), Failure> {
        let text = |text: &str, limit| LetterText::new(text, limit).map_err(Failure::internal);
        let ruling = NewRuling {
            outcome,
            corrected: None,
            reasons: text(REASONS, limits::REASONS)?,
            by: text("Judge Li", limits::BY)?,
        };
        self.redress(member).await?.decide(level, objection, ruling).await?;
        Ok(())
    }

    /// The person appeals; the higher court has the case, and the court knows.
    pub(super) async fn appeal(&self, objection: Ulid) -> Result<(), Failure> {
        self.arrived("decision").await?;
        let body = json!({ "objection": objection.to_string(), "text": APPEAL });
        self.post("/v1/appeals", body).await?;
        self.case("higher-court", Level::Review, objection, "open").await?;
        self.case("court", Level::First, objection, "appealed").await
    }

    /// Waits until the person is told that the record is off the list.
    pub(super) async fn removed(&self) -> Result<(), Failure> {
        self.arrived("removal").await.map(drop)
    }

    /// Waits until the measure has no ground any more.
    pub(super) async fn due(&self, id: &str) -> Result<Measure, Failure> {
        let mut desk = Desk::of(&self.stage.config(FINANCE))?;
        until("another answer", async || {
            let request = ListMeasuresRequest { all: true, cursor: String::new(), limit: 0 };
            let measures =
                desk.gateway().list_measures(request).await.map_err(troubled)?.into_inner().measures;
            Ok(measures.into_iter().find(|it| it.measure_id == id && it.state == "due"))
        })
        .await
    }

    pub(super) async fn lift(&self, id: &str) -> Result<Measure, Failure> {
        let mut desk = Desk::of(&self.stage.config(FINANCE))?;
        let lifted = until("the lifting", async || {
            let request = LiftMeasureRequest { measure_id: id.to_owned(), decider: "the deputy".to_owned() };
            let answer = desk.gateway().lift_measure(request).await.map_err(troubled)?;
            Ok(match answer.into_inner().outcome {
                Some(lift_measure_response::Outcome::Measure(measure)) => Some(measure),
                _ => None,
            })
        })
        .await?;
        self.arrived("measure-lifted").await?;
        Ok(lifted)
    }

    /// Every letter, in the order of the log.
    pub(super) async fn letters(&self) -> Result<Vec<Value>, Failure> {
        let matters = self.post("/v1/matters", json!({})).await?;
        let mut letters = matters["letters"].as_array().cloned().unwrap_or_default();
        letters.sort_by_key(|letter| letter["logtime"].as_str().unwrap_or_default().to_owned());
        Ok(letters)
    }

    /// The records that the person sees of the supervision, all of them proven.
    pub(super) async fn seen(&self) -> Result<Vec<String>, Failure> {
        let (portal, now) = (self.portal()?, self.clock.now().to_rfc3339());
        until("a reading", async || {
            let beat = portal.get("/v1/heartbeat").await?.body;
            Ok(beat["as_of"].as_str().is_some_and(|as_of| *as_of > *now).then_some(()))
        })
        .await?;
        let usage = self.post("/v1/findUsage", json!({})).await?;
        let usages = usage["usage"].as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(unproven) = usages.iter().find(|it| it["proof"] != "verified") {
            return Err(Failure::trouble("a record is not proven").why(&unproven["record"]["id"]));
        }
        let of_finance = usages.iter().filter(|it| it["receiver"] == FINANCE);
        let mut ids: Vec<_> =
            of_finance.filter_map(|it| it["record"]["id"].as_str().map(str::to_owned)).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// The records that an auditor sees who follows the pseudonym of this record.
    pub(super) async fn followed(&self, record: &str) -> Result<Vec<String>, Failure> {
        let file = AuditorFile::load(&self.stage.config("auditor-a"), Environment::Ignored)?;
        let (clock, mut index) = (self.shown(), None);
        let reader = connect::auditor(&file, &clock, DEADLINES)?;
        let (auditor, _) = connect::auditing(&file, &clock, DEADLINES).await?;
        let size = reader.checkpoint().await?.size();
        reader
            .entries(0, size, |entry| -> Result<(), Failure> {
                if entry.record.as_ref().is_ok_and(|it| it.id() == record) {
                    index = Some(entry.index);
                }
                Ok(())
            })
            .await?;
        let index = index.ok_or_else(|| Failure::internal("the record is not in the log"))?;
        let followed = auditor.follow(index).await.map_err(Failure::internal)?;
        let mut ids: Vec<_> = followed.log.entries.iter().map(|it| it.record.id().to_owned()).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Which of the letters' words the coordinator's files hold: none.
    pub(super) fn found_at_the_coordinator(&self) -> Result<Vec<&'static str>, Failure> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.stage.folder.join("data"))? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if !name.starts_with("coordinator") || !path.is_file() {
                continue;
            }
            let bytes = fs::read(&path)?;
            let holds = |text: &&&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            found.extend(CANARIES.iter().filter(holds).copied());
        }
        Ok(found)
    }
}
