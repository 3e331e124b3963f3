//! Under which id a request of the agency's own applications is told, logged and handed on to other parties.

use tacit_model::{Millis, RequestId, Schemes, entropy::os_rng};

/// The caller's id, or a new one. [`RequestId`] knows codes of the built-in schemes by their form; what a scheme of
/// the registry would take for a code is refused here, where the registry is at hand.
#[must_use]
pub fn request_id(schemes: &Schemes, now: Millis, foreign: Option<&str>) -> RequestId {
    let foreign = foreign.filter(|text| !holds_code(schemes, text));
    RequestId::accept_or_generate(foreign, now, &mut os_rng())
}

/// Whether the text, or a part of it, or all its letters and digits together are a code.
fn holds_code(schemes: &Schemes, text: &str) -> bool {
    let joined: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let mut candidates = parts.chain([text, &joined]);
    candidates.any(|candidate| schemes.names().any(|scheme| schemes.parse(scheme, candidate).is_ok()))
}

#[cfg(test)]
mod tests {
    use tacit_model::{Normalization, PatternRules};

    use super::*;

    #[test]
    fn a_code_of_a_scheme_of_the_registry_is_no_request_id() {
        let mut schemes = Schemes::built_in();
        let rules =
            PatternRules { pattern: "P[0-9]{9}".to_owned(), normalize: vec![Normalization::UpperCased] };
        schemes.define("X-permit", &rules).unwrap();
        for text in ["P271828182", "p271828182", "desk-P271828182", "P2718-28182", "P271828182.1"] {
            assert!(holds_code(&schemes, text), "{text}");
        }
        for text in ["desk-4711-a", "P2718281820", "01KAM2V7Q3ZJ6V6T1V8M3W9R5C"] {
            assert!(!holds_code(&schemes, text), "{text}");
        }
    }
}
