//! Colours, where someone looks.

use std::io::IsTerminal;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shade {
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// Colours for a terminal, none for a file or a pipe.
    pub(crate) fn for_stdout() -> Self {
        Self { on: std::io::stdout().is_terminal() }
    }

    pub(crate) fn shade(self, shade: Shade, text: &str) -> String {
        let code = match shade {
            Shade::Bold => "1",
            Shade::Dim => "2",
            Shade::Green => "32",
            Shade::Yellow => "33",
            Shade::Red => "1;31",
        };
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
