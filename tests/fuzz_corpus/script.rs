//! Inputs that are scripts: bytes that choose what is done.

use std::ops::ControlFlow;

/// Cuts `script` into its steps.
pub fn steps(script: &[u8], mut step: impl FnMut(u8, &mut Script<'_>) -> ControlFlow<()>) {
    let mut script = Script(script);
    while let Some(code) = script.byte() {
        if step(code, &mut script).is_break() {
            return;
        }
    }
}

/// What is left of a script.
pub struct Script<'a>(pub &'a [u8]);

impl<'a> Script<'a> {
    pub fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// A byte, or 0 where the script ends.
    pub fn pick(&mut self) -> usize {
        usize::from(self.byte().unwrap_or(0))
    }

    /// So many bytes, or those that are left.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Up to the next line end, as text; nothing where that is no UTF-8.
    pub fn line(&mut self) -> &'a str {
        let len = self.0.iter().position(|&byte| byte == b'\n').unwrap_or(self.0.len());
        let line = self.take(len);
        self.byte();
        std::str::from_utf8(line).unwrap_or_default()
    }
}
