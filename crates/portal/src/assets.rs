//! Files that pages are dressed with. They are part of the program; their addresses hold a hash, so that browsers may
//! keep them for ever.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};

use crate::visit::Fault;

const FILES: &[(&str, &str, &[u8])] = &[
    ("tacit.css", "text/css; charset=utf-8", include_bytes!("../assets/tacit.css")),
    ("tacit.js", "text/javascript; charset=utf-8", include_bytes!("../assets/tacit.js")),
    ("favicon.svg", "image/svg+xml", include_bytes!("../assets/favicon.svg")),
];

/// The mark as it stands in pages: without a color of its own, and silent.
pub(crate) static MARK: LazyLock<String> = LazyLock::new(|| {
    let drawn = include_str!("../assets/mark.svg").trim().replacen(r##" color="#0b5f63""##, "", 1);
    let silent = r#"<svg class="tacit-mark" aria-hidden="true" focusable="false" "#;
    drawn.replacen("<svg ", silent, 1)
});

/// Hash of all files: one changed, all are fetched again.
static HASH: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = blake3::Hasher::new();
    FILES.iter().for_each(|(_, _, bytes)| {
        hasher.update(bytes);
    });
    hasher.finalize().to_hex()[..16].to_owned()
});

/// The address of a file.
pub(crate) fn path(name: &str) -> String {
    format!("/assets/{}/{name}", *HASH)
}

/// Serves a file.
pub(crate) async fn serve(Path((hash, name)): Path<(String, String)>) -> Result<Response, Fault> {
    let found = FILES.iter().find(|(known, ..)| *known == name && hash == *HASH);
    let (_, kind, bytes) = found.ok_or(Fault::NotFound)?;
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(response)
}
