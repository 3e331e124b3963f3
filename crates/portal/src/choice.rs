//! What a page can be narrowed to, as a list to choose from.

use crate::{subject::says::Named, visit::Visit};

/// One of the things that there are.
pub(crate) struct Choice {
    pub(crate) named: Named,
    pub(crate) chosen: bool,
}

/// Things, each once, and which of them the address names; what is none of them narrows nothing.
pub(crate) fn choices(known: impl IntoIterator<Item = Named>, visit: &Visit, field: &str) -> Vec<Choice> {
    let asked = visit.query.get(field);
    let mut choices: Vec<Choice> = Vec::new();
    for named in known {
        if choices.iter().all(|choice| choice.named.id != named.id) {
            choices.push(Choice { chosen: asked == Some(&*named.id), named });
        }
    }
    choices
}

/// The id of what was chosen.
pub(crate) fn chosen(choices: &[Choice]) -> Option<&str> {
    choices.iter().find(|choice| choice.chosen).map(|choice| choice.named.id.as_str())
}
