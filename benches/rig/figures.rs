//! What is said of several runs: the least, the median, the most.

use std::fmt;
use std::time::Duration;

/// Figures of several runs.
pub struct Spread(Vec<f64>);

impl Spread {
    /// Takes the figures in any order.
    pub fn new(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        Self(figures)
    }

    /// The figure that so many thousandths of all stay below.
    pub fn permille(&self, permille: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get(last * permille / 1000).copied().unwrap_or(f64::NAN)
    }

    /// The figure in the middle.
    pub fn median(&self) -> f64 {
        self.permille(500)
    }
}

impl fmt::Display for Spread {
    /// Median, then least and most.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (self.permille(0), self.permille(1000));
        write!(f, "{:.2} ({least:.2}–{most:.2})", self.median())
    }
}

/// A time in microseconds.
pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
