//! Values of a vector file by path, so that every complaint names its place.

use serde_json::Value;

use super::Mismatch;

/// A JSON value and where it stands.
#[derive(Clone)]
pub(super) struct Node<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    pub(super) fn get(&self, key: &str) -> Result<Node<'a>, Mismatch> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        match self.value.get(key) {
            Some(value) => Ok(Node { value, path }),
            None => Err(Mismatch::Missing { path }),
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.value.get(key).is_some()
    }

    pub(super) fn at(&self, index: usize) -> Result<Node<'a>, Mismatch> {
        let path = format!("{}[{index}]", self.path);
        match self.value.get(index) {
            Some(value) => Ok(Node { value, path }),
            None => Err(Mismatch::Missing { path }),
        }
    }

    pub(super) fn elements(&self) -> Result<Vec<Node<'a>>, Mismatch> {
        let all = self.value.as_array().ok_or_else(|| self.form())?;
        Ok(all
            .iter()
            .enumerate()
            .map(|(i, value)| Node { value, path: format!("{}[{i}]", self.path) })
            .collect())
    }

    /// Members of an object, with their names.
    pub(super) fn members(&self) -> Result<Vec<(&'a str, Node<'a>)>, Mismatch> {
        let all = self.value.as_object().ok_or_else(|| self.form())?;
        Ok(all
            .iter()
            .map(|(key, value)| (key.as_str(), Node { value, path: format!("{}.{key}", self.path) }))
            .collect())
    }

    pub(super) fn text(&self) -> Result<&'a str, Mismatch> {
        self.value.as_str().ok_or_else(|| self.form())
    }

    /// A string or a number as text, as record fields are written.
    pub(super) fn plain(&self) -> Result<String, Mismatch> {
        match self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(self.form()),
        }
    }

    pub(super) fn parsed<T: std::str::FromStr>(&self) -> Result<T, Mismatch> {
        self.text()?.parse().map_err(|_| self.form())
    }

    pub(super) fn number<T: TryFrom<u64>>(&self) -> Result<T, Mismatch> {
        let number = self.value.as_u64().ok_or_else(|| self.form())?;
        T::try_from(number).map_err(|_| self.form())
    }

    pub(super) fn bytes(&self) -> Result<Vec<u8>, Mismatch> {
        hex::decode(self.text()?).map_err(|_| self.form())
    }

    pub(super) fn array<const N: usize>(&self) -> Result<[u8; N], Mismatch> {
        self.bytes()?.try_into().map_err(|_| self.form())
    }

    /// Compares the hexadecimal value here with what was computed.
    pub(super) fn is(&self, computed: &[u8]) -> Result<(), Mismatch> {
        self.compare(self.bytes()? == computed)
    }

    /// Compares the text here with what was computed.
    pub(super) fn is_text(&self, computed: &str) -> Result<(), Mismatch> {
        self.compare(self.text()? == computed)
    }

    pub(super) fn compare(&self, same: bool) -> Result<(), Mismatch> {
        if same { Ok(()) } else { Err(Mismatch::Differs { path: self.path.clone() }) }
    }

    fn form(&self) -> Mismatch {
        Mismatch::Form { path: self.path.clone() }
    }
}
