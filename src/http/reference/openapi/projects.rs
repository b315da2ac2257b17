//! The operations on projects, their tokens and members, and on what happened in them.

use super::super::schema::{
    array, fields, flags, group, like, named, number_from, object, or_null, text, text_of, told,
    truth,
};
use super::lists::list;
use super::operation::{Operation, delete, get, patch, post};
use crate::http::error::FailureCode as Code;
use crate::http::{project_tokens, projects};
use serde_json::{Value, json};

/// All of them.
pub(super) fn all() -> Vec<Operation> {
    [of_projects(), of_members(), of_tokens(), vec![inspect()]].into_iter().flatten().collect()
}

/// A project's name.
fn name() -> Value {
    let plain = json!({"pattern": r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"});
    let mut name = text_of(1, projects::MAX_NAME_BYTES);
    name["pattern"] = plain["pattern"].clone();
    name
}

/// Projects themselves.
fn of_projects() -> Vec<Operation> {
    let most = projects::MAX_NAMESPACE_LETTERS;
    let namespace = like(&format!("^[a-z0-9-]{{1,{most}}}$"));
    let new = [("name", name()), ("namespace", namespace)];
    let new = fields(projects::NEW_FIELDS, &new, &["namespace"]);
    let renamed = fields(projects::RENAME_FIELDS, &[("name", name())], &[]);
    let project = ("project", named("Project"));
    let idle = ("leap_token", told(text(), "Nobody's: clients need a string there."));
    vec![
        list(
            get("projects", "listProjects", "List all projects of the server"),
            "projects",
            "Project",
        ),
        post(
            "projects",
            "createProject",
            "Make a project, and a first token with every permission",
        )
        .body(new)
        .members(&[project.clone(), ("project_token", named("ProjectToken"))])
        .refused(Code::ProjectExists)
        .refused(Code::IdempotencyAnswerNotKept),
        get("projects/{project}", "getProject", "Show a project").members(&[project.clone(), idle]),
        patch("projects/{project}", "renameProject", "Give a project another name")
            .body(renamed)
            .members(&[project]),
        delete("projects/{project}", "deleteProject", "Delete a project with all that is in it")
            .nothing(),
    ]
}

/// Members.
fn of_members() -> Vec<Operation> {
    let me = [("project_member", named("ProjectMember"))];
    vec![
        list(
            get("projects/{project}/members", "listProjectMembers", "List a project's members"),
            "members",
            "ProjectMember",
        ),
        get(
            "projects/{project}/members/@me",
            "getOwnMembership",
            "Show what the token may do, as a member",
        )
        .members(&me),
    ]
}

/// Project tokens.
fn of_tokens() -> Vec<Operation> {
    let new = [("flags", flags()), ("permissions", array(group()))];
    let mut new = fields(project_tokens::FIELDS, &new, &["flags", "permissions"]);
    new["anyOf"] = json!([{"required": ["flags"]}, {"required": ["permissions"]}]);
    vec![
        list(
            get(
                "projects/{project}/tokens",
                "listProjectTokens",
                "List a project's tokens, their secrets masked",
            ),
            "project_tokens",
            "ProjectToken",
        ),
        post(
            "projects/{project}/tokens",
            "createProjectToken",
            "Make a project token; its secret is shown this once",
        )
        .body(new)
        .members(&[("project_token", named("ProjectToken"))])
        .refused(Code::IdempotencyAnswerNotKept),
        delete("projects/{project}/tokens/{token}", "deleteProjectToken", "Delete a project token")
            .nothing()
            .refused(Code::TokenNotFound),
    ]
}

/// What happened lately.
fn inspect() -> Operation {
    let members = [
        ("entries", array(named("RecordEntry"))),
        ("next", told(like("^[0-9]+$"), "The number to go on `after`.")),
        ("older", told(like("^[0-9]+$"), "The number to go back `before`.")),
        (
            "lost",
            told(or_null(number_from(0)), "How many entries are missing; null where nobody knows."),
        ),
        ("is_recording", truth()),
        ("minutes", number_from(0)),
    ];
    let asked = [
        "ofChannel",
        "ofToken",
        "ofConnection",
        "kind",
        "since",
        "afterNumber",
        "beforeNumber",
        "entryLimit",
        "wait",
    ];
    let operation = get(
        "projects/{project}/inspect",
        "inspect",
        "Show what was said and done lately, and what comes",
    );
    let operation = asked.into_iter().fold(operation, Operation::asked);
    operation.data(object(&members, &["older"]))
}
