//! Names of streams (`live/show`), and patterns that fit several of them (`live/*`).

use std::fmt;

/// The public name of a stream: app and name, joined by a slash. Never a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId {
    /// The app: `live`, `app/instance`.
    pub app: String,
    /// The name within it; may be empty.
    pub name: String,
}

impl StreamId {
    /// From `app/name`: the last slash divides. `None` if a part can't be a name.
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split('/').collect();
        if !words.iter().all(|word| is_word(word)) {
            return None;
        }
        let (name, app) = words.split_last()?;
        Some(if app.is_empty() {
            Self { app: (*name).to_owned(), name: String::new() }
        } else {
            Self { app: app.join("/"), name: (*name).to_owned() }
        })
    }

    /// From the app and name of a peer, queries left out. `None` if they hold what a name may not.
    pub fn of_peer(app: &str, name: &str) -> Option<Self> {
        let parts = [app, name].map(|part| part.split('?').next().unwrap_or_default());
        let words: Vec<&str> = parts.iter().flat_map(|part| part.split('/')).filter(|word| !word.is_empty()).collect();
        Self::parse(&words.join("/"))
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.app)?;
        if !self.name.is_empty() {
            write!(f, "/{}", self.name)?;
        }
        Ok(())
    }
}

/// Longer words are no names.
const LONGEST: usize = 255;

/// True for what may stand between two slashes: no way up, nothing that a log, a URL or a file name would read
/// otherwise.
fn is_word(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= LONGEST
        && word != "."
        && word != ".."
        && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '+' | '=' | '@' | ',' | ':'))
}

/// Which streams: words joined by slashes, of which `*` fits any one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Pattern(Vec<String>);

impl Pattern {
    /// Reads a pattern. The error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<String> = text.split('/').map(str::to_owned).collect();
        match words.iter().find(|word| *word != "*" && !is_word(word)) {
            Some(word) if word.is_empty() => Err("a name is `app/name`, without slashes at its ends".to_owned()),
            Some(word) => Err(format!("`{word}` can't be part of a stream's name: use letters, digits and - _ . ~")),
            None => Ok(Self(words)),
        }
    }

    /// True if it names one stream only.
    pub fn is_exact(&self) -> bool {
        !self.0.iter().any(|word| word == "*")
    }

    /// The one stream that it names.
    pub fn exact(&self) -> Option<StreamId> {
        self.is_exact().then(|| StreamId::parse(&self.0.join("/"))).flatten()
    }

    /// The words between its slashes.
    pub fn words(&self) -> &[String] {
        &self.0
    }

    /// True if it fits every stream that the other fits.
    pub fn covers(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(own, word)| own == "*" || own == word)
    }

    /// A stream that both fit, if there is one. What is free in both is called `any`.
    pub fn common(&self, other: &Self) -> Option<StreamId> {
        if self.0.len() != other.0.len() {
            return None;
        }
        let word = |(own, word): (&String, &String)| match (own.as_str(), word.as_str()) {
            ("*", "*") => Some("any".to_owned()),
            ("*", word) | (word, "*") => Some(word.to_owned()),
            (own, word) => (own == word).then(|| own.to_owned()),
        };
        let words: Option<Vec<String>> = self.0.iter().zip(&other.0).map(word).collect();
        StreamId::parse(&words?.join("/"))
    }

    /// True if it fits this stream.
    pub fn fits(&self, id: &StreamId) -> bool {
        let words: Vec<&str> = id.app.split('/').chain((!id.name.is_empty()).then_some(id.name.as_str())).collect();
        words.len() == self.0.len() && self.0.iter().zip(words).all(|(own, word)| own == "*" || own == word)
    }

    /// True if it fits a stream of this app, whatever its name: for peers that give a key in the place of the name.
    pub fn fits_app(&self, app: &str) -> bool {
        let app: Vec<&str> = app.split('?').next().unwrap_or_default().split('/').filter(|w| !w.is_empty()).collect();
        self.0.len() == app.len() + 1 && self.0.iter().zip(app).all(|(own, word)| own == "*" || own == word)
    }

    /// True if it fits a stream below this app, however much of the stream's path a peer has put into the app.
    pub fn begins_with(&self, app: &str) -> bool {
        let app: Vec<&str> = app.split('?').next().unwrap_or_default().split('/').filter(|w| !w.is_empty()).collect();
        app.len() <= self.0.len() && self.0.iter().zip(app).all(|(own, word)| own == "*" || own == word)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_stream_has_one_name_however_its_url_is_divided() {
        let id = StreamId::parse("live/show").unwrap();
        for (app, name) in [("live", "show"), ("live", "show?key=1"), ("live/show", ""), ("live?x=1", "/show/")] {
            assert_eq!(StreamId::of_peer(app, name).as_ref(), Some(&id), "{app} {name}");
        }
        assert_eq!(id.to_string(), "live/show");
        assert_eq!(StreamId::of_peer("live", "").unwrap().to_string(), "live");
        assert_eq!(StreamId::of_peer("app/inst", "x").unwrap(), StreamId::parse("app/inst/x").unwrap());
    }

    #[test]
    fn nothing_that_leads_elsewhere_is_a_name() {
        for bad in ["../etc", "live/..", "live/a b", "live/a%2e", "live/a\nb", "live/a\0", "live//a", "", "live/${app}"]
        {
            assert_eq!(StreamId::parse(bad), None, "{bad:?}");
        }
        assert_eq!(StreamId::of_peer("live", "../x"), None);
        assert_eq!(StreamId::parse(&format!("live/{}", "x".repeat(256))), None);
    }

    #[test]
    fn a_star_fits_one_word() {
        let fits = |pattern: &str, id: &str| Pattern::parse(pattern).unwrap().fits(&StreamId::parse(id).unwrap());
        assert!(fits("live/*", "live/a") && fits("*/*", "live/a") && fits("live/a", "live/a") && fits("live", "live"));
        assert!(!fits("live/*", "live/a/b") && !fits("live/*", "live") && !fits("live/a", "live/b"));
        assert!(
            Pattern::parse("live/*").unwrap().fits_app("live?x=1") && !Pattern::parse("a/*").unwrap().fits_app("b")
        );
        assert!(Pattern::parse("live/").is_err() && Pattern::parse("a/..").unwrap_err().contains(".."));
        assert_eq!(Pattern::parse("live/*").unwrap().exact(), None);
    }

    #[test]
    fn patterns_are_compared() {
        let pattern = |text: &str| Pattern::parse(text).unwrap();
        assert!(pattern("live/*").covers(&pattern("live/a")) && pattern("*/*").covers(&pattern("live/*")));
        assert!(!pattern("live/a").covers(&pattern("live/*")) && !pattern("*").covers(&pattern("*/*")));
        let common = |a: &str, b: &str| pattern(a).common(&pattern(b)).map(|id| id.to_string());
        assert_eq!(common("live/*", "*/a").as_deref(), Some("live/a"));
        assert_eq!(common("live/*", "live/*").as_deref(), Some("live/any"));
        assert_eq!(common("live/a", "live/b"), None);
        assert_eq!(common("live", "live/*"), None);
    }
}
