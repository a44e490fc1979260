//! Lists of the paths with the most views, which read models store for each site, event type and day.
//!
//! Views only grow. So a list stays exact if only the paths with new views are considered: every other path outside of the
//! list has at most as many views as its last one.

use std::cmp::{Ordering, Reverse};
use std::collections::HashSet;

/// Maximum paths of a list. A report shows three, a dashboard ten; and a ranking over several days is only sure for paths
/// that are in most of the lists.
pub const TOP_PATHS_KEPT: usize = 16;

/// The top paths, by descending views, then in byte order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopPaths {
    paths: Vec<(String, u64)>,
}

/// Error about a damaged stored list, which has to be computed again from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored top paths are damaged")]
pub struct CorruptTopPaths;

impl TopPaths {
    /// Updates the list with the paths whose views have changed, and their total views now.
    pub fn update<'a>(&mut self, changed: impl IntoIterator<Item = (&'a str, u64)>) {
        let floor = self.floor();
        let changed: Vec<_> = changed.into_iter().filter(|(_, views)| *views >= floor).collect();
        let names: HashSet<&str> = changed.iter().map(|(path, _)| *path).collect();
        self.paths.retain(|(path, _)| !names.contains(path.as_str()));
        let mut all: Vec<(&str, u64)> = self.iter().chain(changed).collect();
        if all.len() > TOP_PATHS_KEPT {
            all.select_nth_unstable_by(TOP_PATHS_KEPT, in_order);
            all.truncate(TOP_PATHS_KEPT);
        }
        all.sort_unstable_by(in_order);
        self.paths = all.into_iter().map(|(path, views)| (path.to_owned(), views)).collect();
    }

    /// The paths and their views, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.paths.iter().map(|(path, views)| (path.as_str(), *views))
    }

    /// Maximum views of a path outside of the list; 0 if all paths are in the list.
    pub fn floor(&self) -> u64 {
        self.paths.get(TOP_PATHS_KEPT - 1).map_or(0, |(_, views)| *views)
    }

    /// Approximate bytes in memory.
    pub fn bytes(&self) -> usize {
        self.paths.iter().map(|(path, _)| size_of::<(String, u64)>() + path.len()).sum()
    }

    /// Serializes the list: `[["/pricing",700],["/",250]]`. Equal lists have equal texts.
    ///
    /// # Panics
    ///
    /// Never: texts and numbers can be serialized.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.paths).expect("texts and numbers can be written")
    }

    /// Parses a stored list.
    ///
    /// # Errors
    ///
    /// The text is not a list of this form, is too long, or not in order.
    pub fn from_json(stored: &str) -> Result<Self, CorruptTopPaths> {
        let paths: Vec<(String, u64)> = serde_json::from_str(stored).map_err(|_| CorruptTopPaths)?;
        let is_in_order = paths.is_sorted_by(|(one, views), (other, fewer)| {
            in_order(&(one.as_str(), *views), &(other.as_str(), *fewer)) == Ordering::Less
        });
        if paths.len() <= TOP_PATHS_KEPT && is_in_order { Ok(Self { paths }) } else { Err(CorruptTopPaths) }
    }
}

fn in_order((one, views): &(&str, u64), (other, fewer): &(&str, u64)) -> Ordering {
    (Reverse(views), one).cmp(&(Reverse(fewer), other))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn expected(views: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
        let mut all: Vec<_> = views.clone().into_iter().collect();
        all.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        all.truncate(TOP_PATHS_KEPT);
        all
    }

    proptest! {
        /// For any batches the list equals that of sorting all paths.
        #[test]
        fn it_is_what_sorting_all_paths_makes(batches in prop::collection::vec(
            prop::collection::vec((0u8..40, 1u64..4), 1..30), 1..30,
        )) {
            let (mut top, mut views) = (TopPaths::default(), BTreeMap::<String, u64>::new());
            for batch in batches {
                let mut changed = BTreeMap::new();
                for (path, more) in batch {
                    let path = format!("/{path}");
                    let now = views.entry(path.clone()).or_default();
                    *now += more;
                    changed.insert(path, *now);
                }
                top.update(changed.iter().map(|(path, views)| (path.as_str(), *views)));
                prop_assert_eq!(&top.paths, &expected(&views));
                let unlisted = views.iter().filter(|(path, _)| !top.iter().any(|(listed, _)| listed == path.as_str()));
                prop_assert!(unlisted.map(|(_, views)| *views).all(|views| views <= top.floor()));
                prop_assert_eq!(TopPaths::from_json(&top.to_json()), Ok(top.clone()));
            }
        }
    }

    #[test]
    fn a_list_with_all_paths_leaves_none_outside() {
        let mut top = TopPaths::default();
        top.update([("/b", 2), ("/a", 2), ("/c", 9)]);
        assert_eq!(top.to_json(), r#"[["/c",9],["/a",2],["/b",2]]"#);
        assert_eq!(top.floor(), 0);
    }

    #[test]
    fn what_is_no_list_is_damaged() {
        let long = format!("[{}]", (10..27).map(|i| format!(r#"["/{i}",1]"#)).collect::<Vec<_>>().join(","));
        for stored in
            ["", "{}", r#"[["/a"]]"#, r#"[["/a",-1]]"#, r#"[["/b",1],["/a",1]]"#, r#"[["/a",1],["/a",1]]"#, &long]
        {
            assert_eq!(TopPaths::from_json(stored), Err(CorruptTopPaths), "{stored}");
        }
    }
}
