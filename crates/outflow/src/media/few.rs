//! A map of a few keys, such as the tracks of a stream: looked up for each packet, where hashing costs more than a look at
//! each of them.

/// A map that looks at its keys one after the other, those that came first before the others.
#[derive(Debug)]
pub struct Few<K, V>(Vec<(K, V)>);

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq, V> Few<K, V> {
    /// What is kept under this key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// Keeps it under this key; gives back what was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, slot)) => Some(std::mem::replace(slot, value)),
            None => {
                self.0.push((key, value));
                None
            }
        }
    }

    /// All of it.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// All that is kept, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_what_it_was_given_last() {
        let mut few = Few::default();
        assert_eq!((few.insert('a', 1), few.insert('b', 2), few.insert('a', 3)), (None, None, Some(1)));
        few.values_mut().for_each(|value| *value += 10);
        assert_eq!((few.get(&'a'), few.get(&'b'), few.get(&'c')), (Some(&13), Some(&12), None));
        assert_eq!(few.iter().collect::<Vec<_>>(), [(&'a', &13), (&'b', &12)]);
    }
}
