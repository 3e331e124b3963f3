//! Reading JSON from outside: what is wrong is named by place and field, never by content.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::error::Category;
use tacit_model::Reason;

use crate::problem::Problem;

/// Reads exactly one JSON object.
///
/// # Errors
/// [`Problem`] with the place or the field at fault, never with what was sent.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // serde would take an array for a struct, field by field.
    if bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[') {
        return Err(Problem::new(Reason::Malformed, "The body must be an object."));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        describe(error.inner(), &path)
    })?;
    deserializer.end().map_err(|error| describe(&error, "."))?;
    Ok(value)
}

/// Reads a field that may be left out, and that is not null when it is there.
///
/// # Errors
/// What is wrong with the value.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn describe(error: &serde_json::Error, path: &str) -> Problem {
    let place = format!("line {}, column {}", error.line(), error.column());
    match error.classify() {
        Category::Syntax | Category::Io => {
            Problem::new(Reason::Malformed, format!("The body is not JSON at {place}."))
        }
        Category::Eof => Problem::new(Reason::Malformed, "The JSON ends too early."),
        Category::Data => described_data(&error.to_string(), path),
    }
}

/// serde's texts begin in few ways. Only names of fields are taken from them, and what was expected: both are ours, the
/// value that was sent is not.
fn described_data(text: &str, path: &str) -> Problem {
    let named = |rest: &str| rest.split('`').next().filter(|name| is_field_name(name)).map(str::to_owned);
    if let Some(rest) = text.strip_prefix("unknown field `") {
        return match named(rest) {
            Some(name) => Problem::of_field(
                Reason::Malformed,
                name.clone(),
                format!("There is no field `{name}` here."),
            ),
            None => Problem::new(Reason::Malformed, "There is a field that does not exist here."),
        };
    }
    if let Some(name) = text.strip_prefix("missing field `").and_then(named) {
        return Problem::of_field(Reason::Malformed, name.clone(), format!("The field `{name}` is missing."));
    }
    if let Some(name) = text.strip_prefix("duplicate field `").and_then(named) {
        return Problem::of_field(
            Reason::Malformed,
            name.clone(),
            format!("The field `{name}` is there twice."),
        );
    }
    let wanted = text.rsplit_once(", expected ").and_then(|(_, rest)| rest.split(" at line ").next()).map_or(
        "another kind of value",
        |expected| match expected {
            "a sequence" => "an array",
            "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
            other if other.starts_with("struct ") => "an object",
            other => other,
        },
    );
    match path {
        "." => Problem::new(Reason::Malformed, format!("The body must be {wanted}.")),
        field => {
            Problem::of_field(Reason::Malformed, field.to_owned(), format!("The field must be {wanted}."))
        }
    }
}

/// A name as this interface could have it, too short to be a subject's code.
fn is_field_name(name: &str) -> bool {
    (1..=14).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Page {
        #[serde(default, deserialize_with = "given")]
        offset: Option<usize>,
        #[serde(default, deserialize_with = "given")]
        limit: Option<u32>,
        list: String,
    }

    #[test]
    fn numbers_are_asked_for_in_words_and_null_is_none() {
        let page: Page = parse(b"{\"limit\":7,\"list\":\"x\"}").unwrap();
        assert_eq!((page.offset, page.limit, &*page.list), (None, Some(7), "x"));
        let problem = parse::<Page>(b"{\"limit\":7}").unwrap_err();
        assert_eq!(
            (problem.field.as_deref(), &*problem.message),
            (Some("list"), "The field `list` is missing.")
        );
        for (body, field) in [
            ("{\"offset\":1.0}", "offset"),
            ("{\"offset\":\"1\"}", "offset"),
            ("{\"offset\":null}", "offset"),
            ("{\"limit\":-1}", "limit"),
        ] {
            let problem = parse::<Page>(body.as_bytes()).unwrap_err();
            assert_eq!(
                (problem.field.as_deref(), &*problem.message),
                (Some(field), "The field must be a whole number from 0."),
                "{body}"
            );
        }
    }
}
