//! Mistakes in what `serve` is told: where, what, and the mend. A line is quoted without its secrets.

use std::fmt;
use std::ops::Range;

/// What stands for a secret in a quoted line.
pub const MASK: &str = "****";
/// Longer lines are cut: a caret far to the right helps nobody.
const LONGEST: usize = 160;

/// Where a mistake stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    Line {
        /// The file, as it was named.
        file: String,
        /// From 1.
        line: usize,
        /// From 1, in letters.
        column: usize,
        /// The line, secrets masked, comments left out.
        quote: String,
        /// How many letters of the quote stand before the caret.
        indent: usize,
        /// How many carets; at least one.
        width: usize,
    },
    /// A flag, a variable, or a file as a whole.
    Named(String),
}

/// Something wrong with what `serve` is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where.
    pub place: Place,
    /// What is wrong, one sentence. Holds no secret.
    pub problem: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Mistake {
    /// One of a flag, a variable or a whole file.
    pub fn named(name: impl Into<String>, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { place: Place::Named(name.into()), problem: problem.into(), hint: Some(hint.into()) }
    }

    /// The line, from 1; 0 where it is in no file.
    pub fn line(&self) -> usize {
        match self.place {
            Place::Line { line, .. } => line,
            Place::Named(_) => 0,
        }
    }

    /// The column, from 1; 0 where it is in no file.
    pub fn column(&self) -> usize {
        match self.place {
            Place::Line { column, .. } => column,
            Place::Named(_) => 0,
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Line { file, line, column, quote, indent, width } => {
                write!(f, "{file}:{line}:{column}: {}", self.problem)?;
                if !quote.trim().is_empty() {
                    let number = line.to_string();
                    let (gap, indent, carets) = (" ".repeat(number.len()), " ".repeat(*indent), "^".repeat(*width));
                    write!(f, "\n  {number} | {quote}\n  {gap} | {indent}{carets}")?;
                }
            }
            Place::Named(name) => write!(f, "{name}: {}", self.problem)?,
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Mistake {}

/// What of a document may not be seen: ranges of bytes, each with what stands there instead.
#[derive(Default)]
pub(super) struct Hidden(Vec<(Range<usize>, String)>);

impl Hidden {
    pub(super) fn hide(&mut self, span: Range<usize>, shown: impl Into<String>) {
        self.0.push((span, shown.into()));
    }

    /// The place of `span` in `text`.
    pub(super) fn place(&self, file: &str, text: &str, span: Range<usize>) -> Place {
        let start = floor(text, span.start);
        let line_start = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let line_end = text.get(start..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| start + at);
        let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
        let column = letters(text, line_start..start) + 1;
        let end = floor(text, span.end).clamp(start, line_end);
        let (quote, carets) = self.quote(text, line_start..line_end, start..end);
        Place::Line {
            file: file.to_owned(),
            line,
            column,
            quote,
            indent: carets.start,
            width: (carets.end - carets.start).max(1),
        }
    }

    /// The line without what is hidden, and which letters of it `wrong` became.
    fn quote(&self, text: &str, line: Range<usize>, wrong: Range<usize>) -> (String, Range<usize>) {
        let mut hidden: Vec<_> =
            self.0.iter().filter(|(span, _)| span.start < line.end && span.end > line.start).collect();
        hidden.sort_by_key(|(span, _)| span.start);
        let (mut quote, mut at, mut carets) = (String::new(), line.start, 0..0);
        let mut count = 0;
        let mut began = false;
        let mut add = |piece: &str, from: usize, to: usize, whole: bool| {
            for (offset, letter) in piece.char_indices() {
                // Of a hidden part the carets stand under all of it, or under none.
                let inside = if whole {
                    wrong.start < to && wrong.end.max(wrong.start + 1) > from
                } else {
                    from + offset >= wrong.start && from + offset < wrong.end.max(wrong.start + 1)
                };
                if inside && !began {
                    (began, carets.start) = (true, count);
                }
                if inside {
                    carets.end = count + 1;
                }
                if count < LONGEST {
                    quote.push(if letter.is_control() { ' ' } else { letter });
                }
                count += 1;
            }
        };
        for (span, shown) in hidden {
            let (start, end) = (floor(text, span.start.max(line.start)), floor(text, span.end.min(line.end)));
            if start < at {
                continue;
            }
            add(text.get(at..start).unwrap_or_default(), at, start, false);
            add(shown, start, end, true);
            at = end;
        }
        let rest = text.get(at..line.end).unwrap_or_default();
        add(comment_cut(rest), at, line.end, false);
        if !began {
            carets = count..count + 1;
        }
        carets.start = carets.start.min(LONGEST);
        carets.end = carets.end.clamp(carets.start, LONGEST + 1);
        (quote.trim_end().to_owned(), carets)
    }
}

/// Comments may hold an old key. What is left of the line after its hidden values holds no `#` of its own but in
/// a visible text, where cutting it does no harm.
fn comment_cut(rest: &str) -> &str {
    rest.split('#').next().unwrap_or(rest)
}

/// The next place at or before `at` where a letter begins.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn letters(text: &str, span: Range<usize>) -> usize {
    text.get(span).unwrap_or_default().chars().count()
}
