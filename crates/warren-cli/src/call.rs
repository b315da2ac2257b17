//! A call of the API, as a command decides it; nothing here sends.

use crate::error::CliError;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::Read as _;

/// The methods of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiMethod {
    /// Reads.
    Get,
    /// Makes or does.
    Post,
    /// Sets.
    Put,
    /// Changes.
    Patch,
    /// Deletes.
    Delete,
}

impl ApiMethod {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// The one of this name.
    pub fn of(name: &str) -> Option<Self> {
        let all = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];
        all.into_iter().find(|method| method.name().eq_ignore_ascii_case(name))
    }
}

/// One call.
#[derive(Clone, Debug)]
pub struct ApiCall {
    /// The method.
    pub method: ApiMethod,
    /// The parts of the path below `/v1`, not encoded.
    pub path: Vec<String>,
    /// The parameters, not encoded.
    pub query: Vec<(Cow<'static, str>, String)>,
    /// Headers besides the usual ones.
    pub headers: Vec<(&'static str, String)>,
    /// The body, a JSON text.
    pub body: Option<String>,
}

impl ApiCall {
    /// A call of this path; words in it are taken as they are.
    pub fn new<P: AsRef<str>>(method: ApiMethod, path: impl IntoIterator<Item = P>) -> Self {
        let path = path.into_iter().map(|part| part.as_ref().to_owned()).collect();
        Self { method, path, query: Vec::new(), headers: Vec::new(), body: None }
    }

    /// The same, unless a part of its path leads elsewhere: an address with `..` in it is another one.
    ///
    /// # Errors
    /// [`CliError::Segment`].
    pub fn checked(self) -> Result<Self, CliError> {
        match self.path.iter().find(|part| matches!(part.as_str(), "" | "." | "..")) {
            Some(part) => Err(CliError::Segment(part.clone())),
            None => Ok(self),
        }
    }

    /// The same with a body.
    #[must_use]
    pub fn with_body(mut self, body: &(impl ToString + ?Sized)) -> Self {
        self.body = Some(body.to_string());
        self
    }

    /// The same with a header, if there is one.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: Option<String>) -> Self {
        self.headers.extend(value.map(|value| (name, value)));
        self
    }

    /// The same with a parameter, if there is one.
    #[must_use]
    pub fn with_query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name.into(), value.to_string())));
        self
    }
}

/// A JSON object that a body is made of, field by field.
#[derive(Default)]
pub(crate) struct Fields(Vec<(&'static str, Box<RawValue>)>);

impl Fields {
    /// With a field, if it is given, as it was written.
    pub(crate) fn json(mut self, name: &'static str, text: Option<&str>) -> Result<Self, CliError> {
        if let Some(text) = text {
            // What it is called on the wire says nothing to people.
            let told = if name == "d" { "the data" } else { name };
            self.0.push((name, json(told, text)?));
        }
        Ok(self)
    }

    /// With a field, if it is given, of a value.
    pub(crate) fn value(
        mut self,
        name: &'static str,
        value: Option<impl serde::Serialize>,
    ) -> Result<Self, CliError> {
        if let Some(value) = value {
            let raw = serde_json::value::to_raw_value(&value);
            self.0.push((name, raw.map_err(|error| CliError::Json(name.to_owned(), error))?));
        }
        Ok(self)
    }
}

impl std::fmt::Display for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("{")?;
        for (at, (name, value)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}\"{name}\":{}", value.get())?;
        }
        f.write_str("}")
    }
}

/// Reads a JSON value: itself, `@FILE`, or `-` for standard input. What is in it stays as it was written.
pub(crate) fn json(name: &str, given: &str) -> Result<Box<RawValue>, CliError> {
    let text = match (given, given.strip_prefix('@')) {
        ("-", _) => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| CliError::File("standard input".to_owned(), error))?;
            text
        }
        (_, Some(path)) => {
            std::fs::read_to_string(path).map_err(|error| CliError::File(path.to_owned(), error))?
        }
        _ => given.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| CliError::Json(name.to_owned(), error))
}
