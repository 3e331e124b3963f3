//! What bodies of this interface may not look like.

use tacit_desk::parse::parse;
use tacit_model::Reason;

use super::{
    consents::SearchBody,
    types::{CheckBody, RowBody},
};

#[test]
fn what_is_wrong_is_named_and_never_repeated() {
    const CODE: &str = "91350100M000100Y43";
    for (body, field, words) in [
        (format!("{{\"code\":\"{CODE}\""), None, "ends too early"),
        (format!("{{\"code\":{CODE}}}"), Some("code"), "must be a string"),
        (format!("{{\"code\":{{{CODE}}}"), Some("code"), "must be a string"),
        (format!("{{code:\"{CODE}\"}}"), None, "not JSON at line 1"),
        (format!("[\"{CODE}\"]"), None, "must be an object"),
        (format!("\"{CODE}\""), None, "must be an object"),
        (format!("{{\"code\":\"{CODE}\"}} x"), None, "not JSON at line 1"),
        (format!("{{\"lists\":\"{CODE}\"}}"), Some("lists"), "must be an array"),
        (format!("{{\"purpose\":[\"{CODE}\"]}}"), Some("purpose"), "must be a string"),
        (format!("{{\"lists\":[1,\"{CODE}\"]}}"), Some("lists[0]"), "must be a string"),
        (format!("{{\"{CODE}\":1}}"), None, "does not exist here"),
        ("{\"codes\":1}".to_owned(), Some("codes"), "no field `codes`"),
        (format!("{{\"code\":\"{CODE}\",\"code\":\"{CODE}\"}}"), Some("code"), "twice"),
        (format!("{{\"code\":{{\"{CODE}\":1}}}}"), Some("code"), "must be a string"),
    ] {
        let Err(problem) = parse::<CheckBody>(body.as_bytes()) else { panic!("{body}") };
        assert_eq!(problem.reason(), Reason::Malformed);
        assert_eq!(problem.field.as_deref(), field, "{body}");
        assert!(problem.message.contains(words), "{body}: {}", problem.message);
        assert!(!format!("{problem:?}").contains(CODE), "{body}");
    }
    for null in ["row", "code"] {
        let body = format!("{{\"{null}\":null}}");
        let Err(problem) = parse::<RowBody>(body.as_bytes()) else { panic!("{body}") };
        assert_eq!((problem.reason(), problem.field.as_deref()), (Reason::Malformed, Some(null)));
    }
    let Err(problem) = parse::<SearchBody>(b"{\"code\":null}") else { panic!() };
    assert_eq!(problem.field.as_deref(), Some("code"));
    let Err(problem) = parse::<RowBody>(b"{\"row\":-1}") else { panic!() };
    assert_eq!(
        (problem.field.as_deref(), &*problem.message),
        (Some("row"), "The field must be a whole number from 0.")
    );
}
