//! The Lua scripts, each one atomic step of a queue.

use std::sync::Arc;

use redis::Script;

/// Every script, with what they share put in front.
#[derive(Clone)]
pub(crate) struct Scripts(Arc<All>);

pub(crate) struct All {
    pub(crate) enqueue: Script,
    pub(crate) cancel: Script,
    pub(crate) claim: Script,
    pub(crate) renew: Script,
    pub(crate) settle: Script,
    pub(crate) claim_dead: Script,
    pub(crate) keep_dead: Script,
    pub(crate) drop_dead: Script,
    pub(crate) stats: Script,
    pub(crate) schedule: Script,
    pub(crate) tick: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        let script = |body: &str| Script::new(&format!("{}{body}", include_str!("lua/prelude.lua")));
        Self(Arc::new(All {
            enqueue: script(include_str!("lua/enqueue.lua")),
            cancel: script(include_str!("lua/cancel.lua")),
            claim: script(include_str!("lua/claim.lua")),
            renew: script(include_str!("lua/renew.lua")),
            settle: script(include_str!("lua/settle.lua")),
            claim_dead: script(include_str!("lua/claim_dead.lua")),
            keep_dead: script(include_str!("lua/keep_dead.lua")),
            drop_dead: script(include_str!("lua/drop_dead.lua")),
            stats: script(include_str!("lua/stats.lua")),
            schedule: script(concat!(include_str!("lua/stand_in.lua"), include_str!("lua/schedule.lua"))),
            tick: script(concat!(include_str!("lua/stand_in.lua"), include_str!("lua/tick.lua"))),
        }))
    }
}

impl std::ops::Deref for Scripts {
    type Target = All;
    fn deref(&self) -> &All {
        &self.0
    }
}
