//! Forms with a file, `multipart/form-data`. The secret is the first field, and nothing behind it is read before it is
//! known to be right.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, header},
};
use multer::{Constraints, Field, Multipart, SizeLimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use crate::{form::Fields, visit::Fault};

/// Largest file that is kept, in bytes.
pub(crate) const FILE_MAX: usize = 1 << 20;
/// Largest form; a file that is too large is read to its end without being kept, so that the page can say so.
const FORM_MAX: u64 = 16 << 20;
/// Largest value of a field that is no file, in bytes.
const VALUE_MAX: usize = 4 << 10;
/// Most fields.
const FIELDS_MAX: usize = 20;

/// A file that a browser sent. Wiped when dropped: codes come this way.
pub(crate) struct Upload {
    /// None when it is larger than [`FILE_MAX`].
    pub(crate) content: Option<Zeroizing<Vec<u8>>>,
    /// As long as the file is in memory, it counts.
    _permit: OwnedSemaphorePermit,
}

/// Whether a request says that it is such a form.
pub(crate) fn is_one(headers: &HeaderMap) -> bool {
    boundary(headers).is_some()
}

fn boundary(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    multer::parse_boundary(kind).ok()
}

/// The fields and the file of a form whose secret is `own`.
pub(crate) async fn read(
    request: &mut Request,
    own: impl Fn(&str) -> bool,
    uploads: &Arc<Semaphore>,
) -> Result<(Fields, Option<Upload>), Fault> {
    let boundary = boundary(request.headers()).ok_or(Fault::Form)?;
    let body = std::mem::replace(request.body_mut(), Body::empty()).into_data_stream();
    let limit = SizeLimit::new().whole_stream(FORM_MAX);
    let mut form = Multipart::with_constraints(body, boundary, Constraints::new().size_limit(limit));
    let first = form.next_field().await.map_err(|_| Fault::Form)?.ok_or(Fault::Forged)?;
    if first.name() != Some("csrf") || !own(&value(first).await?) {
        return Err(Fault::Forged);
    }
    let permit = Arc::clone(uploads).acquire_owned().await.map_err(|_| Fault::Internal)?;
    let (mut permit, mut fields, mut file) = (Some(permit), Fields::default(), None);
    for _ in 0..FIELDS_MAX {
        let Some(field) = form.next_field().await.map_err(|_| Fault::Form)? else {
            return Ok((fields, file));
        };
        if field.file_name().is_none() {
            let name = field.name().ok_or(Fault::Form)?.to_owned();
            fields.add(&name, value(field).await?);
            continue;
        }
        // A form has one file; nothing was chosen when it has no name.
        let chosen = field.file_name().is_some_and(|name| !name.is_empty());
        let content = content(field).await?;
        if chosen {
            let _permit = permit.take().ok_or(Fault::Form)?;
            file = Some(Upload { content, _permit });
        }
    }
    Err(Fault::Form)
}

/// A field that is no file.
async fn value(mut field: Field<'_>) -> Result<String, Fault> {
    let mut value = Zeroizing::new(Vec::new());
    while let Some(part) = field.chunk().await.map_err(|_| Fault::Form)? {
        if value.len() + part.len() > VALUE_MAX {
            return Err(Fault::Form);
        }
        value.extend_from_slice(&part);
    }
    str::from_utf8(&value).map(str::to_owned).map_err(|_| Fault::Form)
}

async fn content(mut field: Field<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
    // Made once at its full size: growing would leave copies behind.
    let mut content = Some(Zeroizing::new(Vec::with_capacity(FILE_MAX)));
    while let Some(part) = field.chunk().await.map_err(|_| Fault::Form)? {
        match &mut content {
            Some(kept) if kept.len() + part.len() <= FILE_MAX => kept.extend_from_slice(&part),
            _ => content = None,
        }
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, file: Option<&str>, value: &str) -> String {
        let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n")
    }

    async fn sent(parts: &[String]) -> Result<(Fields, Option<Upload>), Fault> {
        let body = format!("{}--x--\r\n", parts.concat());
        let request = Request::builder().header(header::CONTENT_TYPE, "multipart/form-data; boundary=x");
        let mut request = request.body(Body::from(body)).unwrap();
        assert!(is_one(request.headers()));
        read(&mut request, |shown| shown == "right", &Arc::new(Semaphore::new(1))).await
    }

    #[tokio::test]
    async fn a_form_with_a_file_is_read_once_its_secret_is_known_and_no_further_than_allowed() {
        let (csrf, file) = (part("csrf", None, "right"), part("file", Some("a.csv"), "code\n1\n"));
        let (fields, kept) = sent(&[csrf.clone(), part("choice", None, "a b"), file.clone()]).await.unwrap();
        assert_eq!(fields.get("choice"), Some("a b"));
        assert_eq!(kept.unwrap().content.as_deref().unwrap(), b"code\n1\n");
        // Nothing chosen.
        let (_, kept) = sent(&[csrf.clone(), part("file", Some(""), "")]).await.unwrap();
        assert!(kept.is_none());
        // Too large is said, not kept; much too large is no form.
        let large = part("file", Some("a.csv"), &"x".repeat(FILE_MAX + 1));
        assert!(sent(&[csrf.clone(), large]).await.unwrap().1.unwrap().content.is_none());
        let huge = part("file", Some("a.csv"), &"x".repeat(17 << 20));
        assert!(matches!(sent(&[csrf.clone(), huge]).await, Err(Fault::Form)));
        for (parts, forged) in [
            (vec![part("csrf", None, "wrong"), file.clone()], true),
            (vec![file.clone(), csrf.clone()], true),
            (vec![], true),
            (vec![csrf.clone(), file.clone(), file.clone()], false),
            (vec![csrf.clone(), part("choice", None, &"x".repeat(VALUE_MAX + 1))], false),
            (vec![part("choice", None, ""); FIELDS_MAX + 2], true),
            ([vec![csrf.clone()], vec![part("choice", None, ""); FIELDS_MAX + 1]].concat(), false),
        ] {
            let fault = sent(&parts).await.map(|_| ()).unwrap_err();
            assert_eq!(matches!(fault, Fault::Forged), forged, "{fault:?}");
        }
    }

    #[tokio::test]
    async fn what_breaks_off_is_no_form() {
        let whole = format!("{}{}", part("csrf", None, "right"), part("file", Some("a.csv"), "code\n1\n"));
        for cut in [10, 60, whole.len() - 12, whole.len()] {
            let mut request = Request::builder()
                .header(header::CONTENT_TYPE, "multipart/form-data; boundary=x")
                .body(Body::from(whole[..cut].to_owned()))
                .unwrap();
            let read = read(&mut request, |shown| shown == "right", &Arc::new(Semaphore::new(1))).await;
            assert!(read.is_err(), "{cut}");
        }
    }
}
