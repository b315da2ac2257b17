//! What others want fetched.

use crate::jwt::KeySet;
use actix::prelude::*;

/// Sent by who needs keys: fetch them; answered with a word for programs where they do not come.
#[derive(Message)]
#[rtype(result = "Result<KeySet, &'static str>")]
pub struct FetchKeys(pub String);
