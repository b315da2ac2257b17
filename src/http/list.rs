//! Lists: all of one, one page of it, or a step of a walk; every list in the same form, and each piece by piece, so that
//! one of any length fits into memory and holds no worker.

use super::answer::Answer;
use super::call::Call;
use super::client::ClientWishes;
use super::error::ApiError;
use super::pieces;
use super::query::{ListCursor, ListRange, ListStep};
use crate::num;
use crate::store::Start;
use bytes::Bytes;
use serde::Serialize;

/// How many things are read at first: few, for nobody knows yet how large they are.
const FIRST_ROWS: u64 = 16;
/// How many are read at a time at most.
const MOST_ROWS: u64 = 500;
/// About how many bytes are written at a time.
const PIECE_BYTES: usize = 256 << 10;

/// Under what names every page says how many things it and all pages have.
const PAGED: [&str; 2] = ["page_size", "total_count"];

/// Something that is listed, in an order that a thing never changes its place in.
pub(crate) trait List: 'static {
    /// What it holds.
    type Item;

    /// What it is called in the answer.
    fn name(&self) -> &'static str;

    /// Under what names an answer with all of it says how many that are; a page says it under those too.
    fn counts(&self) -> &'static [&'static str] {
        &[]
    }

    /// Reads what comes next, so many at most. Fewer are the last ones.
    async fn read(
        &self,
        start: &Start<ListCursor>,
        limit: u64,
    ) -> Result<Vec<Self::Item>, ApiError>;

    /// How many it has in all.
    async fn total(&self) -> Result<u64, ApiError>;

    /// Where a thing stands.
    fn place(item: &Self::Item) -> ListCursor;

    /// Writes a thing as JSON; nothing for what has gone since it was listed. `is_bare` for the client that wants things in
    /// a form of its own.
    fn write(&self, item: &Self::Item, is_bare: bool, text: &mut Vec<u8>)
    -> serde_json::Result<()>;
}

/// Answers with what is asked of a list.
pub(crate) async fn answer(list: impl List, wanted: ListRange) -> Answer {
    pieces::whole(ListWalk::new(list, wanted, false).await?).await
}

/// The same for one of the lists that the `hop` crate wants as a bare array.
pub(crate) async fn answer_bare(call: &Call, list: impl List, wanted: ListRange) -> Answer {
    let is_step = matches!(wanted, ListRange::Step(_));
    let is_bare = ClientWishes::of(call.request.headers()) == ClientWishes::HopCrate && !is_step;
    pieces::whole(ListWalk::new(list, wanted, is_bare).await?).await
}

/// How much of a list is written.
enum ListForm {
    /// All of it.
    All,
    /// One page.
    Page {
        /// How many a page has.
        size: u64,
        /// How many all pages have.
        total: u64,
    },
    /// A step of a walk.
    Step {
        /// How many it has at most.
        size: u64,
    },
}

/// A walk through a list that writes down what it meets.
struct ListWalk<L> {
    /// What it walks through.
    list: L,
    /// Where it goes on.
    start: Start<ListCursor>,
    /// How far.
    part: ListForm,
    /// Whether the answer is the bare array.
    is_bare: bool,
    /// How many things were met.
    met: u64,
    /// How many were written.
    written: u64,
    /// How many are read next.
    rows: u64,
    /// Whether the last one and what follows it are written.
    is_over: bool,
}

impl<L: List> ListWalk<L> {
    /// One that begins where it is wanted.
    async fn new(list: L, wanted: ListRange, is_bare: bool) -> Result<Self, ApiError> {
        let (start, part) = match wanted {
            ListRange::All => (Start::Skip(0), ListForm::All),
            ListRange::Page(page) => {
                let total = list.total().await?;
                (Start::Skip(page.offset), ListForm::Page { size: page.limit, total })
            }
            ListRange::Step(ListStep { behind, limit }) => {
                let start = behind.map_or(Start::Skip(0), Start::Behind);
                (start, ListForm::Step { size: limit })
            }
        };
        let rows = FIRST_ROWS;
        Ok(Self { list, start, part, is_bare, met: 0, written: 0, rows, is_over: false })
    }

    /// How many things may still be shown.
    const fn left(&self) -> u64 {
        match self.part {
            ListForm::All => u64::MAX,
            ListForm::Page { size, .. } | ListForm::Step { size } => size.saturating_sub(self.met),
        }
    }

    /// How many are to be read: for a step, one more than it shows tells whether there is another.
    fn wanted(&self) -> u64 {
        let is_step = matches!(self.part, ListForm::Step { .. });
        self.left().saturating_add(u64::from(is_step)).min(self.rows)
    }

    /// Goes on behind what was met.
    fn advance(&mut self, met: &[L::Item]) {
        let count = num::counter(met.len());
        self.met = self.met.saturating_add(count);
        match (&self.part, &mut self.start) {
            // A page has an order of its own, in which only numbers say how far it is.
            (ListForm::Page { .. }, Start::Skip(skipped)) => {
                *skipped = skipped.saturating_add(count);
            }
            (_, start) => {
                if let Some(last) = met.last() {
                    *start = Start::Behind(L::place(last));
                }
            }
        }
    }

    /// Writes things, with commas between.
    fn write(&mut self, items: &[L::Item], text: &mut Vec<u8>) -> Result<(), ApiError> {
        for item in items {
            let end = text.len();
            if self.written > 0 {
                text.push(b',');
            }
            let before = text.len();
            let written = self.list.write(item, self.is_bare, text);
            written.map_err(|error| ApiError::internal(&error))?;
            if text.len() == before {
                text.truncate(end);
            } else {
                self.written += 1;
            }
        }
        Ok(())
    }

    /// Writes what follows the last thing.
    fn end(&self, is_more: bool, text: &mut Vec<u8>) -> Result<(), ApiError> {
        text.push(b']');
        if self.is_bare {
            text.push(b'}');
            return Ok(());
        }
        match &self.part {
            ListForm::All => {
                for name in self.list.counts() {
                    field(text, name, &self.written)?;
                }
            }
            ListForm::Page { size, total } => {
                for (name, count) in PAGED.iter().zip([size, total]) {
                    field(text, name, count)?;
                }
                for name in self.list.counts().iter().filter(|name| !PAGED.contains(name)) {
                    field(text, name, total)?;
                }
            }
            ListForm::Step { size } => {
                let next = match &self.start {
                    Start::Behind(place) if is_more => Some(place.cursor()),
                    _ => None,
                };
                field(text, "page_size", size)?;
                field(text, "next", &next)?;
            }
        }
        text.extend_from_slice(b"}}");
        Ok(())
    }
}

impl<L: List> pieces::WriteWalk for ListWalk<L> {
    fn start(&self) -> Bytes {
        if self.is_bare {
            return Bytes::from_static(br#"{"success":true,"data":["#);
        }
        format!(r#"{{"success":true,"data":{{"{}":["#, self.list.name()).into()
    }

    fn is_over(&self) -> bool {
        self.is_over
    }

    async fn piece(&mut self) -> Result<Bytes, ApiError> {
        let wanted = self.wanted();
        let mut found = self.list.read(&self.start, wanted).await?;
        let is_last = !u64::try_from(found.len()).is_ok_and(|found| found >= wanted);
        let left = usize::try_from(self.left()).unwrap_or(usize::MAX);
        let is_more = found.len() > left;
        found.truncate(left);
        self.advance(&found);
        let mut text = Vec::new();
        self.write(&found, &mut text)?;
        self.rows = next_rows(self.rows, text.len());
        let is_full = matches!(self.part, ListForm::Page { .. }) && self.left() == 0;
        if is_last || is_more || is_full {
            self.is_over = true;
            self.end(is_more, &mut text)?;
        }
        Ok(text.into())
    }
}

/// How many things to read next, after so many had so many bytes.
fn next_rows(rows: u64, bytes: usize) -> u64 {
    if bytes <= PIECE_BYTES {
        return rows.saturating_mul(2).min(MOST_ROWS);
    }
    let times = num::counter(bytes.div_ceil(PIECE_BYTES));
    (rows / times).max(1)
}

/// Writes `,"name":value`.
fn field(text: &mut Vec<u8>, name: &str, value: &impl Serialize) -> Result<(), ApiError> {
    text.extend_from_slice(format!(r#","{name}":"#).as_bytes());
    serde_json::to_writer(text, value).map_err(|error| ApiError::internal(&error))
}

#[cfg(test)]
mod tests {
    use super::super::query::wanted;
    use super::pieces::WriteWalk as _;
    use super::*;
    use std::cell::RefCell;

    /// The numbers below some other, of which every third has gone when it is written.
    struct Numbers {
        /// How many there are.
        count: u64,
        /// How many bytes each is written with.
        bytes: usize,
        /// How many were asked for, each time.
        asked: RefCell<Vec<u64>>,
    }

    impl List for Numbers {
        type Item = u64;

        fn name(&self) -> &'static str {
            "numbers"
        }

        fn counts(&self) -> &'static [&'static str] {
            &["count"]
        }

        async fn read(&self, start: &Start<ListCursor>, limit: u64) -> Result<Vec<u64>, ApiError> {
            self.asked.borrow_mut().push(limit);
            let start = start.map(|place| place.rank.unsigned_abs());
            Ok(start.part(0..self.count, |number| number, limit))
        }

        async fn total(&self) -> Result<u64, ApiError> {
            Ok(self.count)
        }

        fn place(number: &u64) -> ListCursor {
            ListCursor { rank: number.cast_signed(), id: String::new() }
        }

        fn write(&self, number: &u64, _: bool, text: &mut Vec<u8>) -> serde_json::Result<()> {
            if number % 3 != 2 {
                text.extend(number.to_string().bytes());
                text.resize(text.len() + self.bytes, b' ');
            }
            Ok(())
        }
    }

    /// What is answered to a query, and how many things were read at a time.
    async fn answered(count: u64, bytes: usize, query: &str) -> (serde_json::Value, Vec<u64>) {
        let list = Numbers { count, bytes, asked: RefCell::default() };
        let mut walk = ListWalk::new(list, wanted(query).unwrap(), false).await.unwrap();
        let mut text = walk.start().to_vec();
        while !walk.is_over() {
            text.extend(walk.piece().await.unwrap());
        }
        let answer: serde_json::Value = serde_json::from_slice(&text).unwrap();
        (answer["data"].clone(), walk.list.asked.take())
    }

    /// The numbers of an answer.
    fn numbers(data: &serde_json::Value) -> Vec<u64> {
        data["numbers"].as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).collect()
    }

    /// The numbers between two that have not gone.
    fn those(from: u64, to: u64) -> Vec<u64> {
        (from..to).filter(|number| number % 3 != 2).collect()
    }

    #[tokio::test]
    async fn all_of_a_list_is_written_whatever_its_length() {
        for count in [0, 1, 3, 15, 16, 17, 48, 2000] {
            let (data, asked) = answered(count, 0, "").await;
            assert_eq!(numbers(&data), those(0, count), "{count}");
            assert_eq!(data["count"], those(0, count).len(), "{data}");
            assert!(asked.iter().all(|rows| *rows <= MOST_ROWS), "{asked:?}");
        }
    }

    #[tokio::test]
    async fn a_page_has_its_size_and_the_number_of_all() {
        for (page, size, from, to) in
            [(1, 2, 0, 2), (3, 2, 4, 5), (4, 2, 5, 5), (1, 5, 0, 5), (1, 99, 0, 5)]
        {
            let (data, _) = answered(5, 0, &format!("page={page}&pageSize={size}")).await;
            assert_eq!(numbers(&data), those(from, to), "{page} of {size}");
            let counts = (&data["page_size"], &data["total_count"], &data["count"]);
            assert_eq!(counts, (&size.into(), &5.into(), &5.into()));
        }
        let (data, _) = answered(2000, 0, "page=1&pageSize=1000").await;
        assert_eq!(numbers(&data), those(0, 1000));
    }

    #[tokio::test]
    async fn steps_meet_each_thing_once_and_say_when_they_are_over() {
        for (count, size) in [(0, 1), (1, 1), (5, 2), (6, 2), (6, 9), (40, 15), (40, 16), (40, 17)]
        {
            let (mut met, mut cursor, mut steps) = (Vec::new(), String::new(), 0);
            loop {
                let query = format!("cursor={cursor}&pageSize={size}");
                let (data, asked) = answered(count, 0, &query).await;
                assert!(asked.iter().sum::<u64>() <= size + 1 + FIRST_ROWS, "{asked:?}");
                met.extend(numbers(&data));
                steps += 1;
                let Some(next) = data["next"].as_str() else { break };
                next.clone_into(&mut cursor);
                assert!(steps <= count, "it stands still");
            }
            assert_eq!(met, those(0, count), "{count} in steps of {size}");
            assert_eq!(steps, count.div_ceil(size).max(1), "an empty step too many");
        }
    }

    #[tokio::test]
    async fn large_things_are_read_one_by_one() {
        let (data, asked) = answered(20, PIECE_BYTES, "").await;
        assert_eq!(numbers(&data), those(0, 20));
        assert_eq!(asked, [FIRST_ROWS, 1, 1, 2, 1]);
        assert_eq!(next_rows(500, 501 << 20), 1);
        assert_eq!(next_rows(1, usize::MAX), 1);
        assert_eq!(next_rows(400, 0), MOST_ROWS);
    }
}
