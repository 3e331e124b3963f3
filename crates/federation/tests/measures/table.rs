//! The fates of the measures as a document.

use std::{collections::BTreeMap, fmt::Write as _};

use tacit_policy::Rule;

use crate::trials::{Fate, Measure, Part, Trials, word};

const HEAD: &str = "\
# The 32 measures of 2016, tried

In 2016, 44 bodies of the state promised each other 32 measures against those whom a court lists as judgment defaulters.
The sample `defaulters` (`tacit init DIR --sample defaulters`) says them in the words of a registry, and this table says
what becomes of each. Nothing in it is written by hand: the test `the_table_of_the_32_measures_is_the_reviewed_one` drafts
an agreement for each measure, as `tacit agreement draft` does, founds a federation with all that the registry takes, and
has each question decided: by a public body and by a private member (or an association), on the agreement alone and with
the subject's consent. `TACIT_BLESS=1` writes it anew.

A measure rests on the law of its own that the sample cites, or else on the memorandum alone. Where a measure is several
things, each is tried. A word that is not `allowed` is the exact reason of the refusal; the last column names the place of
the agreement or the purpose that the registry refuses, or the rules that decide. `allowed` says that no rule stands
against it once both have signed; whether the law that is cited carries the measure is for those who sign to judge.
";

/// The law of a part, and what it means that there is none.
fn law(trials: &Trials, fate: &Fate) -> String {
    let terms = match fate {
        Fate::Inexpressible(_) => return "-".to_owned(),
        Fate::Refused { terms, .. } | Fate::Decided { terms, .. } => terms,
    };
    let basis = &terms.legal_basis;
    let act = trials.sample.act.iter().find(|it| it.id == basis.act).unwrap();
    format!("{} ({}), {}", act.id, act.rank, basis.citation)
}

/// The outcomes in the four ways, and what decides.
fn outcomes(trials: &Trials, fate: &Fate) -> ([String; 4], String) {
    let quoted = |text: &str| format!("`{text}`");
    match fate {
        Fate::Inexpressible(error) | Fate::Refused { error, .. } => {
            let reason = word(error.problem()).to_owned();
            (std::array::from_fn(|_| reason.clone()), format!("registry, {}", quoted(error.path())))
        }
        Fate::Decided { terms, outcomes } => {
            let words = outcomes.each_ref().map(|outcome| match outcome {
                Ok(()) => "allowed".to_owned(),
                Err(refusal) => refusal.exact.to_string(),
            });
            let mut rules: Vec<String> = Vec::new();
            if outcomes.iter().any(Result::is_ok) {
                let list = trials.sample.list.iter().find(|it| it.id == terms.lists[0]).unwrap();
                rules.push(match list.origin_context == terms.purpose_context {
                    true => "same context".to_owned(),
                    false => quoted(Rule::CrossContextCited.as_str()),
                });
            }
            for refusal in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
                let rule = quoted(refusal.exact.rule().as_str());
                if !rules.contains(&rule) {
                    rules.push(rule);
                }
            }
            (words, rules.join(", "))
        }
    }
}

fn row(trials: &Trials, (measure, part, fate): (&Measure, &Part, &Fate)) -> String {
    let what = match &part.what {
        Some(what) => format!("{}: *{what}*", measure.measure),
        None => measure.measure.clone(),
    };
    let purpose = part.purpose.as_ref().map_or("not expressible".to_owned(), |it| format!("`{it}`"));
    let ([a, b, c, d], by) = outcomes(trials, fate);
    format!(
        "| {} | {what} | {} | {} | {purpose} | {} | {a} | {b} | {c} | {d} | {by} |\n",
        measure.number,
        part.kind,
        measure.context,
        law(trials, fate),
    )
}

/// How many parts have which fate.
fn summary(trials: &Trials) -> String {
    let mut counts: BTreeMap<(u8, String), Vec<u16>> = BTreeMap::new();
    for (measure, _, fate) in trials.parts() {
        let ([public, with_consent, _, _], _) = outcomes(trials, fate);
        let line = match fate {
            Fate::Inexpressible(_) => (4, format!("cannot be expressed (`{public}`)")),
            Fate::Refused { .. } => (3, format!("no agreement that the registry takes (`{public}`)")),
            Fate::Decided { .. } if public == "allowed" => {
                (0, "allowed to a public body, and to a private member with consent".to_owned())
            }
            Fate::Decided { .. } if with_consent == "allowed" => {
                (1, "allowed with consent only, whoever asks".to_owned())
            }
            Fate::Decided { .. } => (2, format!("refused by a rule, with consent and without (`{public}`)")),
        };
        let numbers = counts.entry(line).or_default();
        if numbers.last() != Some(&measure.number) {
            numbers.push(measure.number);
        }
    }
    let mut out = String::from("\n| what becomes of it | measures, whole or in part |\n|---|---|\n");
    for ((_, line), numbers) in counts {
        let numbers: Vec<String> = numbers.iter().map(u16::to_string).collect();
        writeln!(out, "| {line} | {} |", numbers.join(", ")).unwrap();
    }
    out
}

/// What the words of the table mean: the registry's own message, the first of each word, and the rules' texts.
fn legend(trials: &Trials) -> String {
    let (mut messages, mut rules) = (BTreeMap::new(), BTreeMap::new());
    for (measure, _, fate) in trials.parts() {
        match fate {
            Fate::Inexpressible(error) | Fate::Refused { error, .. } => {
                messages
                    .entry(word(error.problem()))
                    .or_insert_with(|| format!("measure {}: {}", measure.number, error.problem()));
            }
            Fate::Decided { outcomes, .. } => {
                for refusal in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
                    rules.insert(refusal.exact.as_str(), refusal.exact.rule());
                }
            }
        }
    }
    let mut out = String::from("\n## What the registry says\n\n");
    for (word, message) in messages {
        writeln!(out, "- `{word}`, {message}").unwrap();
    }
    out.push_str("\n## What the rules say\n\n");
    writeln!(out, "- `{}`: {}", Rule::CrossContextCited, Rule::CrossContextCited.text()).unwrap();
    for (reason, rule) in rules {
        writeln!(out, "- `{reason}`, by `{rule}`: {}", rule.text()).unwrap();
    }
    out
}

pub(crate) fn render(trials: &Trials) -> String {
    let mut out = HEAD.to_owned();
    out.push_str(&summary(trials));
    out.push_str(
        "\n## Each measure\n\n\
         | | measure | kind | context | purpose | law | public | public, consent | private | private, consent | decided by |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    trials.parts().for_each(|part| out.push_str(&row(trials, part)));
    out.push_str(&legend(trials));
    out
}
