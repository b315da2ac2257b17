//! One operation: what its resource says of it, and what follows from its route's row in the table of permissions, its
//! path and its method, which nobody has to say.

use super::super::schema::{named, object, only};
use crate::http::error::FailureCode;
use crate::http::permissions::{Need, TABLE};
use FailureCode as Code;
use actix_web::http::Method;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// An operation below `/v1/`.
pub(super) struct Operation {
    /// The method.
    pub(super) method: Method,
    /// The path, as the route has it.
    pub(super) pattern: &'static str,
    /// Its name in programs.
    id: &'static str,
    /// What it does.
    summary: &'static str,
    /// Parameters that do not follow from the path, by their names in the document.
    parameters: Vec<&'static str>,
    /// Its body's schemas by content types, and whether it must be there.
    body: Option<(Vec<(&'static str, Value)>, bool)>,
    /// What it answers when all is well: the status, the schema of `data`, and headers by their names in the document.
    answers: Vec<(u16, Option<Value>, Vec<&'static str>)>,
    /// How it may be refused.
    codes: BTreeSet<Code>,
}

/// An operation that reads.
pub(super) fn get(pattern: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Method::GET, pattern, id, summary)
}

/// An operation by `POST`.
pub(super) fn post(pattern: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Method::POST, pattern, id, summary)
}

/// An operation by `PUT`.
pub(super) fn put(pattern: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Method::PUT, pattern, id, summary)
}

/// An operation by `PATCH`.
pub(super) fn patch(pattern: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Method::PATCH, pattern, id, summary)
}

/// An operation by `DELETE`.
pub(super) fn delete(pattern: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Method::DELETE, pattern, id, summary)
}

/// What may become of every call below `/v1`.
const ANY: &[Code] = &[
    Code::InvalidAuth,
    Code::RateLimited,
    Code::Internal,
    Code::Overloaded,
    Code::StorageUnavailable,
];
/// What may become of a write, which takes a key and whose body is read for it even where it means nothing.
const WRITE: &[Code] = &[
    Code::InvalidBody,
    Code::InvalidIdempotencyKey,
    Code::TooSlow,
    Code::IdempotencyInProgress,
    Code::TooLarge,
    Code::IdempotencyKeyReused,
];

impl Operation {
    /// One of which nothing is said yet but what follows from its route.
    fn new(method: Method, pattern: &'static str, id: &'static str, summary: &'static str) -> Self {
        let mut codes: BTreeSet<Code> = ANY.iter().copied().collect();
        if method != Method::GET {
            codes.extend(WRITE);
        }
        let named = [
            ("{channel}", Code::ChannelNotFound),
            ("channels/tokens/{token}", Code::TokenNotFound),
            ("{webhook}", Code::WebhookNotFound),
            ("{delivery}", Code::DeliveryNotFound),
            ("{cid}", Code::ConnectionNotFound),
            ("{message}", Code::MessageNotFound),
            ("{key}", Code::KeyNotFound),
            ("{subject}", Code::RevocationNotFound),
        ];
        codes.extend(named.iter().filter(|(part, _)| pattern.contains(part)).map(|(_, code)| code));
        if pattern.contains('{') {
            codes.insert(Code::InvalidId);
        }
        let mut operation = Self {
            method,
            pattern,
            id,
            summary,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            codes,
        };
        if operation.is_of_a_project() {
            operation.codes.extend([Code::ProjectNotFound, Code::ProjectRequired]);
            operation = operation.asked("project");
        }
        operation
    }

    /// Whether it is about something of one project.
    fn is_of_a_project(&self) -> bool {
        let of_operator =
            ["projects", "users/@me", "users/@me/pats", "users/@me/pats/{token}", "settings"];
        !of_operator.contains(&self.pattern)
    }

    /// With this parameter of the query or the headers.
    pub(super) fn asked(mut self, parameter: &'static str) -> Self {
        self.parameters.push(parameter);
        self.refused(Code::InvalidQuery)
    }

    /// With a body of JSON that has to be there.
    pub(super) fn body(self, schema: Value) -> Self {
        self.bodies(vec![("application/json", schema)], true)
    }

    /// With a body of JSON that may be missing.
    pub(super) fn optional_body(self, schema: Value) -> Self {
        self.bodies(vec![("application/json", schema)], false)
    }

    /// With a body of one of these types.
    pub(super) fn bodies(mut self, schemas: Vec<(&'static str, Value)>, must: bool) -> Self {
        self.body = Some((schemas, must));
        self.refused(Code::UnsupportedMediaType)
    }

    /// Answers with this in its envelope.
    pub(super) fn data(self, schema: Value) -> Self {
        self.answer(200, Some(schema), &[])
    }

    /// Answers with these members in its envelope.
    pub(super) fn members(self, members: &[(&str, Value)]) -> Self {
        self.data(object(members, &[]))
    }

    /// Answers without a body.
    pub(super) fn nothing(self) -> Self {
        self.answer(204, None, &[])
    }

    /// Answers so, with these headers beside those of every answer.
    pub(super) fn answer(
        mut self,
        status: u16,
        data: Option<Value>,
        headers: &[&'static str],
    ) -> Self {
        self.answers.push((status, data, headers.to_vec()));
        self
    }

    /// May be refused so.
    pub(super) fn refused(mut self, code: Code) -> Self {
        self.codes.insert(code);
        self
    }

    /// Is never refused so, though its path looks like it.
    pub(super) fn never(mut self, code: Code) -> Self {
        assert!(self.codes.remove(&code), "{}: {code:?} does not follow", self.id);
        self
    }

    /// What its route's row in the table says that it takes.
    fn need(&self) -> Need {
        let row = TABLE.iter().find(|(m, p, _)| *m == self.method && *p == self.pattern);
        row.unwrap_or_else(|| panic!("no route {} {}", self.method, self.pattern)).2
    }

    /// Which tokens may call it, with which permissions.
    fn security(&self) -> Value {
        let with = |flags: Vec<&str>| json!([{"projectToken": flags}, {"adminToken": []}]);
        match self.need() {
            Need::Flag(flag) => with(vec![flag.name()]),
            Need::All(flags) => with(flags.iter().map(|flag| flag.name()).collect()),
            Need::AnyToken => with(Vec::new()),
            Need::AdminOnly => json!([{"adminToken": []}]),
        }
    }

    /// All its parameters, by their names in the document.
    fn parameters(&self) -> Vec<&'static str> {
        let token = match self.pattern.split('/').next() {
            Some("projects") => "projectTokenHandle",
            Some("users") => "adminToken",
            _ => "leapToken",
        };
        let parts = [
            ("{project}", "projectPath"),
            ("{channel}", "channel"),
            ("{token}", token),
            ("{webhook}", "webhook"),
            ("{delivery}", "delivery"),
            ("{cid}", "cid"),
            ("{message}", "message"),
            ("{key}", "jwtKey"),
            ("{subject}", "subject"),
        ];
        let mut names: Vec<_> =
            parts.iter().filter(|(part, _)| self.pattern.contains(part)).map(|(_, n)| *n).collect();
        names.extend(&self.parameters);
        if self.method != Method::GET {
            names.push("idempotencyKey");
        }
        names.push("requestId");
        names
    }

    /// The operation as OpenAPI writes it.
    pub(super) fn document(&self, tag: &str) -> Value {
        let mut codes = self.codes.clone();
        if self.need() != Need::AnyToken {
            codes.insert(Code::MissingPermission);
        }
        let parameters = self.parameters().into_iter();
        let parameters: Vec<Value> = parameters
            .map(|name| json!({"$ref": format!("#/components/parameters/{name}")}))
            .collect();
        let mut document = json!({
            "operationId": self.id,
            "tags": [tag],
            "summary": self.summary,
            "security": self.security(),
            "parameters": parameters,
        });
        if let Some((schemas, must)) = &self.body {
            let content: Map<String, Value> = schemas
                .iter()
                .map(|(kind, schema)| ((*kind).to_owned(), json!({"schema": schema})))
                .collect();
            document["requestBody"] = json!({"required": must, "content": content});
        }
        document["responses"] = self.responses(&codes);
        document
    }

    /// All answers.
    fn responses(&self, codes: &BTreeSet<Code>) -> Value {
        let replays = (self.method != Method::GET).then_some("Idempotency-Replayed");
        let mut responses = Map::new();
        for (status, data, headers) in &self.answers {
            let headers = headers.iter().copied().chain(replays);
            responses.insert(status.to_string(), answer(*status, data.as_ref(), headers));
        }
        assert!(!responses.is_empty(), "{} answers nothing", self.id);
        responses.extend(refusals(codes));
        Value::Object(responses)
    }
}

/// The headers of every answer below `/v1`; the last two only where calls are limited.
pub(super) const OF_EVERY_ANSWER: [&str; 3] = ["X-Request-Id", "RateLimit-Policy", "RateLimit"];

/// An answer when all is well.
fn answer<'h>(status: u16, data: Option<&Value>, headers: impl Iterator<Item = &'h str>) -> Value {
    let headers: Map<String, Value> = headers
        .chain(OF_EVERY_ANSWER)
        .map(|name| (name.to_owned(), json!({"$ref": format!("#/components/headers/{name}")})))
        .collect();
    let sentence = match status {
        204 => "Done; there is nothing to tell.",
        304 => "One of the tags is the state's: nothing has changed.",
        _ => "Done.",
    };
    let mut answer = json!({"description": sentence, "headers": headers});
    if let Some(data) = data {
        let envelope = object(&[("success", only(true)), ("data", data.clone())], &[]);
        answer["content"] = json!({"application/json": {"schema": envelope}});
    }
    answer
}

/// The refusals of these codes, by their status.
pub(super) fn refusals(codes: &BTreeSet<Code>) -> Map<String, Value> {
    let statuses: BTreeSet<u16> = codes.iter().map(|code| code.status().as_u16()).collect();
    let refusal = |status: u16| {
        let same = codes.iter().filter(|code| code.status().as_u16() == status);
        let same: Vec<Code> = same.copied().collect();
        (status.to_string(), json!({"$ref": format!("#/components/responses/{}", name_of(&same))}))
    };
    statuses.into_iter().map(refusal).collect()
}

/// What the refusal with one of these codes is called in the document.
fn name_of(codes: &[Code]) -> String {
    codes.iter().map(|code| format!("{code:?}")).collect::<Vec<_>>().join("Or")
}

/// The refusal that has such a name.
pub(super) fn refusal_named(name: &str) -> Value {
    let is_meant = |code: &&Code| name.split("Or").any(|part| part == format!("{code:?}"));
    let codes: Vec<Code> = Code::ALL.iter().filter(is_meant).copied().collect();
    assert_eq!(name_of(&codes), name, "a code's name has `Or` in it");
    let lines: Vec<_> =
        codes.iter().map(|code| format!("`{}`: {}", code.word(), code.meaning())).collect();
    let words: Vec<_> = codes.iter().map(|code| code.word()).collect();
    // Where the server crashes, somebody else answers.
    let is_crash = codes.contains(&Code::Internal);
    let told = OF_EVERY_ANSWER.iter().filter(|_| !is_crash);
    let mut headers: Value = told
        .map(|name| ((*name).to_owned(), json!({"$ref": format!("#/components/headers/{name}")})))
        .collect::<Map<_, _>>()
        .into();
    if codes.iter().any(|code| code.retry_after().is_some()) {
        headers["Retry-After"] = json!({"$ref": "#/components/headers/Retry-After"});
    }
    if codes.contains(&Code::InvalidAuth) {
        headers["WWW-Authenticate"] = json!({"$ref": "#/components/headers/WWW-Authenticate"});
    }
    let code = json!({"properties": {"error": {"properties": {"code": {"enum": words}}}}});
    json!({
        "description": lines.join("\n"),
        "headers": headers,
        "content": {"application/json": {"schema": {"allOf": [named("Failure"), code]}}},
    })
}
