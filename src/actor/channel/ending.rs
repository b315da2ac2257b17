//! The end of a channel whose project was deleted.

use super::super::shard::EndProject;
use super::ChannelActor;
use actix::prelude::*;

impl Handler<EndProject> for ChannelActor {
    type Result = ();

    /// Passed on by the shard. Nobody is told `UNAVAILABLE`: all who could hear it are being closed with 4001.
    fn handle(&mut self, EndProject(project): EndProject, ctx: &mut Context<Self>) {
        if self.key().project == project {
            self.tell_deleted(ctx);
            ctx.stop();
        }
    }
}
