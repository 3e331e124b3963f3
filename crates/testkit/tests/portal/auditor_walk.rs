//! Every page and form of the auditor desk, as those see them whom they are not for.

use http::StatusCode;
use tacit_client::{Found, What};
use tacit_portal::{Guard, Guarded};

use super::{
    auditor::{Desk, findings, hrefs},
    visitor::Visitor,
    walk::{Filling, Walked, walk},
};

/// Why a box is to be opened.
const GROUND: &str = "drawn by the sample of November";

/// A desk whose auditor looked at an entry.
pub(crate) struct Walk {
    pub(crate) desk: Desk,
    pub(crate) entry: String,
    asset: String,
    opening: String,
    finding: String,
}

impl Walk {
    pub(crate) async fn through(desk: Desk) -> Self {
        let mut me = desk.visitor();
        me.log_in("zhao").await;
        let page = desk.until(&mut me, "/en/log?decision=refused", "One entry").await;
        let (entry, asset) = (hrefs(&page, "/en/log/")[0].to_owned(), hrefs(&page, "/assets/")[0].to_owned());
        let form = [("csrf", &*page.csrf()), ("ground", GROUND)];
        let opening = me.post(&format!("{entry}/opening"), &form).await.to().to_owned();
        assert!(opening.starts_with("/en/openings/"), "{opening}");
        let found = Found::new(What::CaseFalse, "procurement", "1");
        let kept = findings(&desk.federation);
        kept.keep(desk.federation.clock().now(), &[found]).unwrap();
        let finding = format!("/en/findings/{}", kept.all().unwrap()[0].id);
        Self { desk, entry, asset, opening, finding }
    }
}

impl Walked for Walk {
    fn routes(&self) -> &[Guarded] {
        &self.desk.portal.desks()[0].routes
    }

    fn visitor(&self) -> Visitor {
        self.desk.visitor()
    }

    fn filling(&self, route: &Guarded) -> Option<Filling> {
        let path = route.path.replace("{language}", "en");
        Some(match route.path {
            "/" | "/healthz" | "/login/callback" | "/{language}/" | "/{language}/goodbye" => {
                Filling::of(path)
            }
            "/{language}/logout" | "/{language}/chain" | "/{language}/agreements" => Filling::of(path),
            "/{language}/consents" => Filling::of(path),
            "/{language}/log/{index}/follow" => Filling::of(format!("{}/follow", self.entry)),
            "/{language}/signals" | "/{language}/log" => Filling::of(path),
            "/assets/{hash}/{name}" => Filling::of(&self.asset),
            "/{language}/login" => Filling::of(path).form("account", "zhao"),
            "/{language}/export" => Filling::of(path).form("form", "csv").form("purpose", "screening"),
            "/{language}/log/{index}" => Filling::of(&self.entry),
            "/{language}/log/{index}/opening" => {
                Filling::of(format!("{}/opening", self.entry)).form("ground", "another ground")
            }
            "/{language}/log/{index}/case" => Filling::of(format!("{}/case", self.entry)).form("days", "3"),
            "/{language}/signals/findings" | "/{language}/openings" | "/{language}/cases" => {
                Filling::of(path)
            }
            "/{language}/openings/{opening}" => Filling::of(&self.opening),
            "/{language}/openings/{opening}/approve" => Filling::of(format!("{}/approve", self.opening)),
            "/{language}/openings/{opening}/read" => Filling::of(format!("{}/read", self.opening)),
            "/{language}/findings" | "/{language}/findings.csv" | "/{language}/findings.jsonl" => {
                Filling::of(path)
            }
            "/{language}/findings/{finding}" => Filling::of(&self.finding).form("status", "closed"),
            "/{language}/log/{index}/record" => Filling::of(format!("{}/record", self.entry)),
            "/{language}/log/{index}/proof" => Filling::of(format!("{}/proof", self.entry)),
            _ => return None,
        })
    }

    async fn insider(&self) -> Visitor {
        let mut zhao = self.visitor();
        zhao.log_in("zhao").await;
        zhao
    }

    /// What auditors see is the same for all of them.
    async fn other(&self) -> Option<Visitor> {
        None
    }

    async fn unfit(&self, guard: Guard) -> Vec<(Visitor, &'static str)> {
        panic!("{guard:?} is not of this desk")
    }

    fn refused(&self) -> Vec<&'static str> {
        vec!["chen"]
    }

    fn told_to_none_else(&self) -> Vec<String> {
        ["Screening of all registered suppliers", GROUND, "The case evidence is not that of the check"]
            .map(str::to_owned)
            .to_vec()
    }

    /// Whatever this desk does is on record, or among the findings.
    async fn state(&self, _: &mut Visitor) -> Vec<String> {
        let log = self.desk.federation.auditor("auditor-a").unwrap().verify(|_, _| {}).await.unwrap();
        let findings = findings(&self.desk.federation);
        vec![format!("{:?}", log.kinds), std::fs::read_to_string(findings.path()).unwrap()]
    }

    async fn change(&self, insider: &mut Visitor) {
        let csrf = insider.get("/en/").await.csrf();
        let counted = insider.post("/en/signals", &[("csrf", &csrf)]).await;
        assert_eq!(counted.status, StatusCode::SEE_OTHER, "{}", counted.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_and_form_of_the_auditor_desk_is_refused_to_whom_it_is_not_for() {
    walk(&Walk::through(Desk::start().await).await).await;
}
