//! Cases for tests of what shows and decides them, in a database of their own.

use std::{path::Path, sync::Arc};

use tacit_model::{Clock, ManualClock, MemberId, Millis, Ulid};
use tacit_policy::{
    Registry,
    letter::{Body, Case, Letter, LetterText, Level, Objection, Whom, limits},
};

use super::{Redress, kept::KeptCase};
use crate::store::{begin, redress as store};

/// A member's redress in a database that holds nothing yet.
pub(crate) async fn redress(
    folder: &Path,
    registry: Arc<Registry>,
    member: &str,
    clock: &ManualClock,
) -> Redress {
    let db = crate::store::open(&tacit_store::conformance::url(folder, member)).await.unwrap();
    let member: MemberId = member.parse().unwrap();
    Redress::new(db, &[5; 32], registry, member, Arc::new(clock.clone()))
}

impl Redress {
    /// A case that began at a time, with the letter that it answers to; `over` when nothing is left to be done.
    pub(crate) async fn begun(&self, level: Level, list: &str, code: &str, at: Millis, over: bool) -> Ulid {
        let list = list.parse().unwrap();
        let scheme = self.list(&list).unwrap().scheme.clone();
        let about = Whom { scheme, code: code.to_owned() };
        let mut conn = self.db.write().await.unwrap();
        let mut tx = begin(&mut conn).await.unwrap();
        let text = LetterText::new("I have paid.", limits::OBJECTION).unwrap();
        let body = Body::Objection(Objection { list: list.clone(), text, handed_in: None });
        let id = tacit_model::new_ulid(at, &mut tacit_model::entropy::os_rng());
        let key = self.case_key(level, id);
        let day = self.day(self.list(&list).unwrap(), at).unwrap();
        let case = Case::begin(id, level, list, about.clone(), day);
        let sealed = self.seal(&key, &KeptCase { case, ruled_ms: 0 }).unwrap();
        store::add_case(&mut tx, &key, level.as_str(), at, &sealed).await.unwrap();
        if over {
            store::set_case(&mut tx, &key, true, &sealed).await.unwrap();
        }
        self.hand_over(&mut tx, Some(&key), &Letter::new(id, None, self.clock.now(), about, body))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        id
    }
}
