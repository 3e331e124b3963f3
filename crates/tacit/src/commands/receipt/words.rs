//! What a receipt proves and what it does not, in plain words and for machines.

use serde_json::{Value, json};
use tacit_blind::table::Label;
use tacit_client::{Proven, ProvenAnswer, Receipt, Witnessed};
use tacit_model::{Basis, Millis};
use tacit_node::records::{FLAG_CONTESTED, format_day};

use super::keys::Keys;
use crate::commands::check::NOTICE;

/// A receipt that was verified.
pub(super) struct Told<'a> {
    pub(super) proven: Proven,
    pub(super) receipt: &'a Receipt,
    pub(super) keys: &'a Keys,
    /// Whether the subject's code may be shown.
    pub(super) show_subject: bool,
}

impl Told<'_> {
    /// For people.
    pub(super) fn text(&self) -> String {
        let mut lines = vec![
            "The receipt HOLDS. Everything was computed again from it, with public keys only.".to_owned(),
        ];
        lines.push("\nWhat it proves".to_owned());
        lines.extend(self.proves().into_iter().map(|sentence| format!("  - {sentence}")));
        lines.push("\nWhat it does not prove".to_owned());
        lines.extend(self.does_not_prove().into_iter().map(|sentence| format!("  - {sentence}")));
        lines.push(format!("\n{NOTICE}"));
        lines.join("\n")
    }

    /// For machines.
    pub(super) fn value(&self) -> Value {
        let proven = &self.proven;
        let access = &proven.access;
        let subject = self.receipt.expose_subject();
        json!({
            "holds": true,
            "record": {
                "id": access.id, "index": proven.index, "time": Millis(access.time_ms).to_rfc3339(),
            },
            "log": {
                "name": proven.log, "size": proven.log_size, "key": self.keys.log().to_string(),
            },
            "requester": access.requester,
            "holder": access.holder,
            "purpose": access.purpose,
            "case": proven.case,
            "officer": proven.officer,
            "basis": proven.basis.to_string(),
            "subject": subject.map(|(scheme, code)| match self.show_subject {
                true => json!({ "scheme": scheme, "code": code.as_str() }),
                false => json!({ "scheme": scheme }),
            }),
            "answers": proven.answers.iter().map(answer_value).collect::<Vec<_>>(),
            "without_answer": proven.without_answer,
            "registry": { "number": proven.registry_number, "decided": proven.registry_decided },
            "witnesses": proven.witnessed.as_ref().map(witnessed_value),
            "proves": self.proves(),
            "does_not_prove": self.does_not_prove(),
            "notice": NOTICE,
        })
    }

    fn proves(&self) -> Vec<String> {
        let proven = &self.proven;
        let access = &proven.access;
        let lists: Vec<&str> = access.lists.iter().map(|at| at.list.as_str()).collect();
        let mut all = vec![
            format!(
                "The question was recorded at {} as record {}, log index {}, of the log {}, which had {} records \
                 then. The log is the one of the key {}.",
                Millis(access.time_ms).to_rfc3339(),
                access.id,
                proven.index,
                proven.log,
                proven.log_size,
                self.keys.log()
            ),
            format!(
                "{} asked {} about {}, for the purpose {}, under the case \"{}\"; the officer was \"{}\". The record \
                 commits to case and officer.",
                access.requester,
                access.holder,
                lists.join(" "),
                access.purpose,
                plain(&proven.case),
                plain(&proven.officer)
            ),
            self.subject(),
            match proven.basis {
                Basis::Consent(id) => format!("The requester bound its question to the consent {id}."),
                Basis::Agreement(id) => {
                    format!("The requester bound its question to the agreement {id}; it named no consent.")
                }
            },
        ];
        all.extend(proven.answers.iter().map(|answer| self.answer(answer)));
        all.push(match proven.registry_decided {
            true => format!("The registry is number {}, the very one that decided.", proven.registry_number),
            false => format!(
                "The keys are those of registry number {}; another version of it decided, which the record names by \
                 its hash.",
                proven.registry_number
            ),
        });
        all.extend(proven.witnessed.as_ref().and_then(witnessed_sentence));
        all
    }

    fn subject(&self) -> String {
        let Some((scheme, code)) = self.receipt.expose_subject() else {
            return "The question was about the subject in this receipt, and nobody else.".to_owned();
        };
        let (scheme, code) = (plain(&scheme), plain(&code));
        match self.show_subject {
            true => {
                format!("The question was about the subject with the {scheme} code {code}, and nobody else.")
            }
            false => format!(
                "The question was about the subject whose {scheme} code is in this receipt, and nobody else \
                 (--show-subject shows the code, --about CODE compares it)."
            ),
        }
    }

    fn answer(&self, answer: &ProvenAnswer) -> String {
        let table = format!(
            "{} answered with the key of table {}.{} of {}, which was recorded at {}, log index {}",
            self.proven.access.holder,
            answer.version.epoch,
            answer.version.version,
            answer.list,
            answer.table_time.to_rfc3339(),
            answer.table_index
        );
        match &answer.label {
            None => format!(
                "NOT LISTED on {}: {table}; the bucket of that table has no entry for the subject.",
                answer.list
            ),
            Some(label) => format!(
                "LISTED on {}: {table}; the bucket of that table says: {}.",
                answer.list,
                label_words(label)
            ),
        }
    }

    fn does_not_prove(&self) -> Vec<String> {
        let proven = &self.proven;
        let mut all = vec![
            "That nobody else asked, or that this requester asked only once: each question has a record of its own."
                .to_owned(),
            "That what the list says is right: it shows what the holder's table said, not what is true.".to_owned(),
            "That the list is complete, or what any other list says, or what this list says at another time.".to_owned(),
            "That the question was decided on the basis named above: the record commits to it, and only the \
             coordinator can open that commitment, for the subject and auditors."
                .to_owned(),
            "What was done with the answer.".to_owned(),
        ];
        if !proven.without_answer.is_empty() {
            all.push(format!(
                "What {} said: the question names it too, and the receipt holds no answer of it.",
                proven.without_answer.join(" ")
            ));
        }
        match &proven.witnessed {
            Some(witnessed) if witnessed.is_quorum() => {}
            Some(witnessed) => all.push(format!(
                "That others saw this log: {} of {} witnesses cosigned it, and {} make a quorum. The coordinator alone \
                 stands behind it.",
                witnessed.cosigned.len(),
                witnessed.of,
                witnessed.needed
            )),
            None => all.push(
                "That others saw this log: the registry names no witnesses. The coordinator alone stands behind it."
                    .to_owned(),
            ),
        }
        all
    }
}

fn witnessed_sentence(witnessed: &Witnessed) -> Option<String> {
    if !witnessed.is_quorum() {
        return None;
    }
    let names: Vec<String> =
        witnessed.cosigned.iter().map(|it| format!("{} at {}", it.witness(), seconds(it.time_s()))).collect();
    Some(format!(
        "A quorum of the witnesses ({} of {}, {} needed) saw a log with this record in it, of {} records: {}.",
        witnessed.cosigned.len(),
        witnessed.of,
        witnessed.needed,
        witnessed.size,
        names.join(", ")
    ))
}

fn witnessed_value(witnessed: &Witnessed) -> Value {
    let one = |it: &tacit_ledger::cosignature::Cosignature| json!({ "witness": it.witness(), "time": seconds(it.time_s()) });
    json!({
        "cosigned": witnessed.cosigned.iter().map(one).collect::<Vec<_>>(),
        "needed": witnessed.needed,
        "of": witnessed.of,
        "size": witnessed.size,
        "quorum": witnessed.is_quorum(),
    })
}

fn seconds(time_s: u64) -> String {
    Millis(time_s.saturating_mul(1000)).to_rfc3339()
}

fn label_words(label: &Label) -> String {
    let mut words = vec![format!("category {}, status {}", label.category, label.status)];
    if let Some(day) = label.listed_on {
        words.push(format!("listed on {}", format_day(day.number())));
    }
    words.push(match label.expires_on {
        Some(day) => format!("until {}", format_day(day.number())),
        None => "without a stated end".to_owned(),
    });
    if label.flags & FLAG_CONTESTED != 0 {
        words.push("contested by the subject".to_owned());
    }
    words.push(format!("reference {}", hex::encode(label.reference)));
    words.join(", ")
}

fn answer_value(answer: &ProvenAnswer) -> Value {
    let listing = answer.label.as_ref().map(|label| {
        json!({
            "category": label.category, "status": label.status,
            "listed_on": label.listed_on.map(|day| format_day(day.number())),
            "expires_on": label.expires_on.map(|day| format_day(day.number())),
            "contested": label.flags & FLAG_CONTESTED != 0,
            "reference": hex::encode(label.reference),
        })
    });
    json!({
        "list": answer.list,
        "answer": if answer.label.is_some() { "listed" } else { "not_listed" },
        "listing": listing,
        "table": {
            "epoch": answer.version.epoch, "version": answer.version.version,
            "index": answer.table_index, "recorded": answer.table_time.to_rfc3339(),
        },
    })
}

/// A text from elsewhere on one line, without what a terminal would obey.
pub(in crate::commands) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use tacit_blind::table::Day;

    use super::*;

    #[test]
    fn an_entry_is_told_in_words() {
        let label = Label {
            status: 1,
            flags: FLAG_CONTESTED,
            category: 101,
            listed_on: Some(Day::new(20_513).unwrap()),
            expires_on: None,
            reference: [0, 0, 0, 0, 0, 0, 0, 9],
        };
        assert_eq!(
            label_words(&label),
            "category 101, status 1, listed on 2026-03-01, without a stated end, contested by the subject, reference \
             0000000000000009"
        );
    }

    #[test]
    fn a_text_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{9b}d"), "a [2Jb c d");
    }
}
