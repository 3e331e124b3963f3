//! Tests of an interface's OpenAPI document: it has the routes that are served, and every answer is one that it
//! promises. Nothing here belongs in a server: a trouble is a panic, as it is in a test.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test support: what goes wrong here ends the test")]

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::routes::{Guard, Route};

/// The document describes exactly the routes of the table, and who may call them.
///
/// # Panics
/// At the first difference.
pub fn assert_describes<S>(document: &str, routes: &[Route<S>]) {
    let document = parsed(document);
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        documented.extend(item.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
    }
    let served = routes.iter().map(|route| format!("{} {}", lower(route.method.as_str()), route.path));
    assert_eq!(documented, served.collect());
    for route in routes {
        let operation = &document["paths"][route.path][lower(route.method.as_str())];
        assert_eq!(operation["security"] == json!([{}]), route.guard == Guard::Open, "{}", route.path);
        assert!(operation["responses"]["200"].is_object() && operation["responses"]["405"].is_object());
    }
}

/// Every reference leads somewhere, and every problem has an example of each of its reasons.
///
/// # Panics
/// At the first that does not.
pub fn assert_whole(document: &str) {
    let document = parsed(document);
    assert_eq!(document["openapi"], "3.1.0");
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(response["headers"][tacit_wire::REQUEST_ID].is_object());
                if status == "200" {
                    continue;
                }
                let examples = response["content"]["application/json"]["examples"].as_object().unwrap();
                assert!(!examples.is_empty());
                for (reason, example) in examples {
                    assert_eq!(example["value"]["reason"], reason.as_str());
                    assert!(!example["value"]["advice"].as_str().unwrap().is_empty());
                }
            }
        }
    }
}

fn collect(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| match value.as_str() {
            Some(text) if key == "$ref" => out.push(text.to_owned()),
            _ => collect(value, out),
        }),
        Value::Array(items) => items.iter().for_each(|item| collect(item, out)),
        _ => {}
    }
}

/// An answer is one that the document promises for its route: the status, and the whole body as its schema says, line
/// by line where there are lines.
///
/// # Panics
/// When it is another.
pub fn assert_documented(document: &str, method: &str, path: &str, status: u16, body: &str) {
    let document = parsed(document);
    let Some(item) = item(&document, path) else {
        assert!(matches!(status, 401 | 404), "{path}: {status}");
        return;
    };
    let operation =
        item.get(lower(method)).unwrap_or_else(|| item.as_object().unwrap().values().next().unwrap());
    let response = &operation["responses"][status.to_string()];
    assert!(response.is_object(), "{method} {path}: {status} is not documented: {body}");
    if lower(method) == "head" {
        return;
    }
    let (kind, content) = response["content"].as_object().unwrap().iter().next().unwrap();
    let bodies = if kind == "application/json" { vec![body] } else { body.lines().collect() };
    for body in bodies {
        let value: Value = serde_json::from_str(body).unwrap();
        if let Err(wrong) = fits(&document, &content["schema"], &value) {
            panic!("{method} {path} {status}: {wrong}, in {body}");
        }
    }
}

/// What the document says of a path, also of one with segments that stand for any. The last of them is an id; not a word
/// that looks like a route.
fn item<'d>(document: &'d Value, path: &str) -> Option<&'d Value> {
    let paths = document["paths"].as_object().unwrap();
    let segments: Vec<&str> = path.split('/').collect();
    let stands_for = |known: &str| {
        let known: Vec<&str> = known.split('/').collect();
        let fits = |(place, (known, segment)): (usize, (&&str, &&str))| {
            let is_any = known.starts_with('{') && (place + 1 < segments.len() || segment.len() == 26);
            is_any || known == segment
        };
        known.len() == segments.len() && known.iter().zip(&segments).enumerate().all(fits)
    };
    paths.get(path).or_else(|| paths.iter().find(|(known, _)| stands_for(known)).map(|(_, item)| item))
}

/// Whether a value is as a schema says: its type, every field known, every required one there.
fn fits(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.strip_prefix('#').unwrap();
        return fits(document, document.pointer(pointer).unwrap(), value);
    }
    for any in ["oneOf", "anyOf"] {
        if let Some(of) = schema[any].as_array() {
            let tried: Vec<_> = of.iter().map(|schema| fits(document, schema, value)).collect();
            let wrong: Vec<_> = tried.iter().filter_map(|it| it.as_ref().err().cloned()).collect();
            return if wrong.len() < tried.len() { Ok(()) } else { Err(wrong.join("; or ")) };
        }
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |kind: &&str| match *kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    };
    if !types.is_empty() && !types.iter().any(is) {
        return Err(format!("{value} is no {}", types.join(" or ")));
    }
    let allowed = schema["enum"].as_array();
    if allowed.is_some_and(|allowed| !allowed.contains(value)) {
        return Err(format!("{value} is none of those that may be"));
    }
    if let (Some(items), true) = (value.as_array(), schema["items"].is_object()) {
        return items.iter().try_for_each(|item| fits(document, &schema["items"], item));
    }
    let (mut known, mut required) = (Map::new(), BTreeSet::new());
    fields(document, schema, &mut known, &mut required);
    let Some(object) = value.as_object().filter(|_| !known.is_empty()) else { return Ok(()) };
    if let Some(name) = required.into_iter().find(|name| !object.contains_key(name)) {
        return Err(format!("`{name}` is missing"));
    }
    object.iter().try_for_each(|(name, value)| match known.get(name) {
        Some(schema) => fits(document, schema, value).map_err(|wrong| format!("`{name}`: {wrong}")),
        None => Err(format!("`{name}` is not documented")),
    })
}

/// The fields of an object, also of those that it is made of.
fn fields(document: &Value, schema: &Value, known: &mut Map<String, Value>, required: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        fields(document, document.pointer(&reference[1..]).unwrap(), known, required);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        fields(document, part, known, required);
    }
    known.extend(schema["properties"].as_object().cloned().unwrap_or_default());
    let names = schema["required"].as_array().into_iter().flatten();
    required.extend(names.filter_map(Value::as_str).map(str::to_owned));
}

fn parsed(document: &str) -> Value {
    serde_json::from_str(document).unwrap()
}

fn lower(method: &str) -> String {
    method.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r##"{
        "paths": { "/v1/a/{id}": { "get": { "responses": { "200": { "content": { "application/json": { "schema":
            { "allOf": [{ "$ref": "#/components/A" }, { "type": "object", "required": ["b"], "properties": {
                "b": { "oneOf": [{ "type": "null" }, { "type": "array", "items": { "type": "string", "enum": ["x"] } }] }
            } }] } } } } } } } },
        "components": { "A": { "type": "object", "required": ["a"], "properties": {
            "a": { "type": "integer" }, "c": { "type": ["string", "null"] }
        } } }
    }"##;

    fn told(body: &str) {
        assert_documented(DOCUMENT, "GET", "/v1/a/01KAM2V7Q3ZJ6V6T1V8M3W9R5C", 200, body);
    }

    #[test]
    fn an_answer_that_the_document_does_not_promise_is_found() {
        told(r#"{ "a": 1, "b": null }"#);
        told(r#"{ "a": 1, "b": ["x", "x"], "c": null }"#);
        for other in [
            r#"{ "a": 1 }"#,
            r#"{ "b": null }"#,
            r#"{ "a": "1", "b": null }"#,
            r#"{ "a": 1, "b": ["y"] }"#,
            r#"{ "a": 1, "b": "x" }"#,
            r#"{ "a": 1, "b": null, "c": 1 }"#,
            r#"{ "a": 1, "b": null, "d": 1 }"#,
        ] {
            assert!(std::panic::catch_unwind(|| told(other)).is_err(), "{other}");
        }
        let other_status =
            || assert_documented(DOCUMENT, "GET", "/v1/a/01KAM2V7Q3ZJ6V6T1V8M3W9R5C", 500, "{}");
        assert!(std::panic::catch_unwind(other_status).is_err());
    }
}
