//! The scripts, each of which is one step that nothing else comes between.

use redis::Script;

/// All of them.
pub(super) struct Scripts {
    /// A connection's first words.
    pub(super) enter: Script,
    /// Where a line stands.
    pub(super) open: Script,
    /// What the store had when it was opened.
    pub(super) settle: Script,
    /// An entry gets its place.
    pub(super) append: Script,
    /// What was missed.
    pub(super) window: Script,
}

impl Scripts {
    /// Those that lines are asked by.
    pub(super) const fn of_lines(&self) -> [&Script; 4] {
        [&self.open, &self.settle, &self.append, &self.window]
    }

    /// They, with their sums.
    pub(super) fn new() -> Self {
        Self {
            enter: Script::new(include_str!("scripts/enter.lua")),
            open: Script::new(include_str!("scripts/open.lua")),
            settle: Script::new(include_str!("scripts/settle.lua")),
            append: Script::new(include_str!("scripts/append.lua")),
            window: Script::new(include_str!("scripts/window.lua")),
        }
    }
}
