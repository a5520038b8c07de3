//! Mistakes as a person reads them: the word, a caret under the wrong part, and the mend.

use std::fmt::Write as _;

use super::Doubts;
use crate::config::{Mistake, Place};
use crate::error::{SpecError, SpecErrors};

/// How many mistakes are told at most: the first ones mended, the rest is mostly gone.
const MOST: usize = 20;

/// Colours, where the text goes to a terminal.
#[derive(Debug, Clone, Copy, Default)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Colours for standard error, if it is a terminal and nobody said `NO_COLOR`.
    pub fn for_stderr() -> Self {
        Self::on(std::io::IsTerminal::is_terminal(&std::io::stderr()))
    }

    /// The same for standard output.
    pub fn for_stdout() -> Self {
        Self::on(std::io::IsTerminal::is_terminal(&std::io::stdout()))
    }

    fn on(terminal: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { on: !plain && terminal }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Something is wrong.
    pub fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// Something may be wrong.
    pub fn doubtful(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// All is well.
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Of less weight.
    pub fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }
}

/// Every mistake, after the warnings that may explain it.
pub fn render(errors: &SpecErrors, paint: Paint) -> String {
    let mut text = String::new();
    for warning in errors.warnings.iter().take(MOST) {
        text.push_str(&render_warning(warning, paint));
    }
    for error in errors.list.iter().take(MOST) {
        text.push_str(&render_one(error, "", paint, Paint::bad));
    }
    if errors.list.len() > MOST {
        let _ = writeln!(text, "outflow: and {} more", errors.list.len() - MOST);
    }
    text
}

/// A warning, as it stands in the log before anything starts.
pub fn render_warning(warning: &SpecError, paint: Paint) -> String {
    render_one(warning, "warning: ", paint, Paint::doubtful)
}

fn render_one(error: &SpecError, sort: &str, paint: Paint, colour: fn(Paint, &str) -> String) -> String {
    let mut before = format!("outflow: {sort}");
    let place = if error.word.is_empty() {
        String::new()
    } else {
        let _ = write!(before, "word {} `", error.word_index);
        format!("{}`: ", error.word)
    };
    // The caret tells which option it is, where there is one.
    let field = match (&error.field, &error.span) {
        (Some(field), None) => format!("{field}: "),
        _ => String::new(),
    };
    let mut text = format!("{before}{place}{field}{}\n", colour(paint, &error.problem));
    let span =
        error.span.as_ref().and_then(|span| Some((error.word.get(..span.start)?, error.word.get(span.clone())?)));
    if let Some((start, wrong)) = span.filter(|(_, wrong)| !wrong.is_empty()) {
        let indent = before.chars().count() + start.chars().count();
        let carets = colour(paint, &"^".repeat(wrong.chars().count()));
        let _ = writeln!(text, "{:indent$}{carets}", "");
    }
    if let Some(hint) = &error.hint {
        let _ = writeln!(text, "  {hint}");
    }
    text
}

/// Every mistake of a configuration.
pub fn render_config(mistakes: &[Mistake], paint: Paint) -> String {
    let mut text = String::new();
    for mistake in mistakes.iter().take(MOST) {
        text.push_str(&render_mistake(mistake, "", paint, Paint::bad));
    }
    if mistakes.len() > MOST {
        let _ = writeln!(text, "outflow: and {} more", mistakes.len() - MOST);
    }
    text
}

/// What works, but is hardly meant.
pub fn render_doubts(doubts: &Doubts, paint: Paint) -> String {
    match doubts {
        Doubts::Words(warnings) => warnings.iter().map(|warning| render_warning(warning, paint)).collect(),
        Doubts::Config(warnings) => render_config_doubts(warnings, paint),
    }
}

/// The same of a configuration.
pub fn render_config_doubts(warnings: &[Mistake], paint: Paint) -> String {
    warnings.iter().map(|warning| render_mistake(warning, "warning: ", paint, Paint::doubtful)).collect()
}

fn render_mistake(mistake: &Mistake, sort: &str, paint: Paint, colour: fn(Paint, &str) -> String) -> String {
    let mut text = String::from("outflow: ");
    let problem = colour(paint, &mistake.problem);
    match &mistake.place {
        Place::Line { file, line, column, quote, indent, width } => {
            let _ = writeln!(text, "{file}:{line}:{column}: {sort}{problem}");
            if !quote.trim().is_empty() {
                let number = line.to_string();
                let gap = number.len();
                let carets = colour(paint, &"^".repeat(*width));
                let _ = writeln!(text, "  {number} | {quote}\n  {:gap$} | {:indent$}{carets}", "", "");
            }
        }
        Place::Named(name) => {
            let _ = writeln!(text, "{name}: {sort}{problem}");
        }
    }
    if let Some(hint) = &mistake.hint {
        let _ = writeln!(text, "  {hint}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_wrong_part() {
        let mut error =
            SpecError::new("this is not an option").hint("did you mean `max_lag`?").at(4, "é:max_lagg=****");
        error.span = Some(3..11);
        error.field = Some("max_lagg".into());
        assert_eq!(
            render(&SpecErrors::from(error), Paint::default()),
            "outflow: word 4 `é:max_lagg=****`: this is not an option\n\
             \x20                  ^^^^^^^^\n\
             \x20 did you mean `max_lag`?\n"
        );
    }

    #[test]
    fn many_mistakes_are_counted() {
        let text = render(&SpecErrors::new(vec![SpecError::new("x"); 25]), Paint::default());
        assert!(text.ends_with("outflow: and 5 more\n"), "{text}");
        assert_eq!(text.lines().count(), MOST + 1);
    }
}
