//! How many come in in a second, by what the server counts.

use crate::socket::{Http, Stopwatch};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often it looks.
const PAUSE: Duration = Duration::from_millis(50);
/// The time in which those are counted who come in.
const WINDOW: Duration = Duration::from_secs(1);

/// One look at the server's count.
#[derive(Clone, Copy)]
struct Look {
    /// When it was asked for.
    asked: Duration,
    /// When it was there.
    answered: Duration,
    /// How many sockets were opened by then; at some moment between the two.
    opened: usize,
}

/// Looks at a server's numbers, whichever server runs at the time.
pub struct Meter {
    /// Where they are.
    operator: SocketAddr,
    /// The time.
    clock: Stopwatch,
    /// What was seen, of each server by itself.
    looks: Mutex<Vec<Vec<Look>>>,
}

impl Meter {
    /// Has seen nothing.
    pub fn new(operator: SocketAddr) -> Self {
        Self { operator, clock: Stopwatch::start(), looks: Mutex::default() }
    }

    /// A number that the server shows.
    fn number(&self, name: &str) -> Option<usize> {
        let answer = Http::connect(self.operator).ok()?.call("GET", "/metrics", "").ok()?;
        let text = answer.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line?.parse().ok()
    }

    /// How many sockets are open now.
    pub fn connections(&self) -> usize {
        self.number("warren_connections").unwrap_or_default()
    }

    /// Looks on until all is over.
    pub fn watch(&self, is_over: &AtomicBool) {
        let mut last = usize::MAX;
        while !is_over.load(Ordering::SeqCst) {
            let asked = self.clock.elapsed();
            if let Some(opened) = self.number("warren_connections_opened_total") {
                let look = Look { asked, answered: self.clock.elapsed(), opened };
                let mut looks = self.looks.lock().unwrap();
                if opened < last {
                    looks.push(Vec::new());
                }
                looks.last_mut().unwrap().push(look);
                last = opened;
            }
            // It has to look now and then; what happens between, the counts tell.
            thread::sleep(PAUSE);
        }
    }

    /// The most that came in in a second after a restart. Those between two looks came in the time from before the first to
    /// behind the second, and not sooner.
    pub fn peak(&self) -> f64 {
        let looks = self.looks.lock().unwrap();
        // The first server was there before anybody was to come back.
        let rates = looks.iter().skip(1).flat_map(|looks| {
            looks.iter().enumerate().filter_map(|(at, first)| {
                let later = looks[at..].iter().find(|it| it.asked >= first.answered + WINDOW)?;
                let seconds = later.answered.saturating_sub(first.asked).as_secs_f64();
                Some(f64::from(u32::try_from(later.opened - first.opened).unwrap()) / seconds)
            })
        });
        rates.fold(0.0, f64::max)
    }
}
