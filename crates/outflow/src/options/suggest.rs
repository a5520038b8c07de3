//! "Did you mean": the nearest known name, by the number of typing mistakes between two words.

/// Longer words are never compared: no name is that long, and the cost grows with the product of the lengths.
const LONGEST: usize = 40;

/// How many letters must be added, dropped, replaced or swapped with their neighbour to make `a` into `b`.
fn mistakes(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x) && x != y;
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut cost = at(&last, j) + usize::from(x != y);
            cost = cost.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if swapped {
                cost = cost.min(at(&before_last, j - 1) + 1);
            }
            row.push(cost);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

/// The known name that `typed` most likely means, if one is near enough: two mistakes, or one for each three
/// letters of a long name.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower: Vec<char> = typed.chars().take(LONGEST + 1).flat_map(char::to_lowercase).collect();
    if lower.is_empty() || lower.len() > LONGEST {
        return None;
    }
    let scored = known.into_iter().filter_map(|name| {
        let letters: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
        let longest = lower.len().max(letters.len());
        let allowed = if longest < 4 { 1 } else { (longest / 3).max(2) };
        // The beginning of a name is a name cut short, not a slip of another.
        if lower.len() >= 3 && lower.len() < letters.len() && letters.starts_with(&lower) {
            return Some((0, name));
        }
        let cost = mistakes(&lower, &letters);
        // One letter for another says nothing in names of one or two letters.
        (cost <= allowed && cost < letters.len().min(lower.len()).max(1)).then_some((cost, name))
    });
    scored.min_by_key(|(cost, name)| (*cost, if *cost == 0 { name.len() } else { 0 })).map(|(_, name)| name)
}

/// "did you mean `x`?", if something is near enough.
pub fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(typed, known).map(|name| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_are_found_and_strangers_are_not() {
        let known = ["max_lag", "rtmp_listen", "latency", "retry", "retries", "name", "b"];
        for (typed, meant) in [
            ("max_lagg", Some("max_lag")),
            ("maxlag", Some("max_lag")),
            ("rtmp_lisetn", Some("rtmp_listen")),
            ("RTMP_LISTEN", Some("rtmp_listen")),
            ("nmae", Some("name")),
            ("retri", Some("retries")),
            ("latnecy", Some("latency")),
            ("x", None),
            ("zebra", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
        for (typed, meant) in [("siz", "sizes"), ("graf", "graph"), ("stat", "stats"), ("sizes", "sizes")] {
            assert_eq!(
                nearest(typed, ["sr", "dur", "size_x_long", "sizes", "stats", "graph", "gop"]),
                Some(meant),
                "{typed}"
            );
        }
        assert_eq!(nearest(&"a".repeat(100_000), known), None);
    }
}
