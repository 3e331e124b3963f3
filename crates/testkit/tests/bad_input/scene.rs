//! A federation with one published list, what its databases hold, and whether anything panicked.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Row as _};
use tacit_model::{entropy::seeded_rng, generate::generate_uscc};
use tacit_testkit::{Federation, Options};
use tacit_wire::gateway::{Question, check_outcome::Outcome, list_answer::Answer};

pub(crate) const LIST: &str = "court/judgment-defaulters";

/// Panics of this process; the roles run in it.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// A federation, one code on its list and one that is not.
pub(crate) struct Scene {
    pub(crate) federation: Federation,
    pub(crate) listed: String,
    unlisted: String,
    panics: usize,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            before(info);
        }));
        let federation = Federation::start("procurement", Options::quick()).await.unwrap();
        let mut rng = seeded_rng([11; 32]);
        let codes: Vec<String> = (0..40).map(|_| generate_uscc(&mut rng)).collect();
        federation.publish(LIST, federation.records_csv(101, &codes[..20])).await.unwrap();
        let scene = Self {
            federation,
            listed: codes[3].clone(),
            unlisted: codes[30].clone(),
            panics: PANICS.load(Ordering::SeqCst),
        };
        // Both subjects are enrolled now, and every table of a check was used.
        scene.answers_as_before().await;
        // What a quorum stands behind is saved beside the checks, a moment later.
        for _ in 0..200 {
            if scene.rows("coordinator").await["log_cosigned"] == 1 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        scene
    }

    /// Both questions, asked anew, have the answers that they had.
    pub(crate) async fn answers_as_before(&self) {
        for (code, expected) in [(&self.listed, true), (&self.unlisted, false)] {
            let outcome = self.federation.ask("procurement", question(), code).await.unwrap();
            let Some(Outcome::Answers(answers)) = &outcome.outcome else { panic!("{outcome:?}") };
            let listed = match &answers.lists[0].answer {
                Some(Answer::Listed(_)) => true,
                Some(Answer::NotListed(_)) => false,
                other => panic!("{other:?}"),
            };
            assert_eq!(listed, expected);
        }
    }

    /// Rows of every table of a member's database.
    pub(crate) async fn rows(&self, member: &str) -> BTreeMap<String, i64> {
        sqlx::any::install_default_drivers();
        let path = self.federation.folder().join(format!("data/{member}.db"));
        let mut conn = AnyConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
        let names = sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name");
        let mut rows = BTreeMap::new();
        for name in names.fetch_all(&mut conn).await.unwrap() {
            let name: String = name.get(0);
            let count = sqlx::query(AssertSqlSafe(format!("SELECT COUNT(*) FROM \"{name}\"")));
            let count: i64 = count.fetch_one(&mut conn).await.unwrap().get(0);
            rows.insert(name, count);
        }
        assert!(rows.len() > 2, "{member}: {rows:?}");
        rows
    }

    /// Nothing was stored since `before`, nothing panicked, the log verifies, and questions are answered.
    pub(crate) async fn is_unharmed(&self, before: &[(&str, BTreeMap<String, i64>)]) {
        for (member, rows) in before {
            assert_eq!(&self.rows(member).await, rows, "{member} stored something");
        }
        self.answers_as_before().await;
        let log = self.federation.auditor("auditor-a").unwrap().verify(|_, _| {}).await.unwrap();
        assert_eq!(log.kinds["access"], 4, "two questions, asked twice");
        assert!(!log.kinds.contains_key("refused"), "{:?}", log.kinds);
        assert_eq!(PANICS.load(Ordering::SeqCst), self.panics, "something panicked");
    }
}

pub(crate) fn question() -> Question {
    Question {
        lists: vec![LIST.to_owned()],
        purpose: "screening".to_owned(),
        case_number: "T-1".to_owned(),
        officer: "li".to_owned(),
        scheme: String::new(),
    }
}
