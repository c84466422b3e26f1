//! What `#[track]` has read off a function's source, and how it writes that down.
//!
//! The attribute writes one text for each function: a compiler takes more time for the same facts as tuples and arrays than
//! for all else that the attribute adds. The text is read when the first of the facts is asked for.

use super::extent::Extent;

/// What is known of a function from its source.
///
/// In the text of `#[track]`, each fact is a row, and `; ` stands between two rows:
///
/// ```text
/// at 12:5; body 12:40-15:6; straight; site 14:21 fetch_one; site 14:40 begin stays 14:9-14:52
/// ```
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// `at 12:5`: the function's name.
    pub(crate) at: [u32; 2],
    /// `body 12:40-15:6`: from the opening brace to the closing one.
    pub(crate) body: Option<Extent>,
    /// `straight`: nothing in the body can run beside something else.
    pub(crate) straight: bool,
    /// `site …`: the call sites, in the order of their indices.
    pub(crate) sites: Vec<Written>,
    /// `keeps 13:30`: an `.await` whose handle stays in a variable of the function.
    pub(crate) keeps: Vec<[u32; 2]>,
    /// `lends 13:30`: an `.await` of a call to which a variable is lent for just that call.
    pub(crate) lends: Vec<[u32; 2]>,
    /// `in_sight`: its parameters that are lent connections are used by queries, and passed to calls that are awaited in
    /// [`lending`](crate::track::lending). Nothing else is done with them.
    pub(crate) lends_in_sight: bool,
    /// `repeats 13:30`: the handle taken there stays in a variable of a loop.
    pub(crate) repeats: Vec<[u32; 2]>,
    /// `holds …`: the parts of the body in which the function holds what an `.await` has returned.
    pub(crate) holds: Vec<Holds>,
    /// `loop …`: the loops and closures of the body in which something is awaited.
    pub(crate) loops: Vec<Loop>,
    /// `joins 15:40`: a task takes the scope along there, and is awaited before anything else is.
    pub(crate) joins: Vec<[u32; 2]>,
    /// `takes Tenant`: the function is given a value to itself of a type with this last word.
    pub(crate) takes: Vec<&'static str>,
}

/// A site: `site 14:21 fetch_one stays 13:9-16:4`, where the last two may be missing.
///
/// - the line and column of the method's name, from 1;
/// - that name;
/// - whether the handle that it takes stays in a variable of the function until it is ended or dropped;
/// - the extent of the innermost async block, closure or macro around it, if there is one in the body.
pub(crate) type Written = ([u32; 2], &'static str, bool, Option<Extent>);

/// A part of a body in which the function holds what an `.await` has returned: `holds 13:30 13:30-14:52 lasts`, where the
/// last may be missing.
///
/// - the line and column of the `.await`, from 1;
/// - where the part begins, and where it ends;
/// - whether the value is passed on only to calls that are awaited at once, if at all.
pub(crate) type Holds = ([u32; 2], Extent, bool);

/// A loop or a closure: `loop 14:9 for 14:30-16:10 given`.
///
/// - its first word: `for`, `while`, `loop`, or `|`;
/// - the line and column of that word, from 1;
/// - the extent of what it repeats. The head of a `for` is not part of it;
/// - what its rounds go on from, as far as the words show: one of [`Rounds`].
pub(crate) type Loop = (&'static str, [u32; 2], Extent, &'static str);

/// What the rounds of a loop go on from.
pub(crate) struct Rounds;

impl Rounds {
    /// What was there before the first of them.
    pub(crate) const GIVEN: &str = "given";
    /// The same, of counted rounds with a pause: they may ask again until something has changed.
    pub(crate) const PAUSED: &str = "paused";
    /// What may come in the meantime.
    pub(crate) const WAITING: &str = "waiting";
    // Any other word: the round before.
}

impl Evidence {
    /// Reads the text that the attribute has written.
    pub(crate) fn read(text: &'static str) -> Self {
        let mut evidence = Self::default();
        for row in text.split("; ") {
            let read = evidence.read_row(row);
            debug_assert!(read.is_some(), "BUG: the attribute has written {row:?}");
        }
        evidence
    }

    fn read_row(&mut self, row: &'static str) -> Option<()> {
        let mut words = row.split(' ');
        match words.next()? {
            "at" => self.at = position(words.next()?)?,
            "body" => self.body = Some(extent(words.next()?)?),
            "straight" => self.straight = true,
            "site" => self.sites.push(site(words)?),
            "keeps" => self.keeps.push(position(words.next()?)?),
            "lends" => self.lends.push(position(words.next()?)?),
            "in_sight" => self.lends_in_sight = true,
            "repeats" => self.repeats.push(position(words.next()?)?),
            "holds" => {
                let at = position(words.next()?)?;
                let held = extent(words.next()?)?;
                self.holds.push((at, held, words.next().is_some()));
            }
            "loop" => {
                let at = position(words.next()?)?;
                let word = words.next()?;
                let repeated = extent(words.next()?)?;
                self.loops.push((word, at, repeated, words.next()?));
            }
            "joins" => self.joins.push(position(words.next()?)?),
            "takes" => self.takes.push(words.next()?),
            _ => return None,
        }
        Some(())
    }
}

fn site(mut words: impl Iterator<Item = &'static str>) -> Option<Written> {
    let mut site = (position(words.next()?)?, words.next()?, false, None);
    for word in words {
        if word == "stays" {
            site.2 = true;
        } else {
            site.3 = Some(extent(word)?);
        }
    }
    Some(site)
}

/// `12:5`
fn position(word: &str) -> Option<[u32; 2]> {
    let (line, column) = word.split_once(':')?;
    Some([line.parse().ok()?, column.parse().ok()?])
}

/// `12:40-15:6`
fn extent(word: &str) -> Option<Extent> {
    let (from, to) = word.split_once('-')?;
    Some(Extent::new(position(from)?, position(to)?))
}

#[cfg(test)]
mod tests {
    use super::Evidence;
    use crate::source::extent::Extent;

    #[test]
    fn each_row_is_a_fact() {
        let read = Evidence::read(
            "at 12:5; body 12:40-25:6; straight; site 14:21 fetch_one; site 15:3 begin stays; site 16:3 r#begin stays 16:1-17:2; \
             keeps 13:30; lends 13:31; in_sight; repeats 13:32; holds 13:30 13:30-14:52 lasts; holds 13:33 13:30-14:52; \
             loop 14:9 | 14:30-16:10 given; joins 15:40; takes Tenant; takes Self",
        );
        assert_eq!(read.at, [12, 5]);
        assert!(read.body.is_some_and(|body| body.contains(12, 40)));
        assert!(read.straight && read.lends_in_sight);
        assert_eq!(read.sites[0], ([14, 21], "fetch_one", false, None));
        assert_eq!(read.sites[1], ([15, 3], "begin", true, None));
        let block = Extent::new([16, 1], [17, 2]);
        assert_eq!(read.sites[2], ([16, 3], "r#begin", true, Some(block)));
        assert_eq!(read.keeps, [[13, 30]]);
        assert_eq!(read.lends, [[13, 31]]);
        assert_eq!(read.repeats, [[13, 32]]);
        let held = Extent::new([13, 30], [14, 52]);
        assert_eq!(
            read.holds,
            [([13, 30], held, true), ([13, 33], held, false)]
        );
        let repeated = Extent::new([14, 30], [16, 10]);
        assert_eq!(read.loops, [("|", [14, 9], repeated, "given")]);
        assert_eq!(read.joins, [[15, 40]]);
        assert_eq!(read.takes, ["Tenant", "Self"]);
    }

    #[test]
    fn what_is_not_written_is_not_known() {
        let read = Evidence::read("at 12:5; body 12:40-25:6");
        assert!(!read.straight && !read.lends_in_sight && read.sites.is_empty());
        assert!(Evidence::read("at 1:1").body.is_none());
    }
}
