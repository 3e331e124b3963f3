//! Every page and form of the officer desk, walked through.

use std::sync::Mutex;

use http::StatusCode;
use tacit_portal::{Guard, Guarded};

use crate::{
    officer::{ELIGIBILITY, SELECTION, Scene, TAX, ask, link, says, scene},
    officer_batch::{ended, press, upload},
    visitor::Visitor,
    walk::{Filling, Walked, masked, walk},
};

/// A desk at which somebody who decides asked, one by one and from a file, took a measure and asked for consent.
pub(crate) struct Walk {
    pub(crate) scene: Scene,
    /// The session that has the batch, until the walk takes it.
    batch: Mutex<Option<Visitor>>,
    receipt: String,
    new: String,
    lift: String,
    consent: String,
    asset: String,
}

const NONE: &str = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C";

impl Walk {
    pub(crate) async fn through(scene: Scene) -> Self {
        let mut sun = scene.officer("sun").await;
        let page = ask(&mut sun, &scene.listed, ELIGIBILITY, "T-17-walk").await;
        let (receipt, new) = (link(&page, "/en/checks/"), link(&page, "/en/measures/new?"));
        let form = sun.get(&new).await;
        let query = new.split_once('?').unwrap().1.replace('+', "%20");
        let fields = format!("csrf={}&decider=head&{query}", form.csrf());
        let done = sun.send(http::Method::POST, "/en/measures", Some(fields.into())).await;
        says(&done, &["Measure registered"]);
        let standing = sun.get("/en/measures").await;
        let lift = standing.text.split("action=\"").find(|it| it.starts_with("/en/measures/")).unwrap();
        let lift = lift.split('"').next().unwrap().to_owned();
        let csrf = ask(&mut sun, &scene.listed, SELECTION, "T-18").await.csrf();
        let form = [
            ("csrf", &*csrf),
            ("code", &*scene.listed),
            ("list", TAX),
            ("purpose", "vendor-selection"),
            ("case_number", "T-18"),
            ("days", "90"),
            ("times", "4"),
            ("unit", "MONTH"),
        ];
        let asked = sun.post("/en/consents", &form).await;
        assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
        upload(&mut sun, ELIGIBILITY, "T-20-walk", format!("code\n{}\n", scene.other).as_bytes()).await;
        press(&mut sun, "start").await;
        says(&ended(&mut sun).await, &["Answers of the batch", "T-20-walk"]);
        // The subject is told of the measure, a moment later.
        while !scene.kinds().await.contains_key("notice") {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let (consent, asset) = (asked.to().to_owned(), link(&standing, "/assets/"));
        Self { scene, batch: Mutex::new(Some(sun)), receipt, new, lift, consent, asset }
    }
}

impl Walked for Walk {
    fn routes(&self) -> &[Guarded] {
        &self.scene.portal.desks()[0].routes
    }

    fn visitor(&self) -> Visitor {
        Visitor::new(self.scene.portal.desks()[0].address)
    }

    fn filling(&self, route: &Guarded) -> Option<Filling> {
        let path = route.path.replace("{language}", "en");
        Some(match route.path {
            "/" | "/healthz" | "/login/callback" | "/{language}/" | "/{language}/goodbye" => {
                Filling::of(path)
            }
            "/{language}/logout" | "/{language}/checks" | "/{language}/node" => Filling::of(path),
            "/assets/{hash}/{name}" => Filling::of(&self.asset),
            "/{language}/login" => Filling::of(path).form("account", "sun"),
            "/{language}/batch/start" | "/{language}/batch/stop" => Filling::of(path),
            "/{language}/batch/forget" => Filling::of(path),
            "/{language}/check" => Filling::of(path)
                .form("code", &self.scene.listed)
                .form("choice", ELIGIBILITY)
                .form("case_number", "T-19"),
            "/{language}/batch" => Filling::of(path)
                .form("choice", ELIGIBILITY)
                .form("case_number", "T-19")
                .file(format!("code\n{}\n", self.scene.listed)),
            // There is none at the same address for who uploaded none.
            "/{language}/batch/results.csv" | "/{language}/batch/results.json" => {
                Filling::of(path.clone()).or(path)
            }
            "/{language}/checks/{record}/receipt" => {
                Filling::of(&self.receipt).or(format!("/en/checks/{NONE}/receipt"))
            }
            "/{language}/consents" => Filling::of(path)
                .form("code", &self.scene.other)
                .form("list", TAX)
                .form("purpose", "vendor-selection")
                .form("case_number", "T-19")
                .form("days", "90")
                .form("times", "4")
                .form("unit", "MONTH"),
            // The agency's, for all of its officers.
            "/{language}/consents/{consent}" => Filling::of(&self.consent),
            "/{language}/measures" => Filling::of(path).form("decider", "head"),
            "/{language}/measures/new" => Filling::of(&self.new),
            "/{language}/measures/{measure}/lift" => Filling::of(&self.lift).form("decider", "head"),
            // The token of this agency may not.
            "/{language}/cases" => Filling::of(path).refused_behind(),
            "/{language}/cases/{level}/{case}" => Filling::of(format!("/en/cases/objection/{NONE}"))
                .form("outcome", "annulled")
                .form("reasons", "r")
                .form("decided_by", "d")
                .refused_behind(),
            _ => return None,
        })
    }

    async fn insider(&self) -> Visitor {
        let batch = self.batch.lock().unwrap().take();
        if let Some(sun) = batch { sun } else { self.scene.officer("sun").await }
    }

    async fn other(&self) -> Option<Visitor> {
        Some(self.scene.officer("zhou").await)
    }

    async fn unfit(&self, guard: Guard) -> Vec<(Visitor, &'static str)> {
        assert_eq!(guard, Guard::Decides, "not of this desk");
        vec![(self.scene.officer("chen").await, "You cannot use this page")]
    }

    fn refused(&self) -> Vec<&'static str> {
        vec!["stranger"]
    }

    fn told_to_none_else(&self) -> Vec<String> {
        ["T-17-walk", "T-20-walk"].map(str::to_owned).to_vec()
    }

    async fn state(&self, insider: &mut Visitor) -> Vec<String> {
        let mut state = vec![format!("{:?}", self.scene.kinds().await)];
        for at in ["/en/checks", "/en/consents", "/en/measures?all=1", "/en/batch", &self.consent] {
            let page = insider.get(at).await;
            assert_eq!(page.status, StatusCode::OK, "{at}: {}", page.text);
            state.push(masked(&page));
        }
        state
    }

    async fn change(&self, insider: &mut Visitor) {
        let csrf = insider.get("/en/").await.csrf();
        says(&insider.post(&self.lift, &[("csrf", &csrf), ("decider", "head")]).await, &["Measure lifted"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_and_form_of_the_officer_desk_is_refused_to_whom_it_is_not_for() {
    walk(&Walk::through(scene().await).await).await;
}
