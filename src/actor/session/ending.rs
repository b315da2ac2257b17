//! The end of a session whose project was deleted.

use super::super::shard::EndProject;
use super::SessionActor;
use actix::prelude::*;

impl Handler<EndProject> for SessionActor {
    type Result = ();

    /// Passed on by the shard to every session, because it does not know whose project is which.
    fn handle(&mut self, EndProject(project): EndProject, ctx: &mut Context<Self>) {
        if self.is_of(&project) {
            self.end("the project was deleted", ctx);
        }
    }
}
