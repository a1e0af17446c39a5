//! The Lua scripts, each one atomic step of a queue.

use std::sync::Arc;

use redis::Script;

/// Every script, with the parts that it builds on put in front.
#[derive(Clone)]
pub(crate) struct Scripts(Arc<All>);

macro_rules! scripts {
    ($($name:ident = $parts:ident;)*) => {
        pub(crate) struct All {
            $(pub(crate) $name: Script,)*
        }

        impl Scripts {
            pub(crate) fn new() -> Self {
                Self(Arc::new(All {
                    $($name: Script::new(&format!("{}{}", $parts, include_str!(concat!("lua/", stringify!($name), ".lua")))),)*
                }))
            }
        }

        /// Names of all scripts, for [`script_text`].
        pub const SCRIPT_NAMES: &[&str] = &[$(stringify!($name)),*];

        /// A script as Redis gets it, all its parts put together: for programs in other languages. `docs/protocol.md`
        /// says how to call those that are stable.
        pub fn script_text(name: &str) -> Option<String> {
            match name {
                $(stringify!($name) => {
                    Some(format!("{}{}", $parts, include_str!(concat!("lua/", stringify!($name), ".lua"))))
                })*
                _ => None,
            }
        }
    };
}

/// Names of keys, the clock, counts.
const KEYS: &str = include_str!("lua/keys.lua");

/// Ids, blocks and claims: all that plain jobs need.
macro_rules! plain {
    () => {
        concat!(
            include_str!("lua/keys.lua"),
            include_str!("lua/id.lua"),
            include_str!("lua/block.lua"),
            include_str!("lua/claimed.lua"),
        )
    };
}

/// What other jobs need besides. To set it up costs Redis as long as to do a call for plain jobs.
macro_rules! beyond_plain {
    () => {
        concat!(include_str!("lua/record.lua"), include_str!("lua/line.lua"), include_str!("lua/ending.lua"))
    };
}

/// All that moves jobs.
const ALL: &str = concat!(plain!(), beyond_plain!());

/// And all that schedules make.
const SCHEDULES: &str = concat!(plain!(), beyond_plain!(), include_str!("lua/note_job.lua"));

/// The scripts that each job needs are done before that where there are only plain jobs.
const CLAIM: &str = concat!(plain!(), include_str!("lua/claim_plain.lua"), beyond_plain!());
/// First it is seen whether they were handed off before.
const ENQUEUE: &str = concat!(
    plain!(),
    include_str!("lua/watermark.lua"),
    include_str!("lua/room.lua"),
    include_str!("lua/enqueue_plain.lua"),
    beyond_plain!()
);
const SETTLE: &str = concat!(plain!(), include_str!("lua/settle_plain.lua"), beyond_plain!());
/// Jobs come in, from where they were before.
const PUT_BACK: &str = concat!(plain!(), beyond_plain!(), include_str!("lua/room.lua"));
/// Jobs run at another time.
const MOVING: &str = concat!(plain!(), beyond_plain!(), include_str!("lua/moving.lua"));
/// Renewals are frequent, too.
const PLAIN: &str = plain!();

scripts! {
    cancel = ALL;
    check = ALL;
    claim = CLAIM;
    claim_dead = KEYS;
    edit = MOVING;
    enqueue = ENQUEUE;
    find = KEYS;
    keep_dead = KEYS;
    lane = KEYS;
    look = ALL;
    note = ALL;
    page = ALL;
    prune = ALL;
    put_back = PUT_BACK;
    remove = ALL;
    renew = PLAIN;
    reschedule = MOVING;
    set = KEYS;
    schedule = SCHEDULES;
    settle = SETTLE;
    stats = ALL;
    stop = ALL;
    tick = SCHEDULES;
}

impl std::ops::Deref for Scripts {
    type Target = All;
    fn deref(&self) -> &All {
        &self.0
    }
}
