//! What may not be listed, by any name: religion, ethnicity, political opinion, biometrics, health, family.
//!
//! The types of categories have no word for these. What is left is that somebody means them with a list or category of
//! another type, or with a context; so contexts of these names are refused, and titles and ids that use their words.
//! It cannot see what a record really says: that is what auditors are for.

/// What no list may come from and no answer may be used for.
const CONTEXTS: [&str; 8] =
    ["biometrics", "ethnicity", "family", "health", "political-opinion", "publication", "religion", "score"];

/// Words, lower case, of each matter; those that are not ASCII are found inside others too.
const WORDS: [(&str, &[&str]); 6] = [
    ("religion", &["religion", "religions", "religious", "faith", "宗教", "信仰"]),
    ("ethnicity", &["ethnic", "ethnicity", "race", "racial", "民族", "种族"]),
    ("political opinion", &["political", "politics", "dissident", "dissidents", "政治", "党派"]),
    (
        "biometrics",
        &[
            "biometric",
            "biometrics",
            "fingerprint",
            "fingerprints",
            "dna",
            "genetic",
            "生物识别",
            "指纹",
            "人脸",
            "基因",
        ],
    ),
    ("health", &["health", "disease", "diseases", "illness", "disability", "健康", "疾病", "病史", "残疾"]),
    (
        "family",
        &[
            "family", "families", "marital", "marriage", "divorce", "spouse", "spouses", "家庭", "婚姻",
            "配偶", "子女",
        ],
    ),
];

/// Whether a context may not be expressed.
pub(super) fn is_forbidden_context(name: &str) -> bool {
    CONTEXTS.contains(&name)
}

/// The first word of a title or an id that says what may not be listed, and what that is.
pub(super) fn forbidden_in(text: &str) -> Option<(&'static str, &'static str)> {
    let text = text.to_lowercase();
    let stands = |word: &str| match word.is_ascii() {
        true => text.split(|c: char| !c.is_alphanumeric()).any(|part| part == word),
        false => text.contains(word),
    };
    WORDS.iter().find_map(|(matter, words)| {
        words.iter().copied().find(|word| stands(word)).map(|word| (word, *matter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_listed_is_found_in_titles_and_ids_and_nothing_else_is() {
        for (bad, matter) in [
            ("Religious associations", "religion"),
            ("registry/ethnic-minorities", "ethnicity"),
            ("有宗教信仰的人", "religion"),
            ("POLITICAL opinion", "political opinion"),
            ("police/fingerprints", "biometrics"),
            ("重大疾病患者", "health"),
            ("Divorce cases", "family"),
        ] {
            assert_eq!(forbidden_in(bad).map(|(_, matter)| matter), Some(matter), "{bad}");
        }
        for good in
            ["Judgment defaulters (失信被执行人名单)", "embraced pledges", "Healthcare", "court/traces"]
        {
            assert_eq!(forbidden_in(good), None, "{good}");
        }
    }
}
